// SPDX-License-Identifier: Apache-2.0
/// Steps down the gradient, with a state that a checkpoint can hold.
#pragma once

#include <vector>

#include "train/network.h"

namespace obscura::train {

/// The rate in step `step` of `steps`, of which an epoch has `steps_an_epoch`.
///   cosine     linear up over the warm-up, then half a cosine to 0
///   one_cycle  half a cosine from rate / 25 up over the warm-up, then one down to rate / 250,000
///   steps      rate * factor^(epochs of `steps` that have passed)
double rate_at(const OptimizerRecipe& recipe, std::size_t step, std::size_t steps, std::size_t steps_an_epoch);

/// SGD with Nesterov momentum (decay added to the gradient), or AdamW (decoupled decay, betas 0.9 and 0.999), as in
/// torch::optim; there the state is keyed by addresses and cannot be carried from run to run. Or Muon (Jordan et al.
/// 2024) for the weights W of convolutions, as matrices of a row per output channel, and AdamW for all else: the
/// Nesterov momentum of the gradients, U S V^T, becomes U V^T, of which W takes a step of length rate |W| in the
/// Frobenius norm; then W gets its norm back, which a batch norm behind it would undo anyway. All directions of a
/// matrix move alike, however few of the gradients, whose tails squares make heavy, point there.
class Optimizer {
 public:
  Optimizer(OptimizerRecipe recipe, std::vector<NetworkImpl::Trained> trained);
  void zero_gradient();
  /// Scales all gradients down to a norm of `largest` together; 0 = leaves them.
  void clip(double largest);
  void step(double rate);
  /// Averages of the gradients, in the order of the parameters.
  std::vector<torch::Tensor> state() const;
  std::size_t steps() const { return steps_; }
  void set_steps(std::size_t steps) { steps_ = steps; }

 private:
  void sgd(const NetworkImpl::Trained& item, torch::Tensor& first, double rate) const;
  /// What Muon moves.
  bool is_matrix(const NetworkImpl::Trained& item) const;
  void muon(const NetworkImpl::Trained& item, torch::Tensor& first, double rate) const;
  void adamw(const NetworkImpl::Trained& item, torch::Tensor& first, torch::Tensor& second, double rate) const;

  OptimizerRecipe recipe_;
  std::vector<NetworkImpl::Trained> trained_;
  std::vector<torch::Tensor> first_, second_;
  std::size_t steps_ = 0;
};

}  // namespace obscura::train
