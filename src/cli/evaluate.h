// SPDX-License-Identifier: Apache-2.0
/// One network, or one plan, measured on images of a data set: what `evaluate` does, and `bench` for many.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/evaluation.h"
#include "cli/verb.h"

namespace obscura::cli {

struct EvaluateOptions {
  std::string network;
  std::string model;
  std::vector<std::string> calibrate;  ///< training images; none: those of the data set, if it is one
  std::string backend = "ckks";
  std::optional<std::size_t> calibration_images;
  std::string noise;
  std::optional<std::uint64_t> noise_seed;
  bool predictions = false;
  api::EvaluationJob job;  ///< the rest; a batch of 0 stands for the images
};

/// Accuracy, agreement with the float network, precision, time and memory. `json`: notes go to standard error.
/// errors: the network, the data set or the options do not fit; parameters that are refused; cancelled.
Result<Answer> evaluate(const EvaluateOptions& options, bool json);

}  // namespace obscura::cli
