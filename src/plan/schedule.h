// SPDX-License-Identifier: Apache-2.0
/// The order in which the executor takes a plan's work, piece by piece, and the memory that this order needs.
#pragma once

#include <compare>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "plan/plan.h"

namespace obscura::plan {

/// Operations between whole values; the others are elementwise.
template <class Operation>
inline constexpr bool kIsMap = std::is_same_v<Operation, Linear> || std::is_same_v<Operation, Transform>;

/// Steps [first, end): a linear step or a transform alone, or a maximal run of elementwise steps over the same number
/// of elements; each polynomial and bootstrapping is one of its own (plan/work.h). Its units are the blocks of the
/// linear map, the transform as a whole, or the elements, each of which goes through all steps of the run at once.
struct Stage {
  std::size_t first = 0;
  std::size_t end = 0;
  bool elementwise = false;
};

/// One element of a value.
struct Element {
  ValueId value = 0;
  std::uint32_t index = 0;
  auto operator<=>(const Element&) const = default;
};

/// Some units of one stage, which may be worked on at the same time.
struct Task {
  std::uint32_t stage = 0;
  std::vector<std::uint32_t> units;
};

/// Tasks depth-first: a unit runs as soon as its inputs are there, the deepest stage first, and a stage's units come in
/// the order in which the last stage asks for them. So a convolution network is computed tile by tile, and an element
/// of a value lives from its unit to the last unit that reads it.
struct Schedule {
  std::vector<Stage> stages;
  std::vector<Task> tasks;
  /// By value: the step that reads it last; the number of steps for the output; its own step where nobody reads it.
  std::vector<std::size_t> last_use;
  /// By value and element: how many units of other stages read it, and one more for the plan's output. Empty for values
  /// that live inside of a stage.
  std::vector<std::vector<std::uint32_t>> readers;
  /// By step: work_of (plan/work.h).
  std::vector<std::uint64_t> work;
  std::uint64_t total_work = 0;
  std::uint64_t peak_bytes = 0;  ///< of ciphertexts alive at once and steps at work, some elements in flight included
  std::size_t peak_step = 0;     ///< the first of the stage that is at work then
};

/// Outputs that a task makes at most, where its units are no larger: enough for many threads to share. In the image
/// layout values go one by one, since each has work for all cores.
inline constexpr std::size_t kWave = 128;

/// cost    some 10 ms for 10^5 units.
/// errors  ContractError: a step that reads a value which is not there yet.
Schedule make_schedule(const Plan& plan, std::size_t wave = kWave);

/// The schedule with the largest tasks (up to kWave) whose peak is at most `bytes`.
/// errors  infeasible: the smallest peak is larger, naming both.
Result<Schedule> make_schedule_within(const Plan& plan, std::uint64_t bytes);

/// The values that an operation reads, each once.
std::vector<ValueId> inputs_of(const Operation& operation);

}  // namespace obscura::plan
