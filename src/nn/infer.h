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

/// The rules of nn/operators.cpp: the output's shape. errors: inputs or attributes that do not fit, naming the node.
Result<Shape> infer_conv(const Graph& graph, const Node& node);
Result<Shape> infer_batch_normalization(const Graph& graph, const Node& node);
Result<Shape> infer_pool(const Graph& graph, const Node& node);
Result<Shape> infer_global_average_pool(const Graph& graph, const Node& node);
Result<Shape> infer_gemm(const Graph& graph, const Node& node);
Result<Shape> infer_reshape(const Graph& graph, const Node& node);
Result<Shape> infer_transpose(const Graph& graph, const Node& node);
Result<Shape> infer_slice(const Graph& graph, const Node& node);
Result<Shape> infer_pad(const Graph& graph, const Node& node);
Result<Shape> infer_concat(const Graph& graph, const Node& node);
Result<Shape> infer_gather(const Graph& graph, const Node& node);
Result<Shape> infer_elementwise(const Graph& graph, const Node& node);  ///< add, mul
Result<Shape> infer_pow(const Graph& graph, const Node& node);
Result<Shape> infer_function(const Graph& graph, const Node& node);
Result<Shape> infer_lrn(const Graph& graph, const Node& node);
Result<Shape> infer_normalization(const Graph& graph, const Node& node);
Result<Shape> infer_rows(const Graph& graph, const Node& node);  ///< softmax: the input's, of an axis or more
Result<Shape> infer_matmul(const Graph& graph, const Node& node);
Result<Shape> infer_same(const Graph& graph, const Node& node);  ///< the input's

/// Sets the shape of the node's output from the shapes of its inputs. errors: as infer_shapes.
Result<void> infer_shape(Graph& graph, const Node& node);

}  // namespace obscura::nn
