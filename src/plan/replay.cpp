// SPDX-License-Identifier: Apache-2.0
#include "plan/replay.h"

#include <optional>

#include "plan/dataflow.h"

namespace obscura::plan {

Replay::Replay(const Plan& plan, const Schedule& schedule)
    : plan_(&plan), schedule_(&schedule), left_(schedule.readers) {}

std::size_t Replay::steps() const {
  return tasks_ == 0 ? 0 : schedule_->stages[schedule_->tasks[tasks_ - 1].stage].end;
}

void Replay::make(Element element) {
  if (left_[element.value][element.index] == 0) return;  // nobody asks for it
  live_.insert(element);
  bytes_ += element_bytes(*plan_, plan_->value(element.value));
}

void Replay::read(Element element) {
  if (--left_[element.value][element.index] > 0 || element.value == 0) return;
  live_.erase(element);
  bytes_ -= element_bytes(*plan_, plan_->value(element.value));
}

void Replay::take_transform(std::size_t step) {
  const ValueId input = std::get<Transform>(plan_->steps[step].operation).input;
  const auto id = static_cast<ValueId>(step + 1);
  for (std::uint32_t o = 0; o < plan_->value(id).elements; ++o) make({id, o});
  for (std::uint32_t i = 0; i < plan_->value(input).elements; ++i) read({input, i});
  work_ += schedule_->work[step];
  seconds_ += plan_->steps[step].seconds;
}

void Replay::take_blocks(std::size_t step, const std::vector<std::uint32_t>& blocks) {
  const auto& linear = std::get<Linear>(plan_->steps[step].operation);
  const ValueInfo& out = plan_->steps[step].output;
  std::uint64_t products = 0;
  for (const std::uint32_t b : blocks) {
    const ckks::IntegerBlock& block = linear.map.blocks[b];
    for (const std::uint32_t o : block.outputs) make({static_cast<ValueId>(step + 1), o});
    for (const std::uint32_t i : block.inputs) read({linear.input, i});
    products += std::uint64_t{block.inputs.size()} * block.outputs.size();
  }
  work_ += products * out.limbs * out.parts;
  seconds_ +=
      plan_->steps[step].seconds * static_cast<double>(blocks.size()) / static_cast<double>(linear.map.blocks.size());
}

void Replay::take_elements(const Stage& stage, const std::vector<std::uint32_t>& elements) {
  std::set<ValueId> outer;
  for (std::size_t s = stage.first; s < stage.end; ++s) {
    const Step& step = plan_->steps[s];
    for (const ValueId id : inputs_of(step.operation)) {
      if (id <= stage.first) outer.insert(id);
    }
    if (!left_[s + 1].empty()) {
      for (const std::uint32_t i : elements) make({static_cast<ValueId>(s + 1), i});
    }
    work_ += schedule_->work[s] * elements.size();
    seconds_ += step.seconds * static_cast<double>(elements.size()) / static_cast<double>(step.output.elements);
  }
  for (const ValueId id : outer) {
    for (const std::uint32_t i : elements) read({id, i});
  }
}

void Replay::take() {
  OBSCURA_CHECK(!ended(), "Replay: all {} tasks are taken", tasks_);
  const Task& task = schedule_->tasks[tasks_++];
  const Stage& stage = schedule_->stages[task.stage];
  const Operation& operation = plan_->steps[stage.first].operation;
  if (std::holds_alternative<Transform>(operation)) {
    take_transform(stage.first);
  } else if (std::holds_alternative<Linear>(operation)) {
    take_blocks(stage.first, task.units);
  } else {
    take_elements(stage, task.units);
  }
}

std::vector<std::size_t> save_points(const Plan& plan, const Schedule& schedule, double seconds) {
  struct Point {
    std::size_t tasks = 0;
    double seconds = 0;
    std::uint64_t bytes = 0;
  };
  std::vector<std::size_t> points;
  std::optional<Point> best;
  double last = 0;
  const auto close = [&] {
    points.push_back(best->tasks);
    last = best->seconds;
    best.reset();
  };
  Replay replay(plan, schedule);
  while (replay.tasks() + 1 < schedule.tasks.size()) {
    replay.take();
    const Point here{replay.tasks(), replay.seconds(), replay.bytes()};
    if (best && (seconds <= 0 || here.seconds > last + 2 * seconds)) close();
    if (here.seconds < last + seconds || plan.predicted_seconds - here.seconds < seconds) continue;
    if (!best || here.bytes <= best->bytes) best = here;
  }
  if (best) close();
  return points;
}

}  // namespace obscura::plan
