// SPDX-License-Identifier: Apache-2.0
/// Coefficients that activations start from, or keep.
#pragma once

#include <vector>

#include "train/recipe.h"

namespace obscura::train {

/// From x^0 up; empty for relu and hermite.
///   square     x^2
///   swish4     the published fit of Swish on [-range, range], range 3, 4, ... 8
///   quadratic  ReLU in the Hermite basis to degree 2: the least squares fit where x is a standard normal
///   degree4    the same to degree 4
std::vector<double> initial_coefficients(ActivationKind kind, double range);

/// ReLU in the basis of normalised Hermite polynomials h0 = 1, h1 = x, h2 = (x^2 - 1) / sqrt 2, h4 = (x^4 - 6 x^2 + 3)
/// / sqrt 24 (h3 has none): E[ReLU(x) h_k(x)] for x a standard normal.
inline constexpr double kHermite0 = 0.39894228040143268;  // 1 / sqrt(2 pi)
inline constexpr double kHermite1 = 0.5;
inline constexpr double kHermite2 = 0.28209479177387814;    // 1 / sqrt(4 pi)
inline constexpr double kHermite4 = -0.081433751983819830;  // -1 / sqrt(48 pi)

}  // namespace obscura::train
