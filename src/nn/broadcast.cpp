// SPDX-License-Identifier: Apache-2.0
#include "nn/broadcast.h"

#include <algorithm>

namespace obscura::nn {

std::optional<Shape> image_shape(const Value& value, std::size_t rank) {
  if (!value.constant || value.shape.size() <= rank) return value.shape;
  if (value.shape.size() != rank + 1 || value.shape.front() != 1) return std::nullopt;
  return Shape(value.shape.begin() + 1, value.shape.end());
}

std::optional<Shape> broadcast_shape(const Value& a, const Value& b) {
  if (a.constant && b.constant) return std::nullopt;
  if (!a.constant && !b.constant && a.shape.size() != b.shape.size()) return std::nullopt;
  const std::size_t rank = a.constant ? b.shape.size() : a.shape.size();
  const auto left = image_shape(a, rank);
  const auto right = image_shape(b, rank);
  if (!left || !right) return std::nullopt;
  Shape result(rank, 1);
  for (const Shape* shape : {&*left, &*right}) {
    const std::size_t skip = rank - shape->size();
    for (std::size_t i = 0; i < shape->size(); ++i) {
      const std::int64_t size = (*shape)[i];
      if (size == 1) continue;
      std::int64_t& out = result[skip + i];
      if (out != 1 && out != size) return std::nullopt;
      out = size;
    }
  }
  return result;
}

std::vector<std::uint32_t> broadcast_index(const Value& value, const Shape& result) {
  const auto shape = image_shape(value, result.size());
  OBSCURA_CHECK(shape.has_value(), "broadcast_index: {} into {}", to_string(value.shape), to_string(result));
  // The stride of each result dimension in the value; 0 where the value is stretched.
  std::vector<std::int64_t> stride(result.size(), 0);
  std::int64_t step = 1;
  for (std::size_t back = 1; back <= shape->size(); ++back) {
    const std::int64_t size = (*shape)[shape->size() - back];
    if (size != 1) stride[result.size() - back] = step;
    step *= size;
  }
  const auto count = static_cast<std::size_t>(element_count(result));
  std::vector<std::uint32_t> index(count);
  std::vector<std::int64_t> at(result.size(), 0);
  std::int64_t position = 0;
  for (std::size_t i = 0; i < count; ++i) {
    index[i] = static_cast<std::uint32_t>(position);
    for (std::size_t d = result.size(); d-- > 0;) {
      position += stride[d];
      if (++at[d] < result[d]) break;
      position -= stride[d] * result[d];
      at[d] = 0;
    }
  }
  return index;
}

}  // namespace obscura::nn
