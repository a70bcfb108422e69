// SPDX-License-Identifier: Apache-2.0
/// The executor: one plan, any backend.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "plan/replay.h"
#include "plan/share.h"
#include "run/backend.h"

namespace obscura::run {

/// How long each step took. Steps of one elementwise run are interleaved: each gets its share of the run's wall time.
struct StepTime {
  std::string origin;
  std::string operation;
  double seconds = 0;
  double predicted = 0;     ///< plan::Step::seconds
  std::uint32_t limbs = 0;  ///< of the result
  double scale = 0;
};

struct Trace {
  std::vector<StepTime> steps;  ///< in the order of the plan
  double seconds = 0;
};

/// "Linear", "Multiply", "Relinearize", "Rescale", "Combine", "Transform", "Fold", "Polynomial", "Bootstrap"
const char* operation_name(const plan::Operation& operation);

/// errors  ContractError naming the step, where a value differs from what the plan predicts for it: limbs, parts, or
///         the scale by more than ckks::same_scale allows.
void check_shape(const plan::Plan& plan, plan::ValueId id, const Shape& actual);

/// What an earlier run of the same inputs saved, and where this one saves what it has. Value: the backend's.
template <class Value>
struct Saving {
  std::size_t tasks = 0;                ///< of the schedule, done by the earlier run
  std::vector<Value> live = {};         ///< the elements that are live after them (plan::Replay), in that order
  std::vector<std::size_t> after = {};  ///< ascending numbers of tasks after which save() is called
  /// An element and what it is, for all that are live. An error ends the run.
  std::function<Result<void>(std::size_t tasks, std::span<const std::pair<plan::Element, const Value*>> live)> save =
      {};
};

/// Where several ranks share a batch: the part of this one, and how elements go to others and come from them. Both are
/// called between tasks, from the thread that runs the plan.
template <class Value>
struct Sharing {
  const plan::Share* share = nullptr;  ///< of the model's plan and schedule; none: this rank does all
  std::function<void(std::span<const std::pair<plan::Transfer, const Value*>> elements)> send = {};
  /// In the order of `wanted`. An error ends the run.
  std::function<Result<std::vector<Value>>(std::span<const plan::Transfer> wanted)> receive = {};
};

/// Outputs of the plan's last value for the inputs of its value 0, one Value per element. `model` is one that a backend
/// of this type and machine prepared. Work goes in the order of the model's schedule, and every element is forgotten at
/// its last use, so that memory stays at plan::Schedule::peak_bytes.
/// `progress` counts predicted work (plan::Schedule::work), that of an earlier run included.
/// A run that goes on with what `saving` holds gives, bit for bit, what one run would have.
/// With `sharing`, only the inputs of its share are looked at, and only rank 0 gets the outputs, those that one rank
/// alone would have got, bit for bit; nothing is saved then.
/// errors   cancelled, where progress says so; those of saving.save and sharing.receive. ContractError, naming the
///          step: inputs, saved elements or a step's result that are not what the plan predicts.
/// threads  those of the backend
template <Backend B>
Result<std::vector<typename B::Value>> execute(const typename B::Model& model, const B& backend,
                                               std::vector<typename B::Value> inputs,
                                               const base::Progress& progress = {}, Trace* trace = nullptr,
                                               Saving<typename B::Value> saving = {},
                                               Sharing<typename B::Value> sharing = {});

}  // namespace obscura::run

#include "run/execute_impl.h"
