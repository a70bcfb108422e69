// SPDX-License-Identifier: Apache-2.0
/// The order in which the executor takes the steps of a plan, when values die, and how much work each step is.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/plan.h"
#include "run/backend.h"

namespace obscura::run {

/// Steps [first, end). A linear step stands alone and takes whole tensors; a maximal run of elementwise steps over the
/// same number of elements is taken element by element, so that only one element's temporaries are alive per thread.
struct Stage {
  std::size_t first = 0;
  std::size_t end = 0;
  bool elementwise = false;
};

struct Schedule {
  std::vector<Stage> stages;
  /// By value: the step that reads it last; the number of steps for the output; its own step where nobody reads it.
  std::vector<std::size_t> last_use;
  /// By step: work of one element (of all elements where linear), in multiply-adds over one limb of N residues. Rough:
  /// made for progress bars.
  std::vector<std::uint64_t> work;
  std::uint64_t total_work = 0;
};

Schedule make_schedule(const plan::Plan& plan);

/// The values that an operation reads, each once.
std::vector<plan::ValueId> inputs_of(const plan::Operation& operation);

/// errors  ContractError naming the step, where a value differs from what the plan predicts for it: limbs, parts, or
///         the scale by more than a relative 1e-6.
void check_shape(const plan::Plan& plan, plan::ValueId id, const Shape& actual);

}  // namespace obscura::run
