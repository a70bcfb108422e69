// SPDX-License-Identifier: Apache-2.0
/// How far two sets of logits are apart.
#pragma once

#include <cmath>
#include <vector>

namespace obscura {

/// The root of the mean square of a - b.
inline double deviation(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(double{a[i]} - double{b[i]}, 2);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

}  // namespace obscura
