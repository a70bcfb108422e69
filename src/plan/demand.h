// SPDX-License-Identifier: Apache-2.0
/// Which units of which rank read which element of a plan that is cut for several ranks.
/// Arrow: CutPlan -> Distribution.
#pragma once

#include <utility>
#include <vector>

#include "plan/cut.h"
#include "plan/dataflow.h"

namespace obscura::plan {

/// The units of one rank that read one element.
struct Reader {
  std::uint32_t rank = 0;
  std::uint32_t first = 0;  ///< of Demand::unit
  std::uint32_t count = 0;
};

/// Elements of values that stages share have numbers, one after the other.
class Demand {
 public:
  /// All but `ranks` outlive this.
  Demand(const CutPlan& cut, const Schedule& schedule, const Dataflow& flow,
         const std::vector<std::vector<std::uint32_t>>& order, std::uint32_t ranks);

  std::uint32_t number(Element element) const { return first_[element.value] + element.index; }
  Element element(std::uint32_t number) const { return {value_of_[number], number - first_[value_of_[number]]}; }
  /// The rank that has it first: makes it, or reads it from the input's file.
  std::uint32_t owner(std::uint32_t number) const;
  /// An element's [first, last) of reader(), by rank.
  std::pair<std::uint32_t, std::uint32_t> readers(std::uint32_t number) const {
    return {begin_[number], begin_[number + 1]};
  }
  const Reader& reader(std::uint32_t k) const { return readers_[k]; }
  std::uint32_t count() const { return static_cast<std::uint32_t>(readers_.size()); }  ///< of reader()
  /// The rank's reader of an element; count() where it does not read it.
  std::uint32_t find(std::uint32_t number, std::uint32_t rank) const;
  Unit unit(std::uint32_t k) const { return units_[k]; }
  /// Who works on a unit: who owns what it makes.
  std::uint32_t rank_of(Unit unit) const;

 private:
  void find_readers(const std::vector<std::vector<std::uint32_t>>& order);
  void own_inputs(std::uint32_t ranks);
  const CutPlan& cut_;
  const Schedule& schedule_;
  const Dataflow& flow_;
  std::vector<std::uint32_t> first_;  ///< by value: the number of its first element
  std::vector<ValueId> value_of_;     ///< by number
  std::vector<std::uint32_t> begin_;  ///< by number: its first reader
  std::vector<Reader> readers_;
  std::vector<Unit> units_;
  std::vector<std::uint32_t> inputs_;  ///< by element of the input: its owner
};

}  // namespace obscura::plan
