// SPDX-License-Identifier: Apache-2.0
/// Activations with trained polynomials.
#pragma once

#include <torch/torch.h>

#include "train/recipe.h"

namespace obscura::train {

/// y = share p(v) + (1 - share) max(0, v) with v = min(max(x, -limit), limit) and p(v) = sum over k of coefficients[k]
/// v^k, and the mean of max(0, |x| - range)^2; both differentiable in x and the coefficients. x {n, C, H, W} or {n, F},
/// float or bfloat16 (y is what x is); coefficients {3 or 5, ...} where ... is {1}, {C, 1, 1}, {C, H, W} or {F}.
/// cost    on the CPU one pass over x each way, in the order of channels last; a dozen where it is spelt in operations.
std::pair<torch::Tensor, torch::Tensor> activate(const torch::Tensor& x, const torch::Tensor& coefficients,
                                                 double range, double share, double limit);

/// Mean over images of ln max(1, max |x| / range) over an image's elements: what the worst of each image needs beyond
/// the range, in nats. Differentiable in x {n, C, H, W} or {n, F}.
torch::Tensor nats_beyond(const torch::Tensor& x, double range);

/// One activation of a network; `input` is the shape of one image there.
struct ActivationImpl : torch::nn::Module {
  ActivationImpl(ActivationRecipe chosen, const nn::Shape& input);

  struct Output {
    torch::Tensor y;
    torch::Tensor penalty;  ///< weighted; undefined where there is none
  };
  /// `share` of the polynomial, the rest is ReLU.
  Output forward(const torch::Tensor& x, double share);

  /// What the activation computes in evaluation mode, as coefficients from x^0 up: {3 or 5, ...} as for activate;
  /// undefined for relu.
  torch::Tensor polynomial() const;

  ActivationRecipe recipe;
  torch::Tensor coefficients;  ///< trained, or a buffer; undefined for relu and hermite
  /// hermite: y = slope (h1 (x - m1) / s1 + h2 (x^2 - m2) / s2) + shift with mean m and deviation s of each channel.
  torch::Tensor slope, shift, mean1, variance1, mean2, variance2;

 private:
  Output hermite(const torch::Tensor& x, double share);
};
TORCH_MODULE(Activation);

}  // namespace obscura::train
