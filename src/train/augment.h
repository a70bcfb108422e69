// SPDX-License-Identifier: Apache-2.0
/// Images changed at random while training.
#pragma once

#include <torch/torch.h>

#include "train/recipe.h"

namespace obscura::train {

/// images {n, C, H, W}, floats on the CPU with 0 for black: each turned, zoomed, shifted and bent by a smooth
/// displacement (bilinear, black outside), then moved by whole pixels, mirrored and blanked in a square, as far as `a`
/// says. Draws from libtorch's default generator; the same whatever the threads. `mirrored` {n}, bool, says which are
/// mirrored where a.flip is alternate, and is not looked at otherwise.
torch::Tensor augment(const torch::Tensor& images, const AugmentationRecipe& a, const torch::Tensor& mirrored = {});

/// Two images in one (Zhang et al. 2018): image i is share[i] of what it was and 1 - share[i] of image partner[i].
struct Mixture {
  torch::Tensor partner;  ///< {n}, a permutation
  torch::Tensor share;    ///< {n}, of Beta(alpha, alpha), and at least 1/2, so that its label stays the first
};
/// Draws from libtorch's default generator.
Mixture draw_mixture(std::int64_t n, double alpha);
/// What `mixture` makes of images {n, C, H, W}.
torch::Tensor mixed(const torch::Tensor& images, const Mixture& mixture);

/// Which of the images `index` {n} are mirrored in an epoch: a fair half, and the other half an epoch later.
torch::Tensor mirrored_in(const torch::Tensor& index, std::int64_t epoch);

}  // namespace obscura::train
