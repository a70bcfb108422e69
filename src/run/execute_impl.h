// SPDX-License-Identifier: Apache-2.0
/// The template behind run/execute.h.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>

#include "plan/work.h"
#include "run/execute.h"
#include "run/progress.h"

namespace obscura::run {
namespace internal {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

inline double pick(const std::vector<double>& numbers, std::size_t i, double otherwise) {
  if (numbers.empty()) return otherwise;
  return numbers.size() == 1 ? numbers.front() : numbers[i];
}

template <Backend B>
class Execution {
 public:
  using Value = typename B::Value;

  Execution(const EncodedModel& model, const B& backend, const base::Progress& progress, Trace* trace,
            Saving<Value> saving)
      : model_(model),
        plan_(model.plan()),
        backend_(backend),
        schedule_(model.schedule()),
        counter_(progress, schedule_.total_work),
        trace_(trace),
        saving_(std::move(saving)),
        replay_(plan_, schedule_),
        values_(plan_.steps.size() + 1) {}

  Result<std::vector<Value>> run(std::vector<Value> inputs) {
    const auto start = Clock::now();
    OBSCURA_CHECK(inputs.size() == plan_.input.ciphertexts(), "{} inputs; the plan expects {}", inputs.size(),
                  plan_.input.ciphertexts());
    for (const Value& x : inputs) check_shape(plan_, 0, backend_.shape(x));
    values_[0] = std::move(inputs);
    begin();
    if (trace_ != nullptr) start_trace();
    for (std::size_t t = saving_.tasks; t < schedule_.tasks.size(); ++t) {
      const plan::Task& task = schedule_.tasks[t];
      const plan::Stage& stage = schedule_.stages[task.stage];
      if (stage.elementwise) {
        run_elementwise(stage, task.units);
      } else if (std::holds_alternative<plan::Transform>(plan_.steps[stage.first].operation)) {
        run_transform(stage.first);
      } else {
        run_linear(stage.first, task.units);
      }
      if (counter_.cancelled())
        return error(Code::cancelled, "stopped in step {} of {}", stage.end, values_.size() - 1);
      if (saving_.save) OBSCURA_TRY_VOID(save());
    }
    if (trace_ != nullptr) trace_->seconds += seconds_since(start);
    return std::move(values_.back());
  }

 private:
  /// Values where the first task finds them: all empty but the inputs, or as the saved run left them.
  void begin() {
    OBSCURA_CHECK(saving_.tasks <= schedule_.tasks.size(), "{} tasks are done; there are {}", saving_.tasks,
                  schedule_.tasks.size());
    while (replay_.tasks() < saving_.tasks) replay_.take();
    left_ = replay_.left();
    for (std::size_t i = 0; i < values_[0].size(); ++i) {
      if (left_[0][i] == 0) values_[0][i] = Value{};
    }
    for (std::size_t id = 1; id < values_.size(); ++id) values_[id].resize(left_[id].size());
    OBSCURA_CHECK(saving_.live.size() == replay_.live().size(), "{} saved elements; {} are live after {} tasks",
                  saving_.live.size(), replay_.live().size(), saving_.tasks);
    std::size_t k = 0;
    for (const plan::Element& at : replay_.live()) {
      check_shape(plan_, at.value, backend_.shape(saving_.live[k]));
      values_[at.value][at.index] = std::move(saving_.live[k++]);
    }
    counter_.skip(replay_.work());
  }

  /// After a task.
  Result<void> save() {
    replay_.take();
    if (!std::binary_search(saving_.after.begin(), saving_.after.end(), replay_.tasks())) return {};
    std::vector<std::pair<plan::Element, const Value*>> live;
    for (const plan::Element& at : replay_.live()) live.emplace_back(at, &values_[at.value][at.index]);
    return saving_.save(replay_.tasks(), live);
  }

  /// Traces of several batches add up.
  void start_trace() {
    if (trace_->steps.size() == plan_.steps.size()) return;
    trace_->steps.clear();
    for (const auto& step : plan_.steps) {
      trace_->steps.push_back(
          {step.origin, operation_name(step.operation), 0, step.seconds, step.output.limbs, step.output.scale});
    }
  }

  void run_linear(std::size_t s, std::span<const std::uint32_t> blocks) {
    const auto start = Clock::now();
    const auto& linear = std::get<plan::Linear>(plan_.steps[s].operation);
    const auto id = static_cast<plan::ValueId>(s + 1);
    backend_.linear(model_.map(s), blocks, linear.weight_scale, linear.bias,
                    std::span<const Value>(values_[linear.input]), std::span<Value>(values_[id]));
    const plan::ValueInfo& out = plan_.steps[s].output;
    std::uint64_t products = 0;
    for (const std::uint32_t b : blocks) {
      const ckks::IntegerBlock& block = linear.map.blocks[b];
      for (const std::uint32_t o : block.outputs) check_shape(plan_, id, backend_.shape(values_[id][o]));
      for (const std::uint32_t i : block.inputs) release(linear.input, i);
      products += std::uint64_t{block.inputs.size()} * block.outputs.size();
    }
    if (trace_ != nullptr) trace_->steps[s].seconds += seconds_since(start);
    counter_.add(products * out.limbs * out.parts);
  }

  void run_transform(std::size_t s) {
    const auto start = Clock::now();
    const plan::ValueId input = std::get<plan::Transform>(plan_.steps[s].operation).input;
    const auto id = static_cast<plan::ValueId>(s + 1);
    backend_.transform(model_.transform(s), std::span<const Value>(values_[input]), std::span<Value>(values_[id]));
    for (const Value& y : values_[id]) check_shape(plan_, id, backend_.shape(y));
    for (std::size_t i = 0; i < values_[input].size(); ++i) release(input, i);
    if (trace_ != nullptr) trace_->steps[s].seconds += seconds_since(start);
    counter_.add(schedule_.work[s]);
  }

  void run_elementwise(const plan::Stage& stage, std::span<const std::uint32_t> elements) {
    const auto start = Clock::now();
    std::vector<std::atomic<std::uint64_t>> nanoseconds(stage.end - stage.first);
    const auto run_one = [&](std::size_t k) {
      if (!counter_.cancelled()) run_element(stage, elements[k], nanoseconds);
    };
    if (plan::stands_alone(plan_.steps[stage.first].operation)) {  // each takes all cores, and memory
      for (std::size_t k = 0; k < elements.size(); ++k) run_one(k);
    } else {
      base::parallel_for(elements.size(), run_one);
    }
    if (trace_ != nullptr) share_time(stage, nanoseconds, seconds_since(start));
  }

  /// Counts that one unit has read an element; the last one frees it. Elements of different indices may be released at
  /// the same time.
  void release(plan::ValueId id, std::size_t i) {
    if (--left_[id][i] == 0) values_[id][i] = Value{};
  }

  /// All steps of a run for one element. Values that other stages read move to values_ at the end.
  void run_element(const plan::Stage& stage, std::size_t i, std::vector<std::atomic<std::uint64_t>>& nanoseconds) {
    std::vector<Value> own(stage.end - stage.first);
    const auto at = [&](plan::ValueId id) -> Value& {
      return id > stage.first ? own[id - 1 - stage.first] : values_[id][i];
    };
    std::vector<plan::ValueId> outer;
    for (std::size_t s = stage.first; s < stage.end; ++s) {
      const auto start = Clock::now();
      Value& y = own[s - stage.first];
      y = compute(s, i, at);
      check_shape(plan_, static_cast<plan::ValueId>(s + 1), backend_.shape(y));
      for (const plan::ValueId id : plan::inputs_of(plan_.steps[s].operation)) {
        if (id <= stage.first) {
          outer.push_back(id);
        } else if (schedule_.last_use[id] == s) {
          at(id) = Value{};
        }
      }
      nanoseconds[s - stage.first] += static_cast<std::uint64_t>(seconds_since(start) * 1e9);
      counter_.add(schedule_.work[s]);
    }
    std::sort(outer.begin(), outer.end());
    outer.erase(std::unique(outer.begin(), outer.end()), outer.end());
    for (const plan::ValueId id : outer) release(id, i);
    for (std::size_t s = stage.first; s < stage.end; ++s) {
      if (!left_[s + 1].empty()) values_[s + 1][i] = std::move(own[s - stage.first]);
    }
  }

  template <class At>
  Value compute(std::size_t s, std::size_t i, const At& at) const {
    const plan::Operation& operation = plan_.steps[s].operation;
    if (const auto* product = std::get_if<plan::Multiply>(&operation)) {
      return backend_.multiply(at(product->a), at(product->b));
    }
    if (const auto* switched = std::get_if<plan::Relinearize>(&operation)) {
      return backend_.relinearize(at(switched->input), switched->rescale);
    }
    if (const auto* rescaled = std::get_if<plan::Rescale>(&operation)) {
      return backend_.rescale(at(rescaled->input), rescaled->limbs);
    }
    if (const auto* folded = std::get_if<plan::Fold>(&operation)) return backend_.fold(*folded, at(folded->input));
    if (const auto* polynomial = std::get_if<plan::Polynomial>(&operation)) {
      return backend_.polynomial(model_.polynomial(s), at(polynomial->input));
    }
    if (const auto* refreshed = std::get_if<plan::Bootstrap>(&operation)) {
      return backend_.bootstrap(model_.bootstrap(s), at(refreshed->input));
    }
    const auto& sum = std::get<plan::Combine>(operation);
    std::vector<Term<Value>> terms;
    for (const auto& term : sum.terms) terms.push_back({&at(term.input), pick(term.coefficients, i, 1)});
    return backend_.combine(terms, pick(sum.constants, i, 0));
  }

  void share_time(const plan::Stage& stage, const std::vector<std::atomic<std::uint64_t>>& nanoseconds, double wall) {
    double sum = 0;
    for (const auto& n : nanoseconds) sum += static_cast<double>(n);
    if (sum == 0) return;
    for (std::size_t s = stage.first; s < stage.end; ++s) {
      trace_->steps[s].seconds += wall * static_cast<double>(nanoseconds[s - stage.first]) / sum;
    }
  }

  const EncodedModel& model_;
  const plan::Plan& plan_;
  const B& backend_;
  const plan::Schedule& schedule_;
  WorkCounter counter_;
  Trace* trace_;
  Saving<Value> saving_;
  plan::Replay replay_;                           ///< where this run is, as long as it saves
  std::vector<std::vector<Value>> values_;        ///< by value and element, where stages share it
  std::vector<std::vector<std::uint32_t>> left_;  ///< units that have yet to read an element
};

}  // namespace internal

template <Backend B>
Result<std::vector<typename B::Value>> execute(const EncodedModel& model, const B& backend,
                                               std::vector<typename B::Value> inputs, const base::Progress& progress,
                                               Trace* trace, Saving<typename B::Value> saving) {
  return internal::Execution<B>(model, backend, progress, trace, std::move(saving)).run(std::move(inputs));
}

}  // namespace obscura::run
