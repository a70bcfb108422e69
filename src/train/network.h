// SPDX-License-Identifier: Apache-2.0
/// The network of a recipe as a libtorch module.
#pragma once

#include <torch/torch.h>

#include "train/activation.h"
#include "train/layers.h"

namespace obscura::train {

struct NetworkImpl : torch::nn::Module {
  NetworkImpl(std::vector<Step> expanded, nn::Shape input);

  struct Options {
    double epoch = 1e9;              ///< whole and part epochs since the start: where blends stand
    bool keep_activations = false;   ///< outputs of the activations
    bool measure = false;            ///< largest inputs of the activations
    bool reduced_precision = false;  ///< convolutions, norms and activations in bfloat16
  };
  struct Output {
    torch::Tensor logits;   ///< {images, classes}, float
    torch::Tensor penalty;  ///< scalar; undefined where no activation has one
    std::vector<torch::Tensor> activations;
    std::vector<double> largest;
  };
  /// images {n, C, H, W}, normalised.
  Output forward(const torch::Tensor& images, const Options& options);

  /// From now to the next train(): normalisations by their running statistics, as in evaluation, without changing them.
  void fix_statistics();

  enum class Role { weight, bias, gain, coefficients };
  /// A parameter, what it is, and what multiplies its learning rate.
  struct Trained {
    torch::Tensor tensor;
    Role role = Role::weight;
    double rate = 1;
  };
  std::vector<Trained> trained() const;

  /// Modules of step i; empty holders where it has none. A join has conv and norm where it projects.
  struct Parts {
    torch::nn::Conv2d conv{nullptr};
    torch::nn::BatchNorm2d norm{nullptr};
    torch::nn::Linear dense{nullptr};
    Activation activation{nullptr};
  };
  std::vector<Step> steps;
  std::vector<Parts> parts;
  nn::Shape input;

 private:
  Parts make(const Step& step);
};
TORCH_MODULE(Network);

/// Parameters and buffers of floats, in a fixed order.
std::vector<torch::Tensor> state_of(const Network& network);

/// Share of the polynomial at `epoch`.
double share_at(const ActivationRecipe& activation, double epoch);

/// The network as it stands, in evaluation mode: batch norms as BatchNormalization, polynomials as Mul and Add with
/// constants of {1}, {C, 1, 1} or {C, H, W}.
nn::Graph export_network(const Network& network, const std::string& name);

}  // namespace obscura::train
