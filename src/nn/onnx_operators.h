// SPDX-License-Identifier: Apache-2.0
/// The import of single operators; internal to nn. Each function turns a node whose form was checked into nodes of the
/// graph, or a node of constants into a constant. errors: naming the node, the actual and the allowed value.
#pragma once

#include "nn/onnx_import.h"

namespace obscura::nn {

using Import = Result<void> (*)(NodeImport&);

/// What is read of one ONNX operator. Attributes that it has in any of its versions stand in one list, and inputs that
/// were attributes in older versions are read from either place (NodeImport::list).
struct OnnxOperator {
  const char* name;
  int min_inputs;
  int max_inputs;
  std::vector<const char*> attributes;  ///< any other is an error: it could change the meaning
  Import import;                        ///< of a value computed from the image; none: of constants only
  Import fold = nullptr;                ///< of constants only
};

// onnx_layers.cpp
Result<void> import_conv(NodeImport& node);
Result<void> import_conv_transpose(NodeImport& node);
Result<void> import_batch_normalization(NodeImport& node);
Result<void> import_gemm(NodeImport& node);
Result<void> import_matmul(NodeImport& node);
Result<void> import_lrn(NodeImport& node);
Result<void> import_instance_normalization(NodeImport& node);
Result<void> import_layer_normalization(NodeImport& node);
Result<void> import_group_normalization(NodeImport& node);
Result<void> import_mean_variance_normalization(NodeImport& node);

// onnx_pools.cpp
Result<void> import_average_pool(NodeImport& node);
Result<void> import_max_pool(NodeImport& node);
Result<void> import_global_average_pool(NodeImport& node);
Result<void> import_global_max_pool(NodeImport& node);
Result<void> import_reduce(NodeImport& node);

// onnx_pointwise.cpp
Result<void> import_add(NodeImport& node);
Result<void> import_sub(NodeImport& node);
Result<void> import_mul(NodeImport& node);
Result<void> import_div(NodeImport& node);
Result<void> import_neg(NodeImport& node);
Result<void> import_pow(NodeImport& node);
Result<void> import_sum(NodeImport& node);
Result<void> import_extremum(NodeImport& node);
Result<void> import_where(NodeImport& node);

// onnx_functions.cpp
Result<void> import_function(NodeImport& node);
Result<void> import_clip(NodeImport& node);
Result<void> import_hard_sigmoid(NodeImport& node);
Result<void> import_prelu(NodeImport& node);
Result<void> import_gelu(NodeImport& node);
Result<void> import_softmax(NodeImport& node);
Result<void> import_argmax(NodeImport& node);

// onnx_moves.cpp
Result<void> import_flatten(NodeImport& node);
Result<void> import_reshape(NodeImport& node);
Result<void> import_squeeze(NodeImport& node);
Result<void> import_unsqueeze(NodeImport& node);
Result<void> import_identity(NodeImport& node);
Result<void> import_dropout(NodeImport& node);
Result<void> import_cast(NodeImport& node);
Result<void> import_transpose(NodeImport& node);
Result<void> import_concat(NodeImport& node);
Result<void> import_slice(NodeImport& node);
Result<void> import_split(NodeImport& node);
Result<void> import_gather(NodeImport& node);

// onnx_space.cpp
Result<void> import_pad(NodeImport& node);
Result<void> import_expand(NodeImport& node);
Result<void> import_tile(NodeImport& node);
Result<void> import_resize(NodeImport& node);
Result<void> import_depth_to_space(NodeImport& node);
Result<void> import_space_to_depth(NodeImport& node);

// onnx_quantized.cpp
Result<void> import_quantize(NodeImport& node);
Result<void> import_dequantize(NodeImport& node);
Result<void> fold_dequantize(NodeImport& node);
Result<void> import_dynamic_quantize(NodeImport& node);
Result<void> import_quantized_conv(NodeImport& node);
Result<void> import_conv_integer(NodeImport& node);
Result<void> import_quantized_matmul(NodeImport& node);
Result<void> import_matmul_integer(NodeImport& node);
Result<void> import_quantized_gemm(NodeImport& node);
Result<void> import_quantized_binary(NodeImport& node);
Result<void> import_quantized_unary(NodeImport& node);
Result<void> import_quantized_concat(NodeImport& node);

// onnx_fold.cpp: nodes whose inputs are all constants, and those that give a constant whatever they read.
Result<void> import_constant(NodeImport& node);
Result<void> import_shape(NodeImport& node);
Result<void> import_size(NodeImport& node);
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
Result<void> fold_range(NodeImport& node);
// onnx_arithmetic.cpp
Result<void> fold_unary(NodeImport& node);
Result<void> fold_binary(NodeImport& node);
Result<void> fold_where(NodeImport& node);
Result<void> fold_product(NodeImport& node);

// What several of these share.

/// One axis of a Slice: `size` elements from `start` in steps of `step`, all inside.
struct AxisRange {
  std::int64_t start = 0;
  std::int64_t step = 1;
  std::int64_t size = 0;
};
/// The ranges that a Slice node takes of each axis of `shape`: starts, ends, axes and steps are its inputs 1 to 4, or
/// attributes. errors: an axis twice or outside, a step of 0.
Result<std::vector<AxisRange>> slice_ranges(NodeImport& node, const Shape& shape);
/// Attribute perm: the axes of `rank` in their new order; without it reversed. errors: not each axis once.
Result<std::vector<std::int64_t>> permutation(const NodeImport& node, std::size_t rank);

/// Axis counted from the front, of `rank` axes. errors: outside of -rank to rank - 1.
Result<std::size_t> resolve_axis(const NodeImport& node, std::int64_t axis, std::size_t rank);
/// The axes that a Squeeze drops of `shape`: those listed, else all of one element.
Result<Shape> squeezed(NodeImport& node, const Shape& shape);
Result<Shape> unsqueezed(NodeImport& node, const Shape& shape);

/// x of the file's shape {1, C, spatial...} as {C, H, W}; of {1, C, L} as {C, 1, L}. errors: other ranks.
Result<ValueId> as_image(NodeImport& node, const FileValue& x);
/// kernel, strides, dilations, pads and auto_pad of a window over `spatial` axes; kernel is what it is where there is
/// no kernel_shape. Of one axis the height is 1.
Result<void> read_window(const NodeImport& node, Attributes& a, const Shape& image, std::size_t spatial);
/// The file's shape {1, C, spatial...} of a graph's {C, H, W}.
Shape spatial_shape(const Shape& image, std::size_t spatial);

/// The shape of a result of both, sizes aligned from the right; nothing where they do not fit.
std::optional<Shape> broadcast(const Shape& a, const Shape& b);

/// A result of two operands, broadcast.
struct Operand {
  std::optional<FileValue> value;  ///< or a constant
  Tensor constant;
  std::optional<int> own = {};  ///< the node's input whose numbers the constant has
  const Shape& shape() const { return value ? value->shape : constant.shape; }
};
Result<Operand> operand(NodeImport& node, int i);
/// op (add or mul) of both; at least one is a value. errors: shapes that do not go together.
Result<FileValue> combine(NodeImport& node, Op op, const Operand& a, const Operand& b);
/// factor x + shift, of numbers.
Result<FileValue> affine(NodeImport& node, FileValue x, double factor, double shift);
Result<FileValue> apply(NodeImport& node, const FileValue& x, const approx::Function& function);
/// The mean over some axes of x, all others first: {others..., 1}.
enum class Reduction { mean, sum, max, min };
Result<FileValue> reduce(NodeImport& node, const FileValue& x, const std::vector<std::size_t>& axes, Reduction how);
/// Whether the weight and the bias of a layer are the numbers of the node's inputs 1 and 2.
enum class Numbers { own, computed };
/// x {1, K} or {M, K} times a matrix {K, N}: {M, N}.
Result<FileValue> dense(NodeImport& node, const FileValue& x, Tensor weight, bool transposed,
                        const std::optional<Tensor>& bias, Numbers numbers);
/// A convolution of x whose weight {Cout, Cin / groups, spatial...} and bias are given. Reads the node's window.
Result<FileValue> convolve(NodeImport& node, const FileValue& x, Tensor weight, const std::optional<Tensor>& bias,
                           Numbers numbers);
/// x with its axes in another order.
Result<FileValue> transposed(NodeImport& node, const FileValue& x, const std::vector<std::int64_t>& order);
/// x in the graph's shape of the file's, so that axis d of the file is axis d - 1 there (d where there is no axis of
/// images).
struct Axes {
  ValueId id = 0;
  std::size_t shift = 0;
};
Result<Axes> with_axes(NodeImport& node, const FileValue& x);
/// Elements `indices` along an axis of the file.
Result<FileValue> gathered(NodeImport& node, const FileValue& x, std::size_t axis, std::vector<std::int64_t> indices);
/// `size` elements from `start` of each axis. errors: none of some axis.
Result<FileValue> sliced(NodeImport& node, const FileValue& x, const std::vector<AxisRange>& ranges);
/// Pools whose node has been read but for its input.
Result<FileValue> average_pool(NodeImport& node, const FileValue& x);
Result<FileValue> global_average_pool(NodeImport& node, const FileValue& x);
Result<FileValue> max_pool(NodeImport& node, const FileValue& x);
Result<FileValue> softmax(NodeImport& node, const FileValue& x);

}  // namespace obscura::nn
