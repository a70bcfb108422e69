// SPDX-License-Identifier: Apache-2.0
/// Small recipes and images for the tests of this folder.
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "train/network.h"
#include "train/recipe.h"

namespace obscura::train::testing {

/// Every kind of activation, and every sharing of the trained ones, as keys of [activation].
inline const std::vector<std::pair<std::string, std::string>>& activations() {
  static const std::vector<std::pair<std::string, std::string>> all = {
      {"Relu", "kind = \"relu\""},
      {"Square", "kind = \"square\""},
      {"Swish4", "kind = \"swish4\""},
      {"QuadraticPerLayer", "kind = \"quadratic\"\nper = \"layer\""},
      {"QuadraticPerChannel", "kind = \"quadratic\"\nper = \"channel\""},
      {"QuadraticPerElement", "kind = \"quadratic\"\nper = \"element\""},
      {"Degree4PerLayer", "kind = \"degree4\"\nper = \"layer\""},
      {"Degree4PerChannel", "kind = \"degree4\"\nper = \"channel\""},
      {"Degree4PerElement", "kind = \"degree4\"\nper = \"element\""},
      {"Hermite", "kind = \"hermite\""},
  };
  return all;
}

/// The numbers of a network made unlike each other, as after some training.
inline void shake(Network network, std::uint64_t seed) {
  torch::NoGradGuard no_gradient;
  torch::manual_seed(seed);
  for (torch::Tensor& parameter : network->parameters()) {
    if (parameter.dim() != 2) parameter.mul_(1 + 0.2 * torch::randn_like(parameter));
    if (parameter.dim() == 1) parameter.add_(0.1 * torch::randn_like(parameter));
  }
  // Means and variances settle, so that values keep their size from layer to layer.
  network->train();
  const auto& shape = network->input;
  for (int i = 0; i < 40; ++i) network->forward(torch::randn({16, shape[0], shape[1], shape[2]}), {});
}

inline Network network_of(const Recipe& recipe, std::uint64_t seed = 1) {
  torch::manual_seed(seed);
  Network network(expand(recipe).value(), recipe.data.shape);
  shake(network, seed);
  return network;
}

}  // namespace obscura::train::testing
