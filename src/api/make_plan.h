// SPDX-License-Identifier: Apache-2.0
/// From a network and training images to a plan: what the library's Network::compile and the verbs compile and evaluate
/// do. Arrow: nn::Graph, Settings, TrainingData -> plan::Plan.
#pragma once

#include <optional>
#include <string>

#include "api/polynomials.h"
#include "api/settings.h"
#include "api/training.h"
#include "compile/compile.h"
#include "nn/graph.h"

namespace obscura::api {

struct PlanJob {
  /// Batch, layout, degree, keys, memory, passes and report. What Settings hold, the calibration and the approximations
  /// are filled in.
  compile::Options options;
  TrainingData training;  ///< none: wide margins are assumed
  std::optional<std::size_t>
      calibration_images;  ///< that give the ranges of values; nothing: kCalibrationImages or all
  PolynomialChoice polynomials;
  RangeOptions ranges;
  compile::Approximations own;  ///< the caller's, by node; where they are not for all functions, others are chosen
};

/// Takes what the file says of itself, and refuses what cannot be compiled, before any image is read.
/// errors: those of take_metadata and compile::require_ready, naming the network
Result<void> prepare(Settings& settings, const nn::Graph& graph, const std::string& network, const PlanJob& job);

/// needs: settings of prepare.
/// errors: those of the images, of make_chooser and choose, and of compile::compile, naming the network; wrong_params:
/// functions that take polynomials but no training images, or the reverse
Result<plan::Plan> make_plan(const Settings& settings, const nn::Graph& graph, const std::string& network,
                             const PlanJob& job);

}  // namespace obscura::api
