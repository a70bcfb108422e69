// SPDX-License-Identifier: Apache-2.0
/// The networks, as libtorch modules.
#pragma once

#include <torch/torch.h>

#include "train/train.h"

namespace obscura::train {

/// Coefficients of the activation from x^0 up: Swish-4 fitted on [-range, range] (range 3 to 8), or x^2.
std::vector<double> activation_coefficients(const std::string& network, std::uint32_t range);

/// What distinguishes one network from another.
struct Form {
  std::vector<double> activation;        ///< coefficients from x^0 up, of degree 4 at most
  std::array<std::int64_t, 2> channels;  ///< of the two convolutions
  std::int64_t classes;
};

/// Two convolutions of 5x5 and stride 2, with batch norm and an activation after each, then one dense layer, on images
/// of 1x28x28.
struct NetworkImpl : torch::nn::Module {
  explicit NetworkImpl(Form form);

  struct Output {
    torch::Tensor logits;  ///< {images, classes}
    std::array<torch::Tensor, 2> pre_activations;
    torch::Tensor beyond;  ///< scalar: sum of the two means of max(0, |pre-activation| - range)^2
  };
  Output forward(const torch::Tensor& images, double range);

  Form form;
  torch::nn::Conv2d conv1, conv2;
  torch::nn::BatchNorm2d norm1, norm2;
  torch::nn::Linear dense;
};
TORCH_MODULE(Network);

/// Parameters and buffers of floats, in a fixed order.
std::vector<torch::Tensor> state_of(const Network& network);

/// {p(x), mean of max(0, |x| - range)^2} of the polynomial p with `coefficients` from x^0 up, both differentiable, in
/// one pass over x each way.
std::pair<torch::Tensor, torch::Tensor> activate(const torch::Tensor& x, const std::vector<double>& coefficients,
                                                 double range);

/// images {n, 1, side, side}, floats, each turned, zoomed and shifted at random by up to `share` of 15 degrees, 0.1 and
/// 0.1 of the side, and bent by a smooth displacement of `elastic` pixels deviation (zero outside, bilinear). Draws
/// from libtorch's default generator.
torch::Tensor augment(const torch::Tensor& images, double share, double elastic);

/// The network as it stands, in evaluation mode, for images of 1 x side x side.
nn::Graph export_network(const Network& network, const std::string& name, std::int64_t side);

}  // namespace obscura::train
