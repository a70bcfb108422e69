// SPDX-License-Identifier: Apache-2.0
#include "plan/dataflow.h"

#include <algorithm>
#include <utility>

#include "plan/work.h"

namespace obscura::plan {

namespace {

/// Elements that are in flight at once inside a run of elementwise steps: one for each of a dozen threads or so. Small
/// against any layer, so a fixed figure keeps the estimate independent of the machine.
constexpr std::uint64_t kElementsInFlight = 16;

}  // namespace

Dataflow::Dataflow(const Plan& plan, const Schedule& schedule)
    : plan_(plan),
      schedule_(schedule),
      stage_of_(plan.steps.size() + 1),
      block_of_(plan.steps.size() + 1),
      reads_(schedule.stages.size()),
      makes_(schedule.stages.size()) {
  for (std::uint32_t s = 0; s < stages(); ++s) {
    const Stage& stage = schedule.stages[s];
    for (std::size_t step = stage.first; step < stage.end; ++step) {
      stage_of_[step + 1] = s;
      for (const ValueId id : inputs_of(plan.steps[step].operation)) {
        if (id <= stage.first) reads_[s].push_back(id);
      }
      if (step + 1 == plan.steps.size() || schedule.last_use[step + 1] >= stage.end) {
        makes_[s].push_back(static_cast<ValueId>(step + 1));
      }
    }
    std::sort(reads_[s].begin(), reads_[s].end());
    reads_[s].erase(std::unique(reads_[s].begin(), reads_[s].end()), reads_[s].end());
    if (!stage.elementwise) index_outputs(stage.first);
  }
}

void Dataflow::index_outputs(std::size_t step) {
  std::vector<std::uint32_t>& of = block_of_[step + 1];
  of.assign(plan_.steps[step].output.elements, kUnvisited);
  if (std::holds_alternative<Transform>(plan_.steps[step].operation)) {
    std::fill(of.begin(), of.end(), 0);
    return;
  }
  const std::vector<ckks::IntegerBlock>& blocks = std::get<Linear>(plan_.steps[step].operation).map.blocks;
  for (std::uint32_t b = 0; b < blocks.size(); ++b) {
    for (const std::uint32_t o : blocks[b].outputs) of.at(o) = b;
  }
  for (const std::uint32_t b : of) OBSCURA_CHECK(b != kUnvisited, "step {}: an output without a block", step);
}

std::vector<std::vector<std::uint32_t>> demand_order(const Dataflow& flow) {
  std::vector<std::vector<std::uint32_t>> rank(flow.stages());
  for (std::uint32_t s = 0; s < flow.stages(); ++s) rank[s].assign(flow.units(s), kUnvisited);
  constexpr std::uint32_t kOpen = kUnvisited - 1;
  std::uint32_t next = 0;
  std::vector<std::pair<Unit, std::size_t>> stack;  ///< a unit and how many of its inputs are done
  const auto open = [&](Unit unit) {
    if (rank[unit.stage][unit.index] != kUnvisited) return;
    rank[unit.stage][unit.index] = kOpen;
    stack.emplace_back(unit, 0);
  };
  const std::uint32_t last = flow.stages() - 1;
  for (std::uint32_t root = 0; root < flow.units(last); ++root) {
    open({last, root});
    while (!stack.empty()) {
      const Unit unit = stack.back().first;
      const std::size_t k = stack.back().second++;
      if (k == flow.inputs(unit)) {
        rank[unit.stage][unit.index] = next++;
        stack.pop_back();
      } else if (const Element element = flow.input(unit, k); element.value != 0) {
        open(flow.producer(element));
      }
    }
  }
  return rank;
}

std::uint64_t element_bytes(const Plan& plan, const ValueInfo& info) {
  return (std::uint64_t{info.limbs} * info.parts << plan.params.log2_degree) * sizeof(double);
}

std::uint64_t in_flight_bytes(const Plan& plan, const Schedule& schedule, const Stage& stage, std::size_t units) {
  std::uint64_t live = 0;
  std::uint64_t most = 0;
  for (std::size_t step = stage.first; step < stage.end; ++step) {
    live += element_bytes(plan, plan.steps[step].output);
    most = std::max(most, live + plan.steps[step].bytes);
    for (const ValueId id : inputs_of(plan.steps[step].operation)) {
      if (id > stage.first && schedule.last_use[id] == step) live -= element_bytes(plan, plan.steps[id - 1].output);
    }
  }
  if (stands_alone(plan.steps[stage.first].operation)) return most;
  return std::min<std::uint64_t>(units, kElementsInFlight) * most;
}

}  // namespace obscura::plan
