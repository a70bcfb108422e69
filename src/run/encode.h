// SPDX-License-Identifier: Apache-2.0
/// A plan with its weights made ready for the kernels, once for all batches.
#pragma once

#include <optional>
#include <vector>

#include "ckks/evaluator.h"
#include "plan/plan.h"

namespace obscura::run {

class EncodedModel {
 public:
  /// `plan` has passed plan::verify.
  /// cost    one pass over the weights
  explicit EncodedModel(plan::Plan plan);
  const plan::Plan& plan() const { return plan_; }
  /// errors  ContractError where the step is not a Linear.
  const ckks::PreparedMap& map(std::size_t step) const;

 private:
  plan::Plan plan_;
  std::vector<std::optional<ckks::PreparedMap>> maps_;  ///< by step; empty where it is not linear
};

}  // namespace obscura::run
