// SPDX-License-Identifier: Apache-2.0
/// Why a plan is as it is, human-readable.
#pragma once

#include "compile/search/batch.h"
#include "compile/search/image.h"

namespace obscura::compile {

/// Fills plan.reasons, one plain sentence for each choice, and the plan's memory, which is `memory` at most: with less
/// than the largest tasks take, they are smaller. `calibrated`: ranges come from images.
/// errors  infeasible: too little memory, with what is needed
Result<void> explain_batch(const Setting& setting, const Selection& selection, bool calibrated, std::uint64_t memory,
                           plan::Plan& plan);

/// Fills plan.reasons; needs plan.batch.
void explain_image(const Setting& setting, const ImageSelection& image, bool calibrated, plan::Plan& plan);

}  // namespace obscura::compile
