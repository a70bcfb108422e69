// SPDX-License-Identifier: Apache-2.0
#include "plan/share.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <queue>
#include <tuple>
#include <utility>

#include "plan/demand.h"

namespace obscura::plan {

namespace distribution {

using Time = std::uint64_t;  ///< nanoseconds: whole numbers, so that all ranks see the same order

/// A rank finishes a task, or an element reaches it.
struct Event {
  Time time = 0;
  std::uint64_t number = 0;  ///< events of one time come in the order in which they were made
  std::uint32_t rank = 0;
  std::uint32_t element = 0;  ///< kUnvisited: a task
  bool operator>(const Event& other) const { return std::tie(time, number) > std::tie(other.time, other.number); }
};

/// The most urgent stage first, and within it by order.
struct Ready {
  std::uint32_t urgency = 0;
  std::uint32_t stage = 0;
  std::uint32_t order = 0;
  std::uint32_t unit = 0;
  bool operator<(const Ready& other) const {
    return std::tuple(urgency, ~order, ~unit) < std::tuple(other.urgency, ~other.order, ~other.unit);
  }
};

struct RankState {
  std::priority_queue<Ready> ready;
  std::vector<Task> tasks;
  std::vector<Exchange> exchanges{1};
  std::vector<Time> busy;            ///< by stage
  std::vector<std::uint64_t> taken;  ///< bytes, by stage that made them; last: the input
  std::vector<std::uint32_t> inputs;
  std::uint64_t live = 0;
  std::uint64_t peak = 0;
  Time sends_until = 0;
  Time takes_until = 0;
  bool working = false;
};

}  // namespace distribution

std::uint64_t packed_element_bytes(const Plan& plan, const ValueInfo& info) {
  std::uint64_t bits = 0;
  for (std::uint32_t j = 0; j < info.limbs; ++j) bits += static_cast<unsigned>(std::bit_width(plan.params.chain.at(j)));
  return (bits * info.parts << plan.params.log2_degree) / 8;
}

class Distribution::Simulation {
  using Event = distribution::Event;
  using RankState = distribution::RankState;
  using Time = distribution::Time;

 public:
  Simulation(const Plan& plan, std::uint32_t ranks, const Link& link, bool depth_first)
      : cut_(cut(plan, ranks)),
        base_(make_schedule(cut_.plan)),
        flow_(cut_.plan, base_),
        order_(demand_order(flow_)),
        demand_(cut_, base_, flow_, order_, ranks),
        link_(link),
        depth_first_(depth_first),
        ranks_(ranks),
        missing_(flow_.stages()),
        taken_(demand_.count()) {
    for (std::uint32_t k = 0; k < demand_.count(); ++k) left_.push_back(demand_.reader(k).count);
    for (std::uint32_t s = 0; s < flow_.stages(); ++s) {
      for (std::uint32_t u = 0; u < flow_.units(s); ++u) {
        missing_[s].push_back(static_cast<std::uint32_t>(flow_.inputs({s, u})));
      }
    }
    for (std::uint32_t i = 0; i < base_.readers[0].size(); ++i) {
      if (demand_.readers(i).first < demand_.readers(i).second) ranks_[demand_.owner(i)].inputs.push_back(i);
    }
    for (std::uint32_t s = 0; s < flow_.stages(); ++s) find_borders(s);
    for (RankState& rank : ranks_) {
      rank.busy.assign(flow_.stages(), 0);
      rank.taken.assign(flow_.stages() + 1, 0);
    }
    run();
  }

  const Plan& plan() const { return cut_.plan; }
  double seconds() const { return static_cast<double>(end_) * 1e-9; }
  std::uint64_t peak_bytes() const {
    std::uint64_t most = 0;
    for (const RankState& rank : ranks_) most = std::max(most, rank.peak);
    return most;
  }

  Share share(std::uint32_t r) const {
    const RankState& rank = ranks_.at(r);
    Share out{base_, rank.inputs, rank.exchanges};
    out.schedule.tasks = rank.tasks;
    out.schedule.peak_bytes = rank.peak;
    out.schedule.total_work = work_of_tasks(rank.tasks);
    for (ValueId id = 0; id < base_.readers.size(); ++id) {
      for (std::uint32_t i = 0; i < base_.readers[id].size(); ++i) {
        const std::uint32_t reader = demand_.find(demand_.number({id, i}), r);
        const bool answer = r == 0 && id + 1 == base_.readers.size();
        out.schedule.readers[id][i] = (reader < demand_.count() ? demand_.reader(reader).count : 0) + (answer ? 1 : 0);
      }
    }
    return out;
  }

  std::vector<Layer> layers() const {
    std::vector<Layer> out(flow_.stages() + 1);
    for (std::uint32_t s = 0; s <= flow_.stages(); ++s) {
      Layer& layer = out[s == flow_.stages() ? 0 : s + 1];
      if (s < flow_.stages()) std::tie(layer.first, layer.end) = std::pair(base_.stages[s].first, base_.stages[s].end);
      for (const RankState& rank : ranks_) {
        layer.bytes += rank.taken[s];
        layer.most_bytes = std::max(layer.most_bytes, rank.taken[s]);
        if (s == flow_.stages()) continue;
        const double seconds = static_cast<double>(rank.busy[s]) * 1e-9;
        layer.seconds = std::max(layer.seconds, seconds);
        layer.mean_seconds += seconds / static_cast<double>(ranks_.size());
      }
    }
    return out;
  }

 private:
  /// How far a unit is from the nearest border of its rank's band that another rank is behind.
  void find_borders(std::uint32_t s) {
    std::vector<std::vector<std::uint32_t>> bands(ranks_.size());
    for (std::uint32_t u = 0; u < flow_.units(s); ++u) {
      if (order_[s][u] != kUnvisited) bands[demand_.rank_of({s, u})].push_back(u);
    }
    from_border_.emplace_back(flow_.units(s));
    for (std::size_t r = 0; r < bands.size(); ++r) {
      auto& band = bands[r];
      std::sort(band.begin(), band.end(), [&](auto a, auto b) { return order_[s][a] < order_[s][b]; });
      for (std::uint32_t p = 0; p < band.size(); ++p) {
        const auto after = static_cast<std::uint32_t>(band.size()) - 1 - p;
        const bool first = r == 0, last = r + 1 == bands.size();
        from_border_[s][band[p]] = last ? p : first ? after : std::min(p, after);
      }
    }
  }

  void run() {
    for (std::uint32_t i = 0; i < base_.readers[0].size(); ++i) make(i, 0);
    for (std::uint32_t r = 0; r < ranks_.size(); ++r) begin(r, 0);
    while (!events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      end_ = event.time;
      if (event.element == kUnvisited) {
        finish(event.rank, event.time);
      } else {
        arrive(event.element, event.rank);
      }
      begin(event.rank, event.time);
    }
    for (std::uint32_t i = 0; i < base_.readers.back().size(); ++i) {
      const std::uint32_t from = cut_.owner.back()[i];
      if (from != 0) ranks_[0].exchanges.back().receives.push_back({{last_value(), i}, from});
    }
  }
  std::uint64_t bytes_of(Element at) const { return element_bytes(cut_.plan, cut_.plan.value(at.value)); }
  ValueId last_value() const { return static_cast<ValueId>(cut_.plan.steps.size()); }

  /// An element is there, on the rank that owns it, and on its way to the others that want it.
  void make(std::uint32_t number, Time now) {
    const std::uint32_t from = demand_.owner(number);
    const auto [first, last] = demand_.readers(number);
    for (std::uint32_t k = first; k < last; ++k) {
      if (const std::uint32_t to = demand_.reader(k).rank; to == from) {
        arrive(number, from);
      } else {
        send(number, from, to, now);
      }
    }
    if (demand_.element(number).value == last_value() && from != 0) send(number, from, 0, now);
  }
  void send(std::uint32_t number, std::uint32_t from, std::uint32_t to, Time now) {
    const Element at = demand_.element(number);
    const std::uint64_t bytes = packed_element_bytes(cut_.plan, cut_.plan.value(at.value));
    // A message leaves after those before it, and has arrived when those that reached its end before it have.
    const auto takes = static_cast<Time>(1e9 * static_cast<double>(bytes) / link_.bytes_per_second);
    ranks_[from].sends_until = std::max(now, ranks_[from].sends_until) + takes;
    const Time end = std::max(ranks_[from].sends_until, ranks_[to].takes_until + takes);
    ranks_[to].takes_until = end;
    ranks_[from].exchanges.back().sends.push_back({at, to});
    ranks_[to].taken[at.value == 0 ? flow_.stages() : flow_.producer(at).stage] += bytes;
    events_.push({end + static_cast<Time>(1e9 * link_.seconds), count_++, to, number});
  }
  void arrive(std::uint32_t number, std::uint32_t rank) {
    const std::uint32_t at = demand_.find(number, rank);
    if (at == demand_.count()) return;  // the output, on rank 0
    const Reader& reader = demand_.reader(at);
    ranks_[rank].live += bytes_of(demand_.element(number));
    ranks_[rank].peak = std::max(ranks_[rank].peak, ranks_[rank].live);
    for (std::uint32_t e = reader.first; e < reader.first + reader.count; ++e) {
      const auto [stage, unit] = demand_.unit(e);
      if (--missing_[stage][unit] > 0) continue;
      ranks_[rank].ready.push({depth_first_ ? stage : ~stage, stage, from_border_[stage][unit], unit});
    }
  }

  /// A task of the first ready units of the most urgent stage, where the rank is idle.
  void begin(std::uint32_t r, Time now) {
    RankState& rank = ranks_[r];
    if (rank.working || rank.ready.empty()) return;
    Task task{rank.ready.top().stage, {}};
    std::size_t outputs = 0;
    Time time = 0;
    std::uint64_t made = 0;
    while (!rank.ready.empty() && rank.ready.top().stage == task.stage && (task.units.empty() || outputs < kWave)) {
      const Unit unit{task.stage, rank.ready.top().unit};
      rank.ready.pop();
      task.units.push_back(unit.index);
      outputs += flow_.outputs(unit);
      time += time_of(unit);
      flow_.for_outputs(unit, [&](Element x) { made += bytes_of(x); });
      take_inputs(unit, r);
    }
    const Stage& stage = base_.stages[task.stage];
    const std::uint64_t flight = stage.elementwise ? in_flight_bytes(cut_.plan, base_, stage, task.units.size())
                                                   : cut_.plan.steps[stage.first].bytes;
    rank.peak = std::max(rank.peak, rank.live + made + flight);
    rank.busy[task.stage] += time;
    rank.working = true;
    rank.tasks.push_back(std::move(task));
    events_.push({now + time, count_++, r, kUnvisited});
  }
  void take_inputs(Unit unit, std::uint32_t r) {
    for (std::size_t k = 0; k < flow_.inputs(unit); ++k) {
      const Element at = flow_.input(unit, k);
      const std::uint32_t number = demand_.number(at), from = demand_.owner(number), reader = demand_.find(number, r);
      if (from == r || taken_[reader]) continue;
      taken_[reader] = true;
      ranks_[r].exchanges.back().receives.push_back({at, from});
    }
  }
  void finish(std::uint32_t r, Time now) {
    RankState& rank = ranks_[r];
    rank.exchanges.emplace_back();
    rank.working = false;
    const Task task = rank.tasks.back();
    for (const std::uint32_t u : task.units) {
      for (std::size_t k = 0; k < flow_.inputs({task.stage, u}); ++k) {
        const Element at = flow_.input({task.stage, u}, k);
        if (--left_[demand_.find(demand_.number(at), r)] == 0) rank.live -= bytes_of(at);
      }
      flow_.for_outputs({task.stage, u}, [&](Element x) { make(demand_.number(x), now); });
    }
  }

  std::uint64_t products(Unit unit) const {
    const ckks::IntegerMap& map = std::get<Linear>(cut_.plan.steps[base_.stages[unit.stage].first].operation).map;
    const ckks::IntegerBlock& block = map.blocks[unit.index];
    return std::uint64_t{block.inputs.size()} * block.outputs.size();
  }
  /// By the plan's times of steps; where it has one for all of them alone, that by plan::work_of.
  Time time_of(Unit unit) const {
    const Stage& stage = base_.stages[unit.stage];
    const bool timed = cut_.plan.steps.front().seconds > 0;
    const double all_seconds = cut_.plan.predicted_seconds;
    const double of_work = all_seconds > 0 ? 1e9 * all_seconds / static_cast<double>(base_.total_work) : 1;
    double sum = 0;
    for (std::size_t s = stage.first; s < stage.end; ++s) {
      const Step& step = cut_.plan.steps[s];
      const auto* linear = std::get_if<Linear>(&step.operation);
      const double all = linear != nullptr ? static_cast<double>(linear->map.multiplications()) : step.output.elements;
      const double own = linear != nullptr ? static_cast<double>(products(unit)) : 1;
      const double work = static_cast<double>(base_.work[s]) * (linear != nullptr ? 1 : all);
      sum += (timed ? 1e9 * step.seconds : of_work * work) * own / all;
    }
    return static_cast<Time>(sum);
  }
  std::uint64_t work_of_tasks(const std::vector<Task>& tasks) const {
    std::uint64_t sum = 0;
    for (const Task& task : tasks) {
      const Stage& stage = base_.stages[task.stage];
      const ValueInfo& out = cut_.plan.steps[stage.first].output;
      for (std::size_t s = stage.first; s < stage.end && stage.elementwise; ++s)
        sum += base_.work[s] * task.units.size();
      for (const std::uint32_t u : task.units) {
        if (!stage.elementwise) sum += products({task.stage, u}) * out.limbs * out.parts;
      }
    }
    return sum;
  }

  CutPlan cut_;
  Schedule base_;
  Dataflow flow_;
  std::vector<std::vector<std::uint32_t>> order_;
  Demand demand_;
  Link link_;
  bool depth_first_;
  std::vector<RankState> ranks_;
  std::vector<std::vector<std::uint32_t>> from_border_;  ///< by stage and unit
  std::vector<std::vector<std::uint32_t>> missing_;      ///< by stage and unit: inputs that are not there yet
  std::vector<bool> taken_;                              ///< by reader: from another rank, by a task that has begun
  std::vector<std::uint32_t> left_;                      ///< by reader: units that have yet to run
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::uint64_t count_ = 0;
  Time end_ = 0;
};

Distribution::Distribution(const Plan& plan, std::uint32_t ranks, const Link& link)
    : simulation_(std::make_unique<const Simulation>(plan, ranks, link, true)) {
  if (ranks == 1) return;
  auto layers = std::make_unique<const Simulation>(plan, ranks, link, false);
  const std::uint64_t allowed = std::max(plan.value_bytes, simulation_->peak_bytes());
  if (layers->peak_bytes() <= allowed && layers->seconds() < simulation_->seconds()) simulation_ = std::move(layers);
}
Distribution::~Distribution() = default;
Distribution::Distribution(Distribution&&) noexcept = default;
Distribution& Distribution::operator=(Distribution&&) noexcept = default;
const Plan& Distribution::plan() const { return simulation_->plan(); }
Share Distribution::share(std::uint32_t rank) const { return simulation_->share(rank); }
double Distribution::seconds() const { return simulation_->seconds(); }
std::uint64_t Distribution::peak_bytes() const { return simulation_->peak_bytes(); }
std::vector<Distribution::Layer> Distribution::layers() const { return simulation_->layers(); }

}  // namespace obscura::plan
