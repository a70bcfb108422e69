// SPDX-License-Identifier: Apache-2.0
#include "plan/schedule.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

#include "plan/dataflow.h"
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
      bytes_[id] = element_bytes(plan, plan.value(id));
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
      peak(in_flight_bytes(plan_, schedule_, stage, task.units.size()) + (made > freed ? made - freed : 0),
           stage.first);
    } else {
      peak(made + plan_.steps[stage.first].bytes, stage.first);
    }
    live_ += made;
    live_ -= freed;
    schedule_.tasks.push_back(std::move(task));
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
