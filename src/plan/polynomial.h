// SPDX-License-Identifier: Apache-2.0
/// The polynomial step of a plan, planned. Arrow: plan::verify and run -> ckks/polyeval.h.
#pragma once

#include "plan/plan.h"

namespace obscura::plan {

/// Polynomials that one step may compose.
inline constexpr std::size_t kMaxPolynomialStages = 16;

/// The step on an input of these limbs and this scale; slots that the polynomial does not fit are the planner's care.
/// cost    milliseconds
/// errors  as ckks::plan_composite; wrong_params: more stages than the bound
Result<ckks::CompositePlan> composite_of(const Polynomial& step, const ckks::ParamsLiteral& params, std::uint32_t limbs,
                                         double scale);

}  // namespace obscura::plan
