// SPDX-License-Identifier: Apache-2.0
/// Images changed at random while training.
#pragma once

#include <torch/torch.h>

#include "train/recipe.h"

namespace obscura::train {

/// images {n, C, H, W}, floats on the CPU with 0 for black: each turned, zoomed, shifted and bent by a smooth
/// displacement (bilinear, black outside), then moved by whole pixels, mirrored and blanked in a square, as far as `a`
/// says. Draws from libtorch's default generator; the same whatever the threads.
torch::Tensor augment(const torch::Tensor& images, const AugmentationRecipe& a);

}  // namespace obscura::train
