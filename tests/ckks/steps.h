// SPDX-License-Identifier: Apache-2.0
/// Steps of diagonals.
#pragma once

#include <cstdint>
#include <vector>

namespace obscura::ckks {

inline std::vector<std::int64_t> range(std::int64_t first, std::int64_t last, std::int64_t unit = 1) {
  std::vector<std::int64_t> out;
  for (std::int64_t k = first; k < last; ++k) out.push_back(k * unit);
  return out;
}

/// A 3x3 convolution on rows of `row` and channels of `channel` slots.
inline std::vector<std::int64_t> convolution(std::int64_t row, std::int64_t channel, std::int64_t channels) {
  std::vector<std::int64_t> out;
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t tap = 0; tap < 9; ++tap) out.push_back((tap / 3 - 1) * row + tap % 3 - 1 + c * channel);
  }
  return out;
}

}  // namespace obscura::ckks
