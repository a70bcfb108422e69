// SPDX-License-Identifier: Apache-2.0
/// Images as no data set has them, for which a network of polynomials must not diverge either.
#pragma once

#include <torch/torch.h>

#include "train/recipe.h"

namespace obscura::train {

/// {count, C, H, W}, floats in [0, 1]: uniform noise, noise of black and full, checkerboards and stripes of two
/// colours, single colours, and `images` {n, C, H, W} inverted, or with each channel black or full; kinds, colours and
/// sizes are drawn from libtorch's default generator.
torch::Tensor outliers(std::int64_t count, const torch::Tensor& images);

}  // namespace obscura::train
