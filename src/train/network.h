// SPDX-License-Identifier: Apache-2.0
/// The networks, as libtorch modules.
#pragma once

#include <torch/torch.h>

#include "train/train.h"

namespace obscura::train {

/// Coefficients of the activation from x^0 up: Swish-4 fitted on [-range, range] (range 3 to 8), or x^2.
std::vector<double> activation_coefficients(const std::string& network, std::uint32_t range);

/// Two convolutions with batch norm and a polynomial after each, then one dense layer.
struct NetworkImpl : torch::nn::Module {
  NetworkImpl(std::vector<double> activation, std::int64_t classes);

  struct Output {
    torch::Tensor logits;  ///< {images, classes}
    std::array<torch::Tensor, 2> pre_activations;
  };
  Output forward(const torch::Tensor& images);

  std::vector<double> activation;  ///< coefficients from x^0 up
  torch::nn::Conv2d conv1, conv2;
  torch::nn::BatchNorm2d norm1, norm2;
  torch::nn::Linear dense;

 private:
  torch::Tensor activate(const torch::Tensor& x) const;
};
TORCH_MODULE(Network);

/// Parameters and buffers of floats, in a fixed order.
std::vector<torch::Tensor> state_of(const Network& network);

/// images {n, 1, h, w} each turned, zoomed and shifted at random by up to `share` of 15 degrees, 0.1 and 0.1, and bent
/// by a smooth displacement of `elastic` pixels deviation (zero outside, bilinear). Draws from libtorch's default
/// generator.
torch::Tensor augment(const torch::Tensor& images, double share, double elastic);

/// The network as it stands, in evaluation mode, for images of 1 x side x side.
nn::Graph export_network(const Network& network, const std::string& name, std::int64_t side);

}  // namespace obscura::train
