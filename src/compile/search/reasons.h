// SPDX-License-Identifier: Apache-2.0
/// Why a plan is as it is, human-readable.
#pragma once

#include "compile/search/candidate.h"

namespace obscura::compile {

/// Fills plan.reasons, one plain sentence for each choice; needs plan.batch. `calibrated`: ranges come from images.
void explain(const Setting& setting, const Selection& selection, bool calibrated, plan::Plan& plan);

}  // namespace obscura::compile
