// SPDX-License-Identifier: Apache-2.0
/// What no 8-bit image can exceed in a network, beside what images showed.
#pragma once

#include <optional>

#include "api/settings.h"
#include "cli/verb.h"
#include "nn/onnx.h"

namespace obscura::cli {

struct BoundsOptions {
  bool wanted = false;
  api::Settings settings;
  std::vector<std::string> calibrate;             ///< names of images to stand beside the bounds; none: synthetic ones
  std::string data;                               ///< folder of data sets
  std::optional<std::size_t> calibration_images;  ///< how many of them; nothing: kCalibrationImages or all
};

/// Adds "bounds" to the object and a table to the text of what is said of the network in `path`.
/// errors: those of api::take_normalization, of the images and of compile::bound_values
Result<void> add_bounds(const nn::Graph& graph, const std::string& path, const BoundsOptions& options, Answer& answer);

}  // namespace obscura::cli
