// SPDX-License-Identifier: Apache-2.0
/// Shape rules and the sizes that are allowed; internal to nn.
#pragma once

#include "nn/graph.h"

namespace obscura::nn {

/// Bounds on what a file may ask for, far above any network that can run encrypted.
inline constexpr std::int64_t kMaxSize = 1 << 20;
inline constexpr std::int64_t kMaxElements = 1 << 27;
inline constexpr std::size_t kMaxConcat = 1024;

/// Sizes within [1, kMaxSize] whose product is at most kMaxElements.
bool shape_is_allowed(const Shape& shape);

/// Sets the shape of the node's output from the shapes of its inputs. errors: as infer_shapes.
Result<void> infer_shape(Graph& graph, const Node& node);

}  // namespace obscura::nn
