// SPDX-License-Identifier: Apache-2.0
#include "api/shape.h"

namespace obscura::api {

data::ImageShape shape_of(const nn::Graph& graph) {
  const nn::Shape& shape = graph.values[graph.input].shape;
  const auto size = [&](std::size_t axis) { return static_cast<std::size_t>(shape[axis]); };
  OBSCURA_CHECK(shape.size() == 3, "{}: an input of {}", graph.name, nn::to_string(shape));
  return {size(0), size(1), size(2)};
}

data::ImageShape shape_of(const plan::InputSpec& input) { return {input.channels, input.height, input.width}; }

std::size_t outputs_of(const nn::Graph& graph) {
  return static_cast<std::size_t>(nn::element_count(graph.values[graph.output].shape));
}

Result<std::size_t> count_images(std::span<const float> images, const data::ImageShape& shape) {
  if (!images.empty() && images.size() % shape.elements() == 0) return images.size() / shape.elements();
  return error(Code::wrong_params, "{} values are not one or more images of {}", images.size(), shape.elements());
}

}  // namespace obscura::api
