// SPDX-License-Identifier: Apache-2.0
/// Diagonals in pairs, and their steps in babies and giants, for transform_shape.cpp and choose_split.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ckks/transform.h"

namespace obscura::ckks {

inline std::int64_t floor_mod(std::int64_t a, std::int64_t m) { return (a % m + m) % m; }

inline std::int64_t baby_of(const Split& split, std::int64_t step) {
  return floor_mod(step - split.phase, split.period) + split.phase;
}

/// A diagonal, or the two of a pair.
struct DiagonalPair {
  Diagonal diagonal;
  bool paired = false;
};

/// `sorted` by output, input and step.
std::vector<DiagonalPair> pair_up(std::span<const Diagonal> sorted, std::int64_t pair);

}  // namespace obscura::ckks
