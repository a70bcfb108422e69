// SPDX-License-Identifier: Apache-2.0
/// Training images that a network is calibrated by.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/settings.h"
#include "nn/graph.h"

namespace obscura::api {

/// Where they come from: names or, from memory, the images themselves.
struct TrainingData {
  std::vector<std::string> names;      ///< a data set, or files and folders; see Images::of_training
  std::filesystem::path folder;        ///< of data sets
  std::span<const float> images = {};  ///< in units of pixel / 255
  bool none() const { return names.empty() && images.empty(); }
};

/// `count` training images (unless said: `usual` of them, or all where there are fewer), normalised: the first of a
/// data set or of memory; of files and folders, which may be sorted by class, every so-manieth. errors: those of
/// Images::of_training; fewer images; count 0; floats in memory that are not whole images. needs: a normalisation that
/// check_normalization took.
Result<std::vector<float>> calibration_images(const nn::Graph& graph, const TrainingData& training,
                                              const Normalization& normalization, std::optional<std::size_t> count,
                                              std::size_t usual);

/// How many give the ranges of values unless said.
inline constexpr std::size_t kCalibrationImages = 256;

/// How many images of the shape these floats are. errors: wrong_params: none, or not whole ones
Result<std::size_t> count_images(std::span<const float> images, const data::ImageShape& shape);

}  // namespace obscura::api
