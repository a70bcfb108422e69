// SPDX-License-Identifier: Apache-2.0
/// What every stage of a schedule reads and makes, unit by unit. Arrow: plan::make_stages -> Schedule, Distribution.
#pragma once

#include <limits>
#include <variant>
#include <vector>

#include "plan/schedule.h"

namespace obscura::plan {

/// In the place of a unit that nothing needs.
inline constexpr std::uint32_t kUnvisited = std::numeric_limits<std::uint32_t>::max();

/// A block of a linear map, a transform as a whole, or one element of an elementwise stage (Stage).
struct Unit {
  std::uint32_t stage = 0;
  std::uint32_t index = 0;
};

class Dataflow {
 public:
  /// Follows the stages of a schedule, which needs nothing else of it but last_use; both outlive this.
  Dataflow(const Plan& plan, const Schedule& schedule);

  std::uint32_t stages() const { return static_cast<std::uint32_t>(schedule_.stages.size()); }
  /// Values of other stages that a stage reads, and values of its own that others read.
  const std::vector<ValueId>& reads(std::uint32_t stage) const { return reads_[stage]; }
  const std::vector<ValueId>& makes(std::uint32_t stage) const { return makes_[stage]; }

  std::size_t units(std::uint32_t stage) const {
    if (transform_of(stage) != nullptr) return 1;
    const Linear* linear = linear_of(stage);
    return linear != nullptr ? linear->map.blocks.size() : step_of(stage).output.elements;
  }
  std::size_t outputs(Unit unit) const {
    if (transform_of(unit.stage) != nullptr) return step_of(unit.stage).output.elements;
    const Linear* linear = linear_of(unit.stage);
    return linear != nullptr ? linear->map.blocks[unit.index].outputs.size() : 1;
  }
  std::size_t inputs(Unit unit) const {
    if (const Transform* transform = transform_of(unit.stage)) return plan_.value(transform->input).elements;
    const Linear* linear = linear_of(unit.stage);
    return linear != nullptr ? linear->map.blocks[unit.index].inputs.size() : reads_[unit.stage].size();
  }
  Element input(Unit unit, std::size_t k) const {
    if (const Transform* transform = transform_of(unit.stage)) {
      return {transform->input, static_cast<std::uint32_t>(k)};
    }
    const Linear* linear = linear_of(unit.stage);
    if (linear != nullptr) return {linear->input, linear->map.blocks[unit.index].inputs[k]};
    return {reads_[unit.stage][k], unit.index};
  }
  /// Calls f(element) for all that a unit makes for other stages.
  template <class F>
  void for_outputs(Unit unit, const F& f) const {
    const Linear* linear = linear_of(unit.stage);
    const bool whole = transform_of(unit.stage) != nullptr;
    for (const ValueId id : makes_[unit.stage]) {
      if (whole) {
        for (std::uint32_t o = 0; o < outputs(unit); ++o) f(Element{id, o});
      } else if (linear == nullptr) {
        f(Element{id, unit.index});
      } else {
        for (const std::uint32_t o : linear->map.blocks[unit.index].outputs) f(Element{id, o});
      }
    }
  }
  /// The unit that makes an element of a value other than the input.
  Unit producer(Element element) const {
    const std::uint32_t stage = stage_of_[element.value];
    return {stage, block_of_[element.value].empty() ? element.index : block_of_[element.value][element.index]};
  }

 private:
  const Step& step_of(std::uint32_t stage) const { return plan_.steps[schedule_.stages[stage].first]; }
  const Linear* linear_of(std::uint32_t stage) const { return std::get_if<Linear>(&step_of(stage).operation); }
  const Transform* transform_of(std::uint32_t stage) const { return std::get_if<Transform>(&step_of(stage).operation); }
  void index_outputs(std::size_t step);
  const Plan& plan_;
  const Schedule& schedule_;
  std::vector<std::uint32_t> stage_of_;               ///< by value
  std::vector<std::vector<std::uint32_t>> block_of_;  ///< by value of a linear step: by output
  std::vector<std::vector<ValueId>> reads_, makes_;   ///< by stage
};

/// The order in which a depth-first search from the outputs finishes the units: [stage][unit], kUnvisited where nothing
/// needs one.
std::vector<std::vector<std::uint32_t>> demand_order(const Dataflow& flow);

/// Bytes of one element of a value in memory.
std::uint64_t element_bytes(const Plan& plan, const ValueInfo& info);

/// The most that `units` elements within an elementwise stage take at once, in addition to what the stage reads: that
/// is freed only when an element is through.
std::uint64_t in_flight_bytes(const Plan& plan, const Schedule& schedule, const Stage& stage, std::size_t units);

}  // namespace obscura::plan
