// SPDX-License-Identifier: Apache-2.0
#include "api/training.h"

#include <fmt/format.h>

#include "api/images.h"
#include "data/records.h"

namespace obscura::api {
namespace {

Result<std::vector<float>> images_of_names(const data::ImageShape& shape, const TrainingData& training,
                                           const Normalization& normalization, data::Range range) {
  OBSCURA_TRY(const Images images, Images::of_training(training.names, training.folder, shape));
  OBSCURA_TRY_VOID(data::check_range(fmt::format("{}", fmt::join(training.names, " ")), images.count(), range));
  if (!images.of_files() || range.count == images.count()) {
    OBSCURA_TRY(const data::Dataset some, images.read(0, range.count));
    return normalise(some, normalization);
  }
  std::vector<float> out;
  for (std::size_t i = 0; i < range.count; ++i) {
    OBSCURA_TRY(const data::Dataset one, images.read(i * images.count() / range.count, 1));
    const std::vector<float> values = normalise(one, normalization);
    out.insert(out.end(), values.begin(), values.end());
  }
  return out;
}

}  // namespace

Result<std::size_t> count_images(std::span<const float> images, const data::ImageShape& shape) {
  if (!images.empty() && images.size() % shape.elements() == 0) return images.size() / shape.elements();
  return error(Code::wrong_params, "{} values are not one or more images of {}", images.size(), shape.elements());
}

Result<std::vector<float>> calibration_images(const nn::Graph& graph, const TrainingData& training,
                                              const Normalization& normalization, std::optional<std::size_t> count,
                                              std::size_t usual) {
  if (count == std::size_t{0}) return error(Code::wrong_params, "--calibration-images 0: at least one image is needed");
  const data::ImageShape shape = shape_of(graph);
  data::Range range{0, count.value_or(usual), !count.has_value()};
  if (training.images.empty()) return images_of_names(shape, training, normalization, range);
  OBSCURA_TRY(const std::size_t all, count_images(training.images, shape));
  OBSCURA_TRY_VOID(data::check_range("the training images", all, range));
  return normalise(training.images.first(range.count * shape.elements()), shape, normalization);
}

}  // namespace obscura::api
