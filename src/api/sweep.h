// SPDX-License-Identifier: Apache-2.0
/// Polynomials of several precisions in a network, each choice measured on images beside the network in floating point.
/// Arrow: ONNX file, training images, images -> a row for each choice.
#pragma once

#include <string>
#include <vector>

#include "api/images.h"
#include "api/inference.h"
#include "api/polynomials.h"
#include "api/score.h"
#include "api/settings.h"
#include "nn/onnx.h"

namespace obscura::api {

struct SweepJob {
  std::string network;  ///< ONNX file
  nn::ReadOptions read;
  Selection selection;
  Settings settings;
  TrainingData training;
  RangeOptions ranges;
  std::optional<Noise> noise;
  int from = 7, to = 14;   ///< alpha
  bool layerwise = false;  ///< after each alpha the cheapest choice for each layer with the same predicted error
  compile::Report report;
};

struct SweepRow {
  bool layerwise = false;
  int alpha = 0;
  calibrate::Choice choice;
  PolynomialInference result;
  Score score;
  LogitError error;
};

struct Sweep {
  nn::Graph graph;
  std::size_t calibration_images = 0;
  Score score;                        ///< of the network in floating point
  std::vector<SweepRow> rows;         ///< alpha by alpha
  std::vector<std::string> left_out;  ///< choices that there are not, each with the reason
};

/// errors: unsupported: answers that have no accuracy, a network without functions to replace; infeasible: no choice at
/// any alpha; those of the network, the images, the settings, and of make_chooser
Result<Sweep> sweep(const SweepJob& job);

}  // namespace obscura::api
