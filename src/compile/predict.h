// SPDX-License-Identifier: Apache-2.0
/// What a plan takes on the machine at hand, for reports (arrow: compile -> plan, ckks).
#pragma once

#include "compile/cost/model.h"
#include "kernels/kernels.h"
#include "plan/plan.h"

namespace obscura::compile {

/// Core-seconds of the server's work for plan.images_at_once() images: what the planner predicts
/// (Plan::predicted_seconds, the same on every machine), with the linear maps as these kernels multiply them: by digits
/// where they have AMX (ckks::digit_products).
double seconds_here(const plan::Plan& plan, const kernels::Kernels& kernels, const CostModel& cost = {});

}  // namespace obscura::compile
