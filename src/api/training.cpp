// SPDX-License-Identifier: Apache-2.0
#include "api/training.h"

#include "api/shape.h"
#include "data/records.h"

namespace obscura::api {

TrainingData training_in(std::span<const float> images) {
  if (images.empty()) return {};
  return {[images](const data::ImageShape& shape, const Normalization& normalization,
                   data::Range range) -> Result<std::vector<float>> {
    OBSCURA_TRY(const std::size_t all, count_images(images, shape));
    OBSCURA_TRY_VOID(data::check_range("the training images", all, range));
    return normalise(images.first(range.count * shape.elements()), shape, normalization);
  }};
}

Result<std::vector<float>> calibration_images(const nn::Graph& graph, const TrainingData& training,
                                              const Normalization& normalization, std::optional<std::size_t> count,
                                              std::size_t usual) {
  if (count == std::size_t{0}) return error(Code::wrong_params, "--calibration-images 0: at least one image is needed");
  return training.take(shape_of(graph), normalization, {0, count.value_or(usual), !count.has_value()});
}

}  // namespace obscura::api
