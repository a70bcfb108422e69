// SPDX-License-Identifier: Apache-2.0
/// The template behind run/execute.h.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <set>
#include <type_traits>
#include <utility>

#include "run/execute.h"
#include "run/progress.h"

namespace obscura::run {
namespace internal {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <Backend B>
class Execution {
 public:
  using Value = typename B::Value;
  using Tensor = typename B::Tensor;
  using Model = typename B::Model;

  Execution(const Model& model, const B& backend, const base::Progress& progress, Trace* trace, Saving<Value> saving,
            Sharing<Value> sharing)
      : model_(model),
        plan_(model.plan()),
        backend_(backend),
        schedule_(model.schedule()),
        counter_(progress, schedule_.total_work),
        trace_(trace),
        saving_(std::move(saving)),
        sharing_(std::move(sharing)),
        replay_(plan_, schedule_) {}

  Result<std::vector<Value>> run(std::vector<Value> inputs) {
    const auto start = Clock::now();
    OBSCURA_CHECK(inputs.size() == plan_.input.ciphertexts(), "{} inputs; the plan expects {}", inputs.size(),
                  plan_.input.ciphertexts());
    begin(std::move(inputs));
    if (trace_ != nullptr) start_trace();
    for (std::size_t t = saving_.tasks; t < schedule_.tasks.size(); ++t) {
      OBSCURA_TRY_VOID(exchange(t));
      const plan::Task& task = schedule_.tasks[t];
      const plan::Stage& stage = schedule_.stages[task.stage];
      std::visit([&](const auto& operation) { run_task(operation, stage, task.units); },
                 plan_.steps[stage.first].operation);
      if (counter_.cancelled()) {
        return error(Code::cancelled, "stopped in step {} of {}", stage.end, plan_.steps.size());
      }
      if (saving_.save) OBSCURA_TRY_VOID(save());
    }
    OBSCURA_TRY_VOID(exchange(schedule_.tasks.size()));
    std::vector<Value> outputs;
    const std::size_t count = left_.back().size();
    for (std::size_t i = 0; i < count; ++i) outputs.push_back(backend_.take(values_.back(), i));
    if (trace_ != nullptr) trace_->seconds += seconds_since(start);
    return outputs;
  }

 private:
  /// The elements of a task on their way through a stage.
  class Elements final : public ElementwiseTask {
   public:
    Elements(Execution& execution, const plan::Stage& stage, std::span<const std::uint32_t> elements)
        : execution_(execution), stage_(stage), elements_(elements), nanoseconds_(stage.end - stage.first) {
      for (std::size_t s = stage.first; s < stage.end; ++s) {
        for (const plan::ValueId id : plan::inputs_of(execution.plan_.steps[s].operation)) {
          if (id <= stage.first) outer_.insert(id);
        }
      }
    }
    const plan::Stage& stage() const override { return stage_; }
    std::span<const std::uint32_t> elements() const override { return elements_; }
    bool cancelled() const override { return execution_.counter_.cancelled(); }
    void made(std::size_t step, const Shape& shape, double seconds) override {
      check_shape(execution_.plan_, static_cast<plan::ValueId>(step + 1), shape);
      nanoseconds_[step - stage_.first] += static_cast<std::uint64_t>(seconds * 1e9);
      execution_.counter_.add(execution_.schedule_.work[step]);
    }
    void has_read(std::uint32_t element) override {
      for (const plan::ValueId id : outer_) execution_.release(id, element);
    }
    /// Gives each step its share of the wall time.
    void share_time(Trace& trace, double wall) const {
      double sum = 0;
      for (const auto& n : nanoseconds_) sum += static_cast<double>(n);
      if (sum == 0) return;
      for (std::size_t s = stage_.first; s < stage_.end; ++s) {
        trace.steps[s].seconds += wall * static_cast<double>(nanoseconds_[s - stage_.first]) / sum;
      }
    }

   private:
    Execution& execution_;
    const plan::Stage& stage_;
    std::span<const std::uint32_t> elements_;
    std::set<plan::ValueId> outer_;                        ///< that the stage reads of others
    std::vector<std::atomic<std::uint64_t>> nanoseconds_;  ///< by step
  };

  /// Values where the first task finds them: all absent but the inputs, or as the saved run left them.
  void begin(std::vector<Value> inputs) {
    OBSCURA_CHECK(saving_.tasks <= schedule_.tasks.size(), "{} tasks are done; there are {}", saving_.tasks,
                  schedule_.tasks.size());
    while (replay_.tasks() < saving_.tasks) replay_.take();
    left_ = replay_.left();
    OBSCURA_CHECK(saving_.live.size() == replay_.live().size(), "{} saved elements; {} are live after {} tasks",
                  saving_.live.size(), replay_.live().size(), saving_.tasks);
    values_.resize(left_.size());
    for (plan::ValueId id = 0; id < values_.size(); ++id) {
      if (!left_[id].empty()) values_[id] = backend_.make_tensor(model_, id);
    }
    const auto put_input = [&](std::uint32_t i) {
      put({0, i}, std::move(inputs[i]));
      if (left_[0][i] == 0 && sharing_.share == nullptr) backend_.forget(values_[0], i);
    };
    if (sharing_.share != nullptr) {
      std::for_each(sharing_.share->inputs.begin(), sharing_.share->inputs.end(), put_input);
    } else {
      for (std::uint32_t i = 0; i < inputs.size(); ++i) put_input(i);
    }
    std::size_t k = 0;
    for (const plan::Element& at : replay_.live()) put(at, std::move(saving_.live[k++]));
    counter_.skip(replay_.work());
  }

  void put(plan::Element at, Value&& x) {
    backend_.put(values_[at.value], at.index, std::move(x));
    check_shape(plan_, at.value, backend_.shape(values_[at.value], at.index));
  }

  /// What `read` of the backend gives, as a pointer; `copies` holds elements that are not in this memory.
  const Value* pointer_to(plan::Element at, std::deque<Value>& copies) {
    if constexpr (std::is_reference_v<decltype(backend_.read(values_[at.value], at.index))>) {
      return &backend_.read(values_[at.value], at.index);
    } else {
      return &copies.emplace_back(backend_.read(values_[at.value], at.index));
    }
  }

  /// Before a task, or at the end: what other ranks want of this one, and what this one wants of others.
  Result<void> exchange(std::size_t task) {
    if (sharing_.share == nullptr) return {};
    const plan::Exchange& exchange = sharing_.share->exchanges.at(task);
    std::deque<Value> copies;
    std::vector<std::pair<plan::Transfer, const Value*>> sends;
    for (const plan::Transfer& to : exchange.sends) sends.emplace_back(to, pointer_to(to.element, copies));
    if (!sends.empty()) sharing_.send(sends);
    for (const auto& [at, rank] : exchange.sends) {
      if (left_[at.value][at.index] == 0) backend_.forget(values_[at.value], at.index);
    }
    if (exchange.receives.empty()) return {};
    OBSCURA_TRY(std::vector<Value> received, sharing_.receive(exchange.receives));
    for (std::size_t k = 0; k < received.size(); ++k) put(exchange.receives[k].element, std::move(received[k]));
    return {};
  }

  /// After a task.
  Result<void> save() {
    replay_.take();
    if (!std::binary_search(saving_.after.begin(), saving_.after.end(), replay_.tasks())) return {};
    std::deque<Value> copies;  // of elements that are not in this memory
    std::vector<std::pair<plan::Element, const Value*>> live;
    for (const plan::Element& at : replay_.live()) live.emplace_back(at, pointer_to(at, copies));
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

  void run_task(const plan::Linear& linear, const plan::Stage& stage, std::span<const std::uint32_t> blocks) {
    const auto start = Clock::now();
    const std::size_t s = stage.first;
    const auto id = static_cast<plan::ValueId>(s + 1);
    backend_.linear(model_, s, blocks, std::as_const(values_[linear.input]), values_[id]);
    const plan::ValueInfo& out = plan_.steps[s].output;
    std::uint64_t products = 0;
    for (const std::uint32_t b : blocks) {
      const ckks::IntegerBlock& block = linear.map.blocks[b];
      for (const std::uint32_t o : block.outputs) check_shape(plan_, id, backend_.shape(values_[id], o));
      for (const std::uint32_t i : block.inputs) release(linear.input, i);
      products += std::uint64_t{block.inputs.size()} * block.outputs.size();
    }
    if (trace_ != nullptr) trace_->steps[s].seconds += seconds_since(start);
    counter_.add(products * out.limbs * out.parts);
  }

  /// Has one unit, the whole.
  void run_task(const plan::Transform& transform, const plan::Stage& stage, std::span<const std::uint32_t>) {
    const auto start = Clock::now();
    const std::size_t s = stage.first;
    const auto id = static_cast<plan::ValueId>(s + 1);
    backend_.transform(model_, s, std::as_const(values_[transform.input]), values_[id]);
    for (std::size_t o = 0; o < left_[id].size(); ++o) check_shape(plan_, id, backend_.shape(values_[id], o));
    for (std::size_t i = 0; i < left_[transform.input].size(); ++i) release(transform.input, i);
    if (trace_ != nullptr) trace_->steps[s].seconds += seconds_since(start);
    counter_.add(schedule_.work[s]);
  }

  template <class Operation>
  requires(!plan::kIsMap<Operation>) void run_task(const Operation&, const plan::Stage& stage,
                                                   std::span<const std::uint32_t> elements) {
    const auto start = Clock::now();
    Elements task(*this, stage, elements);
    backend_.elementwise(model_, task, std::span<Tensor>(values_));
    if (trace_ != nullptr) task.share_time(*trace_, seconds_since(start));
  }

  /// Counts that one unit has read an element; the last one frees it. Elements of different indices may be released at
  /// the same time.
  void release(plan::ValueId id, std::size_t i) {
    if (--left_[id][i] == 0) backend_.forget(values_[id], i);
  }

  const Model& model_;
  const plan::Plan& plan_;
  const B& backend_;
  const plan::Schedule& schedule_;
  WorkCounter counter_;
  Trace* trace_;
  Saving<Value> saving_;
  Sharing<Value> sharing_;
  plan::Replay replay_;                           ///< where this run is, as long as it saves
  std::vector<Tensor> values_;                    ///< by value, where stages share it
  std::vector<std::vector<std::uint32_t>> left_;  ///< units that have yet to read an element
};

}  // namespace internal

template <Backend B>
Result<std::vector<typename B::Value>> execute(const typename B::Model& model, const B& backend,
                                               std::vector<typename B::Value> inputs, const base::Progress& progress,
                                               Trace* trace, Saving<typename B::Value> saving,
                                               Sharing<typename B::Value> sharing) {
  return internal::Execution<B>(model, backend, progress, trace, std::move(saving), std::move(sharing))
      .run(std::move(inputs));
}

}  // namespace obscura::run
