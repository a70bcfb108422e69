// SPDX-License-Identifier: Apache-2.0
/// Why a plan is as it is, for people.
#pragma once

#include "compile/search.h"

namespace obscura::compile {

/// Fills plan.reasons, one plain sentence a choice, and plan.predicted_bytes. `calibrated`: ranges come from images.
void explain(const Setting& setting, const Selection& selection, bool calibrated, plan::Plan& plan);

}  // namespace obscura::compile
