// SPDX-License-Identifier: Apache-2.0
/// Training images that a network is calibrated by.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "api/settings.h"
#include "nn/graph.h"

namespace obscura::api {

/// Where they come from; see also training_of in api/images.h.
struct TrainingData {
  /// A range's number of them, normalised, that stand for all.
  std::function<Result<std::vector<float>>(const data::ImageShape& shape, const Normalization& normalization,
                                           data::Range range)>
      take;
  bool none() const { return !take; }
};

/// Images in units of pixel / 255, which outlive it: the first of them are taken. Of none there are none.
/// errors of taking them: floats that are not whole images; fewer
TrainingData training_in(std::span<const float> images);

/// `count` training images (unless said: `usual` of them, or all where there are fewer), normalised. needs: a
/// normalisation that check_normalization took. errors: those of taking them; count 0
Result<std::vector<float>> calibration_images(const nn::Graph& graph, const TrainingData& training,
                                              const Normalization& normalization, std::optional<std::size_t> count,
                                              std::size_t usual);

/// How many give the ranges of values unless said.
inline constexpr std::size_t kCalibrationImages = 256;

}  // namespace obscura::api
