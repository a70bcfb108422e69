// SPDX-License-Identifier: Apache-2.0
/// A plan with its weights made ready for the kernels, once for all batches.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "ckks/evaluator.h"
#include "plan/diagonals.h"
#include "plan/schedule.h"

namespace obscura::run {

/// A transform of a plan with its diagonals.
struct PreparedTransform {
  std::size_t step = 0;
  std::shared_ptr<const plan::Diagonals> diagonals;
  std::shared_ptr<const ckks::TransformShape> shape;
  std::uint32_t limbs = 0;  ///< of the inputs
  std::uint32_t rescale = 0;
  double scale_in = 1;
  double scale_out = 1;
  double plain_scale = 1;
  std::vector<ckks::TransformNoise> noise;  ///< of each output
};

class EncodedModel {
 public:
  /// `plan` has passed plan::verify.
  /// cost    one pass over the weights
  explicit EncodedModel(plan::Plan plan) : EncodedModel(plan, plan::make_schedule(plan)) {}
  /// With a schedule of this plan that fits less memory (plan::make_schedule_within).
  EncodedModel(plan::Plan plan, plan::Schedule schedule);
  const plan::Plan& plan() const { return plan_; }
  const plan::Schedule& schedule() const { return schedule_; }
  /// errors  ContractError where the step is not a Linear.
  const ckks::PreparedMap& map(std::size_t step) const;
  /// In the order of the plan.
  const std::vector<PreparedTransform>& transforms() const { return transforms_; }
  /// errors  ContractError where the step is not a Transform.
  const PreparedTransform& transform(std::size_t step) const;

 private:
  plan::Plan plan_;
  plan::Schedule schedule_;
  std::vector<std::optional<ckks::PreparedMap>> maps_;  ///< by step; empty where it is not linear
  std::vector<PreparedTransform> transforms_;
};

}  // namespace obscura::run
