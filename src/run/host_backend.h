// SPDX-License-Identifier: Apache-2.0
/// What backends share whose tensors are elements side by side in this machine's memory: an elementwise stage is fused,
/// each element going through all of its steps on one thread.
#pragma once

#include <chrono>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "plan/work.h"
#include "run/backend.h"

namespace obscura::run {

/// An element that is absent is a default Value.
template <class V>
class HostTensors {
 public:
  using Value = V;
  using Tensor = std::vector<V>;

  static Tensor make_tensor(const Model& model, plan::ValueId id) { return Tensor(model.plan().value(id).elements); }
  static void put(Tensor& y, std::size_t i, Value&& x) { y[i] = std::move(x); }
  static const Value& read(const Tensor& x, std::size_t i) { return x[i]; }
  static Value take(Tensor& y, std::size_t i) { return std::exchange(y[i], Value{}); }
  static void forget(Tensor& y, std::size_t i) { y[i] = Value{}; }
};

/// One element of one elementwise step, and what it reads. Values that the stage made are `own`, by step.
template <class M, class Value>
class OneElement {
 public:
  OneElement(const M& model, std::size_t step, std::uint32_t index, const plan::Stage& stage,
             std::span<const std::vector<Value>> values, std::span<const Value> own)
      : model_(&model), step_(step), index_(index), stage_(&stage), values_(values), own_(own) {}

  const M& model() const { return *model_; }
  std::size_t step() const { return step_; }
  const Value& operator[](plan::ValueId id) const {
    return id > stage_->first ? own_[id - 1 - stage_->first] : values_[id][index_];
  }
  /// Of numbers as plan::Combine has them: none, one for all, or one per element.
  double pick(const std::vector<double>& numbers, double otherwise) const {
    if (numbers.empty()) return otherwise;
    return numbers.size() == 1 ? numbers.front() : numbers[index_];
  }

 private:
  const M* model_;
  std::size_t step_;
  std::uint32_t index_;
  const plan::Stage* stage_;
  std::span<const std::vector<Value>> values_;
  std::span<const Value> own_;
};

namespace internal {

/// All steps of a stage for one element. Values that other stages read move to `values` at the end.
template <class B>
void run_element(const B& backend, const typename B::Model& model, ElementwiseTask& task, std::uint32_t i,
                 std::span<std::vector<typename B::Value>> values) {
  using Value = typename B::Value;
  const plan::Stage& stage = task.stage();
  const plan::Schedule& schedule = model.schedule();
  std::vector<Value> own(stage.end - stage.first);
  for (std::size_t s = stage.first; s < stage.end; ++s) {
    const auto start = std::chrono::steady_clock::now();
    const plan::Operation& operation = model.plan().steps[s].operation;
    const typename B::Elements at(model, s, i, stage, values, own);
    Value& y = own[s - stage.first];
    y = std::visit(
        [&]<class Operation>(const Operation& one) -> Value {
          if constexpr (plan::kIsMap<Operation>)
            throw ContractError("a map within an elementwise stage");
          else
            return backend.apply(one, at);
        },
        operation);
    for (const plan::ValueId id : plan::inputs_of(operation)) {
      if (id > stage.first && schedule.last_use[id] == s) own[id - 1 - stage.first] = Value{};
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    task.made(s, backend.shape(y), seconds.count());
  }
  task.has_read(i);
  for (std::size_t s = stage.first; s < stage.end; ++s) {
    if (!schedule.readers[s + 1].empty()) values[s + 1][i] = std::move(own[s - stage.first]);
  }
}

}  // namespace internal

/// Backend::elementwise, where apply gives the element that a step makes and Elements are a OneElement.
/// threads  all cores: elements side by side, or where each has work for all (plan::stands_alone) one after the other
template <class B>
void run_elements(const B& backend, const typename B::Model& model, ElementwiseTask& task,
                  std::span<std::vector<typename B::Value>> values) {
  const auto run_one = [&](std::size_t k) {
    if (!task.cancelled()) internal::run_element(backend, model, task, task.elements()[k], values);
  };
  if (plan::stands_alone(model.plan().steps[task.stage().first].operation)) {
    for (std::size_t k = 0; k < task.elements().size(); ++k) run_one(k);
  } else {
    base::parallel_for(task.elements().size(), run_one);
  }
}

}  // namespace obscura::run
