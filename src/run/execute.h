// SPDX-License-Identifier: Apache-2.0
/// The executor: one plan, any backend.
#pragma once

#include <string>
#include <vector>

#include "base/parallel.h"
#include "run/backend.h"
#include "run/encode.h"
#include "run/schedule.h"

namespace obscura::run {

/// How long each step took. Steps of one elementwise run are interleaved: each gets its share of the run's wall time.
struct StepTime {
  std::string origin;
  std::string operation;
  double seconds = 0;
};

struct Trace {
  std::vector<StepTime> steps;  ///< in the order of the plan
  double seconds = 0;
};

/// "Linear", "Multiply", "Relinearize", "Rescale", "Combine"
const char* operation_name(const plan::Operation& operation);

/// Outputs of the plan's last value for the inputs of its value 0, one Value per element. Linear steps take whole
/// tensors; runs of other steps go element by element, and every value is freed at its last use, so that memory stays
/// at plan::peak_ciphertext_bytes.
/// `progress` counts predicted work (Schedule::work).
/// errors   cancelled, where progress says so. ContractError, naming the step: inputs or a step's result
///          that are not what the plan predicts.
/// threads  all cores
template <Backend B>
Result<std::vector<typename B::Value>> execute(const EncodedModel& model, const B& backend,
                                               std::vector<typename B::Value> inputs,
                                               const base::Progress& progress = {}, Trace* trace = nullptr);

}  // namespace obscura::run

#include "run/execute_impl.h"
