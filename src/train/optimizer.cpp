// SPDX-License-Identifier: Apache-2.0
#include "train/optimizer.h"

#include <cmath>
#include <numbers>

#include "train/products.h"

namespace obscura::train {
namespace {

constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.999;
constexpr double kEpsilon = 1e-8;

/// From `from` to `to` as t goes from 0 to 1, flat at both ends.
double cosine(double from, double to, double t) {
  return to + (from - to) * 0.5 * (1 + std::cos(std::numbers::pi * t));
}

/// Nearly U V^T of m = U S V^T: singular values come to about 0.7 to 1.2 by steps X <- (a + b X X^T + c (X X^T)^2) X
/// from X = m / |m|, with the coefficients of Jordan et al. (2024).
torch::Tensor orthogonalised(const torch::Tensor& m) {
  constexpr int kSteps = 5;
  constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
  const bool tall = m.size(0) > m.size(1);
  torch::Tensor x = tall ? m.t() : m;
  x = (x / (x.norm() + 1e-7)).contiguous();
  if (multiplies_bfloat16(x.device())) x = x.to(torch::kBFloat16);
  for (int i = 0; i < kSteps; ++i) {
    const torch::Tensor square = dense_product(x, x);  // and its own transpose
    x = x * a + dense_product(square * b + dense_product(square, square) * c, x.t());
  }
  x = x.to(torch::kFloat32);
  return tall ? x.t() : x;
}

/// Weight decay of biases and gains only costs accuracy (Goyal et al. 2017).
bool decays(const NetworkImpl::Trained& item) { return item.role == NetworkImpl::Role::weight; }

}  // namespace

double rate_at(const OptimizerRecipe& recipe, std::size_t step, std::size_t steps, std::size_t steps_an_epoch) {
  const double t = static_cast<double>(step);
  if (recipe.schedule == Schedule::steps) {
    double rate = recipe.rate;
    for (const double epoch : recipe.steps) {
      if (t >= epoch * static_cast<double>(steps_an_epoch)) rate *= recipe.factor;
    }
    return rate;
  }
  const double warm_up = std::max(1.0, static_cast<double>(steps) * recipe.warm_up);
  const double share = (t - warm_up) / std::max(1.0, static_cast<double>(steps) - warm_up);
  if (recipe.schedule == Schedule::one_cycle) {
    return t < warm_up ? cosine(recipe.rate / 25, recipe.rate, t / warm_up)
                       : cosine(recipe.rate, recipe.rate / 250000, share);
  }
  return t < warm_up ? recipe.rate * (t + 1) / warm_up : cosine(recipe.rate, 0, share);
}

Optimizer::Optimizer(OptimizerRecipe recipe, std::vector<NetworkImpl::Trained> trained)
    : recipe_(std::move(recipe)), trained_(std::move(trained)) {
  for (const NetworkImpl::Trained& item : trained_) {
    first_.push_back(torch::zeros_like(item.tensor));
    if (recipe_.kind == OptimizerKind::sgd) continue;
    second_.push_back(is_matrix(item) ? torch::zeros({0}) : torch::zeros_like(item.tensor));
  }
}

void Optimizer::zero_gradient() {
  for (NetworkImpl::Trained& item : trained_) item.tensor.mutable_grad() = torch::Tensor();
}

void Optimizer::clip(double largest) {
  if (largest == 0) return;
  std::vector<torch::Tensor> tensors;
  for (const NetworkImpl::Trained& item : trained_) tensors.push_back(item.tensor);
  torch::nn::utils::clip_grad_norm_(tensors, largest);
}

void Optimizer::sgd(const NetworkImpl::Trained& item, torch::Tensor& first, double rate) const {
  torch::Tensor gradient = item.tensor.grad();
  if (decays(item) && recipe_.weight_decay > 0) gradient = gradient.add(item.tensor, recipe_.weight_decay);
  first.mul_(recipe_.momentum).add_(gradient);
  item.tensor.add_(gradient.add(first, recipe_.momentum), -rate);
}

void Optimizer::adamw(const NetworkImpl::Trained& item, torch::Tensor& first, torch::Tensor& second,
                      double rate) const {
  const torch::Tensor& gradient = item.tensor.grad();
  const auto t = static_cast<double>(steps_);
  if (decays(item)) item.tensor.mul_(1 - rate * recipe_.weight_decay);
  first.mul_(kBeta1).add_(gradient, 1 - kBeta1);
  second.mul_(kBeta2).addcmul_(gradient, gradient, 1 - kBeta2);
  const torch::Tensor deviation = (second.sqrt() / std::sqrt(1 - std::pow(kBeta2, t))).add_(kEpsilon);
  item.tensor.addcdiv_(first, deviation, -rate / (1 - std::pow(kBeta1, t)));
}

bool Optimizer::is_matrix(const NetworkImpl::Trained& item) const {
  return recipe_.kind == OptimizerKind::muon && item.tensor.dim() == 4 && item.role == NetworkImpl::Role::weight;
}

void Optimizer::muon(const NetworkImpl::Trained& item, torch::Tensor& first, double rate) const {
  const torch::Tensor& gradient = item.tensor.grad();
  first.mul_(recipe_.momentum).add_(gradient);
  const torch::Tensor step = orthogonalised(gradient.add(first, recipe_.momentum).reshape({gradient.size(0), -1}));
  const torch::Tensor norm = item.tensor.norm();
  item.tensor.add_(step.reshape(gradient.sizes()) * (norm / (step.norm() + 1e-7)), -rate);
  item.tensor.mul_(norm / item.tensor.norm());
}

void Optimizer::step(double rate) {
  torch::NoGradGuard no_gradient;
  ++steps_;
  const double share = recipe_.kind == OptimizerKind::muon ? recipe_.adamw_rate / recipe_.rate : 1;
  for (std::size_t i = 0; i < trained_.size(); ++i) {
    const NetworkImpl::Trained& item = trained_[i];
    if (!item.tensor.grad().defined()) continue;
    if (is_matrix(item)) {
      muon(item, first_[i], rate);
      continue;
    }
    const double own = rate * share * item.rate * (item.role == NetworkImpl::Role::bias ? recipe_.bias_rate : 1);
    if (recipe_.kind == OptimizerKind::sgd) {
      sgd(item, first_[i], own);
    } else {
      adamw(item, first_[i], second_[i], own);
    }
  }
}

std::vector<torch::Tensor> Optimizer::state() const {
  std::vector<torch::Tensor> out = first_;
  out.insert(out.end(), second_.begin(), second_.end());
  return out;
}

}  // namespace obscura::train
