// SPDX-License-Identifier: Apache-2.0
/// Gaussian noise that depends on nothing but its seed, node, image and element.
#pragma once

#include <cstdint>

#include "eval/step.h"

namespace obscura::eval {

/// Which noise: element e of image i at node n is the same number in every run with one seed.
struct NoiseKey {
  std::uint64_t seed = 0;
  std::size_t node = 0;
  std::size_t image = 0;  ///< of the first image
};

/// values[i][c, p] += deviation gain_c g(key, image i, element), g independent and normal with variance 1; `gain`: one
/// a channel, or empty (all 1). `values`: `images` of them.
void add_noise(const NoiseKey& key, double deviation, const std::vector<double>& gain, const Layout& layout,
               std::size_t images, float* values);

}  // namespace obscura::eval
