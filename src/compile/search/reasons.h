// SPDX-License-Identifier: Apache-2.0
/// Why a plan is as it is, for people.
#pragma once

#include "compile/search/batch_search.h"

namespace obscura::compile {

/// Fills plan.reasons, one plain sentence a choice, and the plan's memory, which is `memory` at most: with less than
/// the largest tasks take, they are smaller. `calibrated`: ranges come from images. errors  infeasible: too little
/// memory, with what is needed
Result<void> explain(const Setting& setting, const Selection& selection, bool calibrated, std::uint64_t memory,
                     plan::Plan& plan);

}  // namespace obscura::compile
