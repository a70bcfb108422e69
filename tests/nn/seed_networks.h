// SPDX-License-Identifier: Apache-2.0
/// Tiny networks that between them go through every operator: for the tests, and for fuzzing to start from.
#pragma once

#include <limits>

#include "tests/nn/graphs.h"
#include "tests/nn/onnx_file.h"

namespace obscura::nn {

/// Every operator and every attribute away from its default, and functions of each way of being written.
inline Graph every_operator() {
  using Kind = approx::Function::Kind;
  Builder b({2, 6, 6});
  const ValueId conv =
      b.node(Op::conv, {0, b.constant({4, 1, 3, 2}, std::vector<float>(24, 0.5F)), b.constant({4}, {1, 2, 3, 4})},
             {.kernel = {3, 2}, .strides = {1, 2}, .dilations = {2, 1}, .pads = {1, 0, 2, 1}, .groups = 2});
  const ValueId c = b.constant({4}, {1, 2, 3, 4});
  const ValueId norm = b.node(Op::batch_normalization, {conv, c, c, c, c}, {.epsilon = 0.125F});
  const ValueId pool = b.node(Op::average_pool, {norm},
                              {.kernel = {2, 2}, .strides = {1, 2}, .pads = {0, 1, 1, 0}, .count_include_pad = true});
  const ValueId power = b.node(Op::pow, {pool, b.constant({}, {2})});
  const ValueId product = b.node(Op::mul, {power, b.constant({4, 1, 1}, {0.25F, 0.5F, 0.75F, 1})});
  const ValueId sum = b.node(Op::add, {product, pool});
  const ValueId largest =
      b.node(Op::max_pool, {sum}, {.kernel = {3, 2}, .strides = {1, 2}, .dilations = {1, 2}, .pads = {1, 1, 1, 2}});
  const ValueId lrn = b.node(Op::lrn, {largest}, {.alpha = 0.5F, .beta = 0.25F, .size = 3, .bias = 2});
  const ValueId joined = b.node(Op::concat, {lrn, b.function(Kind::relu, largest)});
  const ValueId part = b.node(Op::slice, {joined}, {.starts = {1, 0, 0}, .steps = {2, 1, 1}, .sizes = {4, 3, 1}});
  ValueId x = b.node(Op::pad, {part}, {.pads_before = {0, 1, 2}, .pads_after = {0, 3, 1}});
  x = b.node(Op::gather, {x}, {.axis = 2, .indices = {3, 2, 2, 0}});
  x = b.node(Op::normalization, {x}, {.epsilon = 0.25F});
  Attributes leaky = function_of(Kind::leaky_relu);
  leaky.function.alpha = 0.125;
  x = b.node(Op::function, {x}, leaky);
  for (const Kind kind : {Kind::sigmoid, Kind::elu, Kind::swish, Kind::gelu, Kind::gelu_tanh, Kind::mish, Kind::clip}) {
    x = b.function(kind, x);
  }
  const ValueId rows = b.reshape(x, {4, 28});
  const ValueId scores =
      b.node(Op::softmax, {b.node(Op::matmul, {rows, b.node(Op::transpose, {rows}, {.permutation = {1, 0}})})});
  const ValueId grid = b.reshape(b.node(Op::matmul, {scores, rows}), {4, 7, 4});
  const ValueId mean = b.node(Op::global_average_pool, {grid});
  b.node(Op::gemm, {b.reshape(mean, {4}), b.constant({3, 4}, std::vector<float>(12, 0.1F)), b.constant({3}, {1, 2, 3})},
         {.transpose_b = true, .alpha = 0.5F, .beta = 2});
  b.graph().ending = Ending::softmax;
  b.graph().metadata = {{0.5, 0.25}, {1, 2}, {"zero", "one", "two"}, 3, 0.125};
  OBSCURA_CHECK(infer_shapes(b.graph()).ok(), "every_operator");
  return b.graph();
}

/// As torch exports x[:, :, ::2, ::2] padded by C/4 channels on either side.
inline OnnxFile computed_pads() {
  OnnxFile file({1, 1, 1});
  file.integers("given", {0, 0, 0, 0, 1, 1});
  file.integers("rest", {2});
  auto& zero =
      *file.node("ConstantOfShape", "", {"rest"}, "zeros").add("value", onnx::AttributeProto::TENSOR).mutable_t();
  zero.set_data_type(onnx::TensorProto::INT64);
  zero.add_dims(1);
  zero.add_int64_data(0);
  file.node("Concat", "", {"given", "zeros"}, "all").integer("axis", 0);
  file.integers("pairs", {-1, 2});
  file.node("Reshape", "", {"all", "pairs"}, "table");
  file.integers("minus", {-1});
  file.integers("least", {std::numeric_limits<std::int64_t>::min() + 1});
  file.integers("first", {0});
  file.node("Slice", "", {"table", "minus", "least", "first", "minus"}, "reversed");
  file.node("Transpose", "", {"reversed"}, "columns").ints("perm", {1, 0});
  file.node("Reshape", "", {"columns", "minus"}, "list");
  file.node("Cast", "", {"list"}, "pads").integer("to", onnx::TensorProto::INT64);
  file.node("Pad", "", {"image", "pads", ""}, "y");
  file.node("Flatten", "", {"y"}, "logits");
  return file;
}

/// As torch exports x.view(x.size(0), -1) and x.view(x.size(0), x.size(1) * 2).
inline OnnxFile computed_sizes() {
  OnnxFile file({2, 1, 2});
  file.node("Shape", "", {"image"}, "shape");
  auto& zero = *file.node("Constant", "", {}, "zero").add("value", onnx::AttributeProto::TENSOR).mutable_t();
  zero.set_data_type(onnx::TensorProto::INT64);
  zero.add_int64_data(0);
  file.node("Gather", "", {"shape", "zero"}, "n").integer("axis", 0);
  file.integers("front", {0});
  file.node("Unsqueeze", "", {"n", "front"}, "images");
  file.integers("one", {1});
  file.integers("two", {2});
  file.node("Slice", "", {"shape", "one", "two"}, "channels");
  file.node("Mul", "", {"channels", "two"}, "features");
  file.node("Concat", "", {"images", "features"}, "to").integer("axis", 0);
  file.node("Reshape", "", {"image", "to"}, "logits");
  return file;
}

}  // namespace obscura::nn
