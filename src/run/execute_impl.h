// SPDX-License-Identifier: Apache-2.0
/// The template behind run/execute.h.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>

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

  Execution(const EncodedModel& model, const B& backend, const base::Progress& progress, Trace* trace)
      : model_(model),
        plan_(model.plan()),
        backend_(backend),
        schedule_(make_schedule(plan_)),
        counter_(progress, schedule_.total_work),
        trace_(trace),
        values_(plan_.steps.size() + 1) {}

  Result<std::vector<Value>> run(std::vector<Value> inputs) {
    const auto start = Clock::now();
    OBSCURA_CHECK(inputs.size() == plan_.input.elements(), "{} inputs; the plan expects {}", inputs.size(),
                  plan_.input.elements());
    for (const Value& x : inputs) check_shape(plan_, 0, backend_.shape(x));
    values_[0] = std::move(inputs);
    if (trace_ != nullptr) start_trace();
    for (const Stage& stage : schedule_.stages) {
      if (stage.elementwise) {
        run_elementwise(stage);
      } else {
        run_linear(stage.first);
      }
      if (counter_.cancelled())
        return error(Code::cancelled, "stopped in step {} of {}", stage.end, values_.size() - 1);
    }
    if (trace_ != nullptr) trace_->seconds += seconds_since(start);
    return std::move(values_.back());
  }

 private:
  /// Traces of several batches add up.
  void start_trace() {
    if (trace_->steps.size() == plan_.steps.size()) return;
    trace_->steps.clear();
    for (const auto& step : plan_.steps) trace_->steps.push_back({step.origin, operation_name(step.operation), 0});
  }

  void run_linear(std::size_t s) {
    const auto start = Clock::now();
    const auto& linear = std::get<plan::Linear>(plan_.steps[s].operation);
    std::vector<Value>& x = values_[linear.input];
    if (schedule_.last_use[linear.input] == s) {
      // A backend that takes the inputs over may free them as it goes.
      values_[s + 1] = backend_.linear(model_.map(s), linear.weight_scale, linear.bias, std::move(x));
      x = std::vector<Value>();
    } else {
      values_[s + 1] = backend_.linear(model_.map(s), linear.weight_scale, linear.bias, std::span<const Value>(x));
    }
    for (const Value& y : values_[s + 1]) check_shape(plan_, static_cast<plan::ValueId>(s + 1), backend_.shape(y));
    if (trace_ != nullptr) trace_->steps[s].seconds += seconds_since(start);
    counter_.add(schedule_.work[s]);
  }

  void run_elementwise(const Stage& stage) {
    const auto start = Clock::now();
    const std::size_t elements = plan_.steps[stage.first].output.elements;
    for (std::size_t s = stage.first; s < stage.end; ++s) {
      if (schedule_.last_use[s + 1] >= stage.end) values_[s + 1].resize(elements);
    }
    std::vector<std::atomic<std::uint64_t>> nanoseconds(stage.end - stage.first);
    base::parallel_for(elements, [&](std::size_t i) {
      if (!counter_.cancelled()) run_element(stage, i, nanoseconds);
    });
    for (std::size_t id = 0; id <= stage.first; ++id) {
      if (schedule_.last_use[id] < stage.end) values_[id] = std::vector<Value>();
    }
    if (trace_ != nullptr) share_time(stage, nanoseconds, seconds_since(start));
  }

  /// All steps of a run for one element. Values that later stages read move to values_ at the end.
  void run_element(const Stage& stage, std::size_t i, std::vector<std::atomic<std::uint64_t>>& nanoseconds) {
    std::vector<Value> own(stage.end - stage.first);
    const auto at = [&](plan::ValueId id) -> Value& {
      return id > stage.first ? own[id - 1 - stage.first] : values_[id][i];
    };
    for (std::size_t s = stage.first; s < stage.end; ++s) {
      const auto start = Clock::now();
      Value& y = own[s - stage.first];
      y = compute(plan_.steps[s].operation, i, at);
      check_shape(plan_, static_cast<plan::ValueId>(s + 1), backend_.shape(y));
      for (const plan::ValueId id : inputs_of(plan_.steps[s].operation)) {
        if (schedule_.last_use[id] == s) at(id) = Value{};
      }
      nanoseconds[s - stage.first] += static_cast<std::uint64_t>(seconds_since(start) * 1e9);
      counter_.add(schedule_.work[s]);
    }
    for (std::size_t s = stage.first; s < stage.end; ++s) {
      if (schedule_.last_use[s + 1] >= stage.end) values_[s + 1][i] = std::move(own[s - stage.first]);
    }
  }

  template <class At>
  Value compute(const plan::Operation& operation, std::size_t i, const At& at) const {
    if (const auto* product = std::get_if<plan::Multiply>(&operation)) {
      return backend_.multiply(at(product->a), at(product->b));
    }
    if (const auto* switched = std::get_if<plan::Relinearize>(&operation)) {
      return backend_.relinearize(at(switched->input), switched->rescale);
    }
    if (const auto* rescaled = std::get_if<plan::Rescale>(&operation)) {
      return backend_.rescale(at(rescaled->input), rescaled->limbs);
    }
    const auto& sum = std::get<plan::Combine>(operation);
    std::vector<Term<Value>> terms;
    for (const auto& term : sum.terms) terms.push_back({&at(term.input), pick(term.coefficients, i, 1)});
    return backend_.combine(terms, pick(sum.constants, i, 0));
  }

  void share_time(const Stage& stage, const std::vector<std::atomic<std::uint64_t>>& nanoseconds, double wall) {
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
  Schedule schedule_;
  WorkCounter counter_;
  Trace* trace_;
  std::vector<std::vector<Value>> values_;  ///< by value; empty before it exists and after its last use
};

}  // namespace internal

template <Backend B>
Result<std::vector<typename B::Value>> execute(const EncodedModel& model, const B& backend,
                                               std::vector<typename B::Value> inputs, const base::Progress& progress,
                                               Trace* trace) {
  return internal::Execution<B>(model, backend, progress, trace).run(std::move(inputs));
}

}  // namespace obscura::run
