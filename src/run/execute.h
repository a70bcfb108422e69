// SPDX-License-Identifier: Apache-2.0
/// The executor: one plan, any backend.
#pragma once

#include <string>
#include <vector>

#include "base/parallel.h"
#include "run/backend.h"
#include "run/encode.h"

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
///         the scale by more than a relative 1e-6.
void check_shape(const plan::Plan& plan, plan::ValueId id, const Shape& actual);

/// Outputs of the plan's last value for the inputs of its value 0, one Value per element. Work goes in
/// the order of the model's schedule, and every element is freed at its last use, so that memory stays at
/// plan::Schedule::peak_bytes.
/// `progress` counts predicted work (plan::Schedule::work).
/// errors   cancelled, where progress says so. ContractError, naming the step: inputs or a step's result
///          that are not what the plan predicts.
/// threads  all cores
template <Backend B>
Result<std::vector<typename B::Value>> execute(const EncodedModel& model, const B& backend,
                                               std::vector<typename B::Value> inputs,
                                               const base::Progress& progress = {}, Trace* trace = nullptr);

}  // namespace obscura::run

#include "run/execute_impl.h"
