// SPDX-License-Identifier: Apache-2.0
/// The cheapest parameters without bootstrapping, in the image layout.
#pragma once

#include "compile/search/candidate.h"

namespace obscura::compile {

/// Tries ring degrees from the least that holds the network's levels on, digits, final limbs, sizes of primes and
/// scales; the cheapest by predicted time whose error is within setting.max_error wins, and the most precise of those
/// within 1 % of its time. Longer digits, which are slower and have smaller keys, come where others are too large.
/// errors: infeasible, naming the most precise that was found; as lower. `shortfall` says what was precise enough and
/// too large.
Result<Selection> search_levelled(const Setting& setting, std::optional<int> log2_degree, std::uint32_t images,
                                  Shortfall& shortfall);

}  // namespace obscura::compile
