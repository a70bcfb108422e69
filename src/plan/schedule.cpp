// SPDX-License-Identifier: Apache-2.0
#include "plan/schedule.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <utility>

#include "plan/work.h"

namespace obscura::plan {

namespace {

/// Not elementwise: its units are blocks, or for a transform the whole.
bool is_map(const Step& step) {
  return std::visit([]<class Operation>(const Operation&) { return kIsMap<Operation>; }, step.operation);
}

std::vector<Stage> make_stages(const Plan& plan) {
  std::vector<Stage> stages;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const bool elementwise = !is_map(plan.steps[i]);
    const bool joins = elementwise && !stages.empty() && stages.back().elementwise &&
                       !stands_alone(plan.steps[i].operation) &&
                       !stands_alone(plan.steps[stages.back().first].operation) &&
                       plan.steps[stages.back().first].output.elements == plan.steps[i].output.elements;
    if (joins) {
      stages.back().end = i + 1;
    } else {
      stages.push_back({i, i + 1, elementwise});
    }
  }
  return stages;
}

/// Elements that are in flight at once inside a run of elementwise steps: one for each of a dozen threads or so. Small
/// against any layer, so a fixed figure keeps the estimate independent of the machine.
constexpr std::uint64_t kElementsInFlight = 16;

constexpr std::uint32_t kUnvisited = std::numeric_limits<std::uint32_t>::max();

struct Unit {
  std::uint32_t stage = 0;
  std::uint32_t index = 0;
};

/// What every stage reads and makes, unit by unit.
class Dataflow {
 public:
  Dataflow(const Plan& plan, const Schedule& schedule)
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
  void index_outputs(std::size_t step) {
    std::vector<std::uint32_t>& of = block_of_[step + 1];
    of.assign(plan_.steps[step].output.elements, kUnvisited);
    if (std::holds_alternative<Transform>(plan_.steps[step].operation)) {
      std::fill(of.begin(), of.end(), 0);
      return;
    }
    const IntegerBlocks& blocks = std::get<Linear>(plan_.steps[step].operation).map.blocks;
    for (std::uint32_t b = 0; b < blocks.size(); ++b) {
      for (const std::uint32_t o : blocks[b].outputs) of.at(o) = b;
    }
    for (const std::uint32_t b : of) OBSCURA_CHECK(b != kUnvisited, "step {}: an output without a block", step);
  }

  using IntegerBlocks = std::vector<ckks::IntegerBlock>;
  const Plan& plan_;
  const Schedule& schedule_;
  std::vector<std::uint32_t> stage_of_;               ///< by value
  std::vector<std::vector<std::uint32_t>> block_of_;  ///< by value of a linear step: by output
  std::vector<std::vector<ValueId>> reads_, makes_;   ///< by stage
};

/// The order in which a depth-first search from the outputs finishes the units: [stage][unit].
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

/// Runs the plan's dataflow without data: fills tasks, readers and peak_bytes.
class Simulation {
 public:
  Simulation(const Plan& plan, Schedule& schedule, std::size_t wave)
      : plan_(plan),
        schedule_(schedule),
        wave_(is_batch(plan) ? wave : 1),
        flow_(plan, schedule),
        rank_(demand_order(flow_)),
        ready_(flow_.stages()),
        missing_(flow_.stages()),
        bytes_(plan.steps.size() + 1),
        waiting_(plan.steps.size() + 1) {
    schedule_.readers.resize(plan.steps.size() + 1);
    crossing_.push_back(0);
    for (std::uint32_t s = 0; s < flow_.stages(); ++s) {
      for (const ValueId id : flow_.makes(s)) crossing_.push_back(id);
    }
    for (const ValueId id : crossing_) {
      schedule_.readers[id].assign(plan.value(id).elements, 0);
      waiting_[id].resize(plan.value(id).elements);
      bytes_[id] = element_bytes(plan.value(id));
    }
    for (std::uint32_t s = 0; s < flow_.stages(); ++s) connect(s);
    left_ = schedule_.readers;
    for (std::uint32_t& left : schedule_.readers.back()) ++left;
    left_.back() = schedule_.readers.back();
  }

  void run() {
    for (const std::uint32_t left : left_[0]) live_ += left > 0 ? bytes_[0] : 0;
    peak(0, 0);
    while (true) {
      std::uint32_t s = flow_.stages();
      while (s > 0 && ready_[s - 1].empty()) --s;
      if (s == 0) return;
      take(s - 1);
    }
  }

 private:
  std::uint64_t element_bytes(const ValueInfo& info) const {
    return (std::uint64_t{info.limbs} * info.parts << plan_.params.log2_degree) * sizeof(double);
  }

  void connect(std::uint32_t s) {
    missing_[s].assign(flow_.units(s), 0);
    for (std::uint32_t u = 0; u < flow_.units(s); ++u) {
      if (rank_[s][u] == kUnvisited) continue;  // nothing needs it
      const Unit unit{s, u};
      for (std::size_t k = 0; k < flow_.inputs(unit); ++k) {
        const Element element = flow_.input(unit, k);
        ++schedule_.readers[element.value].at(element.index);
        if (element.value == 0) continue;
        ++missing_[s][u];
        waiting_[element.value][element.index].push_back(unit);
      }
      if (missing_[s][u] == 0) ready_[s].emplace(rank_[s][u], u);
    }
  }

  /// One task of a stage's first ready units.
  void take(std::uint32_t s) {
    Task task{s, {}};
    std::size_t outputs = 0;
    while (!ready_[s].empty() && (task.units.empty() || outputs < wave_)) {
      task.units.push_back(ready_[s].top().second);
      ready_[s].pop();
      outputs += flow_.outputs({s, task.units.back()});
    }
    std::uint64_t made = 0;
    std::uint64_t freed = 0;
    for (const std::uint32_t u : task.units) {
      flow_.for_outputs({s, u}, [&](Element element) {
        made += bytes_[element.value];
        for (const Unit reader : waiting_[element.value][element.index]) {
          if (--missing_[reader.stage][reader.index] == 0) {
            ready_[reader.stage].emplace(rank_[reader.stage][reader.index], reader.index);
          }
        }
      });
      for (std::size_t k = 0; k < flow_.inputs({s, u}); ++k) {
        const Element element = flow_.input({s, u}, k);
        if (--left_[element.value][element.index] == 0) freed += bytes_[element.value];
      }
    }
    const Stage& stage = schedule_.stages[s];
    if (stage.elementwise) {
      peak(in_flight(stage, task.units.size()) + (made > freed ? made - freed : 0), stage.first);
    } else {
      peak(made + plan_.steps[stage.first].bytes, stage.first);
    }
    live_ += made;
    live_ -= freed;
    schedule_.tasks.push_back(std::move(task));
  }

  /// The most that elements within an elementwise stage take, in addition to what the stage reads: that is freed
  /// only when an element is through.
  std::uint64_t in_flight(const Stage& stage, std::size_t units) const {
    std::uint64_t live = 0;
    std::uint64_t most = 0;
    for (std::size_t step = stage.first; step < stage.end; ++step) {
      live += element_bytes(plan_.steps[step].output);
      most = std::max(most, live + plan_.steps[step].bytes);
      for (const ValueId id : inputs_of(plan_.steps[step].operation)) {
        if (id > stage.first && schedule_.last_use[id] == step) live -= element_bytes(plan_.steps[id - 1].output);
      }
    }
    if (stands_alone(plan_.steps[stage.first].operation)) return most;
    return std::min<std::uint64_t>(units, kElementsInFlight) * most;
  }

  void peak(std::uint64_t more, std::size_t step) {
    if (live_ + more <= schedule_.peak_bytes) return;
    schedule_.peak_bytes = live_ + more;
    schedule_.peak_step = step;
  }

  /// Smallest rank first.
  using Queue = std::priority_queue<std::pair<std::uint32_t, std::uint32_t>,
                                    std::vector<std::pair<std::uint32_t, std::uint32_t>>, std::greater<>>;
  const Plan& plan_;
  Schedule& schedule_;
  std::size_t wave_;
  Dataflow flow_;
  std::vector<std::vector<std::uint32_t>> rank_;
  std::vector<ValueId> crossing_;                        ///< values that more than one stage sees
  std::vector<Queue> ready_;                             ///< by stage
  std::vector<std::vector<std::uint32_t>> missing_;      ///< by stage and unit: inputs that are not there yet
  std::vector<std::uint64_t> bytes_;                     ///< of one element, by value
  std::vector<std::vector<std::vector<Unit>>> waiting_;  ///< by value and element
  std::vector<std::vector<std::uint32_t>> left_;         ///< readers still to come
  std::uint64_t live_ = 0;
};

struct InputsOf {
  std::vector<ValueId>& ids;
  void operator()(const Multiply& x) const { ids = {x.a, x.b}; }
  void operator()(const Combine& x) const {
    for (const auto& term : x.terms) ids.push_back(term.input);
  }
  void operator()(const auto& x) const { ids = {x.input}; }
};

}  // namespace

std::vector<ValueId> inputs_of(const Operation& operation) {
  std::vector<ValueId> ids;
  std::visit(InputsOf{ids}, operation);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

Schedule make_schedule(const Plan& plan, std::size_t wave) {
  Schedule schedule;
  const std::size_t steps = plan.steps.size();
  schedule.stages = make_stages(plan);
  schedule.last_use.assign(steps + 1, 0);
  for (std::size_t i = 0; i < steps; ++i) {
    schedule.last_use[i + 1] = i;
    for (const ValueId id : inputs_of(plan.steps[i].operation)) {
      OBSCURA_CHECK(id <= i, "step {} reads value {}, which is not there yet", i, id);
      schedule.last_use[id] = i;
    }
    const ValueInfo& out = plan.steps[i].output;
    schedule.work.push_back(work_of(plan, plan.steps[i]));
    schedule.total_work += schedule.work.back() * (is_map(plan.steps[i]) ? 1 : out.elements);
  }
  schedule.last_use[steps] = steps;
  if (steps > 0) Simulation(plan, schedule, wave).run();
  return schedule;
}

Result<Schedule> make_schedule_within(const Plan& plan, std::uint64_t bytes) {
  for (std::size_t wave = kWave;; wave /= 4) {
    Schedule schedule = make_schedule(plan, wave);
    if (schedule.peak_bytes <= bytes) return schedule;
    if (wave <= 1) {
      return error(Code::infeasible, "{:.2f} GB for ciphertexts: the plan needs at least {:.2f} GB, in step {} ({})",
                   static_cast<double>(bytes) / 1e9, static_cast<double>(schedule.peak_bytes) / 1e9,
                   schedule.peak_step + 1, plan.steps[schedule.peak_step].origin);
    }
  }
}

}  // namespace obscura::plan
