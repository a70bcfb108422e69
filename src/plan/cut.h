// SPDX-License-Identifier: Apache-2.0
/// Linear maps cut for several ranks. Arrow: plan::Plan -> Distribution.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/plan.h"

namespace obscura::plan {

/// A plan whose blocks of linear maps belong to one rank each.
struct CutPlan {
  Plan plan;                                      ///< the same maps as before, in more blocks
  std::vector<std::vector<std::uint32_t>> owner;  ///< by value (but the input) and element: the rank that makes it
};

/// Each linear map's multiplications in parts of equal number, to one row of a block, in the order of demand_order; an
/// element of another step is made where the elements that it reads were made.
/// needs   a verified plan in the batch layout
CutPlan cut(const Plan& plan, std::uint32_t ranks);

}  // namespace obscura::plan
