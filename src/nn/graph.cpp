// SPDX-License-Identifier: Apache-2.0
#include "nn/graph.h"

#include <fmt/ranges.h>

#include "nn/operators.h"

namespace obscura::nn {

std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    OBSCURA_CHECK(size >= 0 && !__builtin_mul_overflow(count, size, &count), "element_count of {}", to_string(shape));
  }
  return count;
}

std::string to_string(const Shape& shape) {
  return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, "x"));
}

const char* to_string(Op op) { return row(op).name; }

}  // namespace obscura::nn
