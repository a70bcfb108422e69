// SPDX-License-Identifier: Apache-2.0
/// MonicNetwork -> Plan in the image layout.
#pragma once

#include "compile/search/levelled.h"

namespace obscura::compile {

/// The steps of a selection; batch, normalisation and reasons are the caller's.
plan::Plan image_plan(const MonicNetwork& network, const ImageSelection& selection);

/// What a transform that reads this value pays its key switches by.
ckks::SwitchSize switch_size(const plan::Plan& plan, plan::ValueId input);

/// The plan that takes the least predicted time for `batch` images, with its reasons and predictions; normalisation is
/// the caller's. Tried are 1, 2, 4 .. images that share ciphertexts, up to the batch and as long as a plane of each
/// fits.
/// errors: as search_image and search_deep; infeasible: what is least of memory or keys, where that is too much.
Result<plan::Plan> compile_image(const ImageSetting& setting, std::optional<int> log2_degree, std::uint32_t batch,
                                 bool calibrated);

}  // namespace obscura::compile
