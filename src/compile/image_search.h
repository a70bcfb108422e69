// SPDX-License-Identifier: Apache-2.0
/// The cheapest parameters for the image layout.
#pragma once

#include "compile/image_schedule.h"

namespace obscura::compile {

struct ImageSelection {
  ImageNetwork network;
  ImageSchedule schedule;
  ckks::ParamsLiteral literal;
  std::size_t considered = 0;
};

/// Tries ring degrees from the least that holds the network's levels on, digits, final limbs, sizes of primes and
/// scales; the cheapest by predicted time whose error is within setting.max_error wins, and the most precise of those
/// within 1 % of its time.
/// errors: infeasible, naming the most precise that was found; as make_image_network.
Result<ImageSelection> search_image(const ImageSetting& setting, std::optional<int> log2_degree, std::uint32_t images);

}  // namespace obscura::compile
