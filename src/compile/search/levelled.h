// SPDX-License-Identifier: Apache-2.0
/// The cheapest parameters for the image layout.
#pragma once

#include "ckks/bootstrap.h"
#include "compile/schedule/schedule.h"
#include "compile/search/memory.h"

namespace obscura::compile {

struct ImageSelection {
  ImageNetwork network;
  ImageSchedule schedule;
  ckks::ParamsLiteral literal;
  std::size_t considered = 0;
  std::shared_ptr<const ckks::Bootstrapper> bootstrapper = {};  ///< where the network bootstraps
  ImageMemory memory = {};
};

/// Sets selection.memory, and what transforms take with as many kept diagonals.
/// cost    some milliseconds
void settle_memory(const ImageSetting& setting, ImageSelection& selection);

/// Tries ring degrees from the least that holds the network's levels on, digits, final limbs, sizes of primes and
/// scales; the cheapest by predicted time whose error is within setting.max_error wins, and the most precise of those
/// within 1 % of its time. Longer digits, which are slower and have smaller keys, come where others are too large.
/// errors: infeasible, naming the most precise that was found; as make_image_network. `shortfall` says what was precise
/// enough and too large.
Result<ImageSelection> search_image(const ImageSetting& setting, std::optional<int> log2_degree, std::uint32_t images,
                                    Shortfall& shortfall);

}  // namespace obscura::compile
