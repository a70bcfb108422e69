// SPDX-License-Identifier: Apache-2.0
/// A plan with its weights made ready for the kernels, once for all batches.
#pragma once

#include <optional>
#include <vector>

#include "ckks/evaluator.h"
#include "plan/schedule.h"

namespace obscura::run {

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

 private:
  plan::Plan plan_;
  plan::Schedule schedule_;
  std::vector<std::optional<ckks::PreparedMap>> maps_;  ///< by step; empty where it is not linear
};

}  // namespace obscura::run
