// SPDX-License-Identifier: Apache-2.0
/// ONNX's broadcasting, seen from one image: the batch dimension is there but not written.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "nn/graph.h"

namespace obscura::nn {

/// The shape of a value as one image sees it, beside an operand of `rank` sizes: for a constant whose file shape
/// spells the batch dimension as 1 ({1, C, 1, 1} beside {C, H, W}) that dimension is dropped; else as it is.
/// Nothing where a constant can not be the same for each image ({5, 10} beside {10}).
std::optional<Shape> image_shape(const Value& value, std::size_t rank);

/// The shape of an elementwise result: sizes aligned from the right, where 1 stretches to the other's size.
/// Two values that both differ per image must have equal rank, or the batch of one would meet a row of the other.
/// Nothing where the shapes do not fit, or both are constants.
std::optional<Shape> broadcast_shape(const Value& a, const Value& b);

/// index[i] = the element of `value` that meets element i of a result of shape `result` (from broadcast_shape).
/// cost: one entry per element of the result.
std::vector<std::uint32_t> broadcast_index(const Value& value, const Shape& result);

}  // namespace obscura::nn
