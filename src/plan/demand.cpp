// SPDX-License-Identifier: Apache-2.0
#include "plan/demand.h"

#include <algorithm>
#include <tuple>

namespace obscura::plan {

Demand::Demand(const CutPlan& cut, const Schedule& schedule, const Dataflow& flow,
               const std::vector<std::vector<std::uint32_t>>& order, std::uint32_t ranks)
    : cut_(cut), schedule_(schedule), flow_(flow) {
  first_.push_back(0);
  for (const auto& readers : schedule.readers) {
    first_.push_back(first_.back() + static_cast<std::uint32_t>(readers.size()));
  }
  value_of_.resize(first_.back());
  for (ValueId id = 0; id + 1 < first_.size(); ++id) {
    std::fill(value_of_.begin() + first_[id], value_of_.begin() + first_[id + 1], id);
  }
  find_readers(order);
  own_inputs(ranks);
}

std::uint32_t Demand::owner(std::uint32_t number) const {
  const Element at = element(number);
  return at.value == 0 ? inputs_[at.index] : cut_.owner[at.value][at.index];
}

std::uint32_t Demand::rank_of(Unit unit) const {
  const std::size_t step = schedule_.stages[unit.stage].first;
  const auto* linear = std::get_if<Linear>(&cut_.plan.steps[step].operation);
  return cut_.owner[step + 1][linear != nullptr ? linear->map.blocks[unit.index].outputs[0] : unit.index];
}

void Demand::find_readers(const std::vector<std::vector<std::uint32_t>>& order) {
  struct Edge {
    std::uint32_t element, rank;
    Unit unit;
  };
  std::vector<Edge> edges;
  for (std::uint32_t s = 0; s < flow_.stages(); ++s) {
    for (std::uint32_t u = 0; u < flow_.units(s); ++u) {
      if (order[s][u] == kUnvisited) continue;
      const std::uint32_t rank = rank_of({s, u});
      for (std::size_t k = 0; k < flow_.inputs({s, u}); ++k) {
        edges.push_back({number(flow_.input({s, u}, k)), rank, {s, u}});
      }
    }
  }
  std::stable_sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) {
    return std::tie(a.element, a.rank) < std::tie(b.element, b.rank);
  });
  begin_.assign(value_of_.size() + 1, 0);
  for (std::uint32_t e = 0; e < edges.size(); ++e) {
    if (e == 0 || edges[e].element != edges[e - 1].element || edges[e].rank != edges[e - 1].rank) {
      readers_.push_back({edges[e].rank, e, 0});
      ++begin_[edges[e].element + 1];
    }
    ++readers_.back().count;
    units_.push_back(edges[e].unit);
  }
  for (std::size_t i = 1; i < begin_.size(); ++i) begin_[i] += begin_[i - 1];
}

/// Each element of the input is read by one of the ranks that want it, the one that reads fewest.
void Demand::own_inputs(std::uint32_t ranks) {
  std::vector<std::uint32_t> read(ranks);
  inputs_.assign(first_[1], 0);
  for (std::uint32_t i = 0; i < first_[1]; ++i) {
    const auto [first, last] = readers(i);
    if (first == last) continue;
    inputs_[i] = readers_[first].rank;
    for (std::uint32_t k = first; k < last; ++k) {
      if (read[readers_[k].rank] < read[inputs_[i]]) inputs_[i] = readers_[k].rank;
    }
    ++read[inputs_[i]];
  }
}

std::uint32_t Demand::find(std::uint32_t number, std::uint32_t rank) const {
  const auto first = readers_.begin() + begin_[number], last = readers_.begin() + begin_[number + 1];
  const auto at = std::lower_bound(first, last, rank, [](const Reader& x, std::uint32_t y) { return x.rank < y; });
  return at != last && at->rank == rank ? static_cast<std::uint32_t>(at - readers_.begin()) : count();
}

}  // namespace obscura::plan
