// SPDX-License-Identifier: Apache-2.0
/// A plan with its weights made ready for the kernels, once for all batches.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "ckks/bootstrap.h"
#include "ckks/evaluator.h"
#include "plan/diagonal_weights.h"
#include "plan/schedule.h"

namespace obscura::run {

/// A transform of a plan with its diagonals.
struct PreparedTransform {
  std::size_t step = 0;
  std::shared_ptr<const plan::Diagonals> diagonals;
  std::shared_ptr<const plan::DiagonalWeights> weights;
  std::shared_ptr<const ckks::TransformShape> shape;
  std::uint32_t limbs = 0;  ///< of the inputs
  std::uint32_t rescale = 0;
  double scale_in = 1;
  double scale_out = 1;
  double plain_scale = 1;
  std::vector<ckks::TransformNoise> noise;  ///< of each output
};

/// What a bootstrapping of a plan does, and with what.
struct PreparedBootstrap {
  std::uint32_t limbs_out = 0;  ///< those that are kept
  double scale_out = 1;
  /// One for all steps, with their encoded diagonals; the plaintext simulator without noise does not need it.
  std::shared_ptr<const ckks::Bootstrapper> bootstrapper;
};

class EncodedModel {
 public:
  /// `plan` has passed plan::verify; `bootstrapper` is its own (plan::make_bootstrapper).
  /// cost    one pass over the weights
  explicit EncodedModel(plan::Plan plan, std::shared_ptr<const ckks::Bootstrapper> bootstrapper = nullptr)
      : EncodedModel(plan, plan::make_schedule(plan), std::move(bootstrapper)) {}
  /// With a schedule of this plan that fits less memory (plan::make_schedule_within).
  EncodedModel(plan::Plan plan, plan::Schedule schedule,
               std::shared_ptr<const ckks::Bootstrapper> bootstrapper = nullptr);
  const plan::Plan& plan() const { return plan_; }
  const plan::Schedule& schedule() const { return schedule_; }
  /// errors  ContractError where the step is not a Linear.
  const ckks::PreparedMap& map(std::size_t step) const;
  /// In the order of the plan.
  const std::vector<PreparedTransform>& transforms() const { return transforms_; }
  /// errors  ContractError where the step is not a Transform.
  const PreparedTransform& transform(std::size_t step) const;
  /// errors  ContractError where the step is not a Polynomial.
  const ckks::CompositePlan& polynomial(std::size_t step) const;
  /// errors  ContractError where the step is not a Bootstrap.
  const PreparedBootstrap& bootstrap(std::size_t step) const;

 private:
  plan::Plan plan_;
  plan::Schedule schedule_;
  std::vector<std::optional<ckks::PreparedMap>> maps_;  ///< by step; empty where it is not linear
  std::vector<PreparedTransform> transforms_;
  std::map<std::size_t, ckks::CompositePlan> polynomials_;  ///< by step
  std::map<std::size_t, PreparedBootstrap> bootstraps_;     ///< by step
};

}  // namespace obscura::run
