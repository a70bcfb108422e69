// SPDX-License-Identifier: Apache-2.0
/// The import of single operators; internal to nn. Each function turns a node whose form was checked into nodes of the
/// graph, or a node of constants into a constant. errors: naming the node, the actual and the allowed value.
#pragma once

#include "nn/onnx_import.h"

namespace obscura::nn {

// onnx_layers.cpp
Result<void> import_conv(NodeImport& node);
Result<void> import_batch_normalization(NodeImport& node);
Result<void> import_average_pool(NodeImport& node);
Result<void> import_global_average_pool(NodeImport& node);
Result<void> import_max_pool(NodeImport& node);
Result<void> import_global_max_pool(NodeImport& node);
Result<void> import_gemm(NodeImport& node);
Result<void> import_lrn(NodeImport& node);
Result<void> import_reduce_mean(NodeImport& node);

// onnx_pointwise.cpp
Result<void> import_add(NodeImport& node);
Result<void> import_sub(NodeImport& node);
Result<void> import_mul(NodeImport& node);
Result<void> import_div(NodeImport& node);
Result<void> import_neg(NodeImport& node);
Result<void> import_pow(NodeImport& node);
Result<void> import_sum(NodeImport& node);
Result<void> import_leaky_relu(NodeImport& node);
Result<void> import_prelu(NodeImport& node);
Result<void> import_gelu(NodeImport& node);
Result<void> import_softmax(NodeImport& node);
/// A function of each element without attributes.
template <Op op>
Result<void> import_function(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  return node.emit(op, std::move(inputs));
}

// onnx_shapes.cpp
Result<void> import_flatten(NodeImport& node);
Result<void> import_reshape(NodeImport& node);
Result<void> import_squeeze(NodeImport& node);
Result<void> import_unsqueeze(NodeImport& node);
Result<void> import_transpose(NodeImport& node);
Result<void> import_concat(NodeImport& node);
Result<void> import_slice(NodeImport& node);
Result<void> import_pad(NodeImport& node);
Result<void> import_identity(NodeImport& node);
Result<void> import_dropout(NodeImport& node);
Result<void> import_cast(NodeImport& node);

// onnx_fold.cpp: nodes whose inputs are all constants, and those that give a constant whatever they read.
Result<void> import_constant(NodeImport& node);
Result<void> import_shape(NodeImport& node);
Result<void> fold_constant_of_shape(NodeImport& node);
Result<void> fold_identity(NodeImport& node);
Result<void> fold_cast(NodeImport& node);
Result<void> fold_reshape(NodeImport& node);
Result<void> fold_squeeze(NodeImport& node);
Result<void> fold_unsqueeze(NodeImport& node);
Result<void> fold_transpose(NodeImport& node);
Result<void> fold_concat(NodeImport& node);
Result<void> fold_slice(NodeImport& node);
Result<void> fold_gather(NodeImport& node);
Result<void> fold_expand(NodeImport& node);
// onnx_arithmetic.cpp
Result<void> fold_unary(NodeImport& node);
Result<void> fold_binary(NodeImport& node);
Result<void> fold_where(NodeImport& node);

/// One axis of a Slice: `size` elements from `start` in steps of `step`, all inside.
struct AxisRange {
  std::int64_t start = 0;
  std::int64_t step = 1;
  std::int64_t size = 0;
};
/// The ranges that a Slice node takes of each axis of `shape`, as the file sees it: starts, ends, axes and steps are
/// its inputs 1 to 4. errors: an axis twice or outside, a step of 0.
Result<std::vector<AxisRange>> slice_ranges(NodeImport& node, const Shape& shape);

/// Axis counted from the front, of `rank` axes. errors: outside of -rank to rank - 1.
Result<std::size_t> resolve_axis(const NodeImport& node, std::int64_t axis, std::size_t rank);

}  // namespace obscura::nn
