// SPDX-License-Identifier: Apache-2.0
#include "plan/polynomial.h"

namespace obscura::plan {

Result<ckks::CompositePlan> composite_of(const Polynomial& step, const ckks::ParamsLiteral& params, std::uint32_t limbs,
                                         double scale) {
  if (step.stages.empty() || step.stages.size() > kMaxPolynomialStages) {
    return error(Code::wrong_params, "a composition of {} polynomials; 1 to {} are allowed", step.stages.size(),
                 kMaxPolynomialStages);
  }
  std::vector<ckks::PolynomialForm> forms;
  for (const Polynomial::Stage& stage : step.stages) {
    forms.push_back({stage.low, stage.high, stage.basis, stage.coefficients});
  }
  const ckks::PolynomialPlace place{limbs, scale, step.output_scale, 1};
  return step.relu ? ckks::plan_relu(params.chain, forms, place) : ckks::plan_composite(params.chain, forms, place);
}

}  // namespace obscura::plan
