// SPDX-License-Identifier: Apache-2.0
/// Tiny networks that between them go through every operator: for the tests, and for fuzzing to start from.
#pragma once

#include <limits>
#include <tuple>

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

/// A constant of bytes.
inline void add_bytes(OnnxFile& file, const char* name, const Shape& shape, const std::vector<int>& numbers,
                      onnx::TensorProto::DataType type = onnx::TensorProto::UINT8) {
  auto& tensor = *file.graph().add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(type);
  for (const std::int64_t size : shape) tensor.add_dims(size);
  for (const int v : numbers) tensor.add_int32_data(v);
}

/// As quantisers write a convolution, a sum and a dense layer.
inline OnnxFile quantized_network() {
  OnnxFile file({1, 2, 2});
  file.model.add_opset_import()->set_version(1);
  file.model.mutable_opset_import(1)->set_domain("com.microsoft");
  file.constant("s", {}, {0.25F});
  add_bytes(file, "z", {}, {128});
  file.constant("ws", {2}, {0.5F, 0.25F});
  add_bytes(file, "wz", {2}, {0, 1}, onnx::TensorProto::INT8);
  add_bytes(file, "w", {2, 1, 1, 1}, {3, -2}, onnx::TensorProto::INT8);
  add_bytes(file, "b", {2}, {4, 8}, onnx::TensorProto::INT32);
  file.node("QuantizeLinear", "", {"image", "s", "z"}, "q");
  file.node("QLinearConv", "", {"q", "s", "z", "w", "ws", "wz", "s", "z", "b"}, "c").ints("pads", {0, 1, 0, 0});
  file.node("QLinearAdd", "", {"c", "s", "z", "c", "s", "z", "s", "z"}, "a").proto().set_domain("com.microsoft");
  file.node("DequantizeLinear", "", {"a", "s", "z"}, "d");
  file.node("Flatten", "", {"d"}, "f");
  auto& dynamic = file.node("DynamicQuantizeLinear", "", {"f"}, "dq").proto();
  dynamic.add_output("scale");
  dynamic.add_output("zero");
  add_bytes(file, "m", {12, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  file.node("MatMulInteger", "", {"dq", "m", "zero"}, "i");
  file.node("Cast", "", {"i"}, "l").integer("to", onnx::TensorProto::FLOAT);
  file.node("Mul", "", {"l", "scale"}, "logits");
  return file;
}

/// A function of the file that calls another, with an attribute of the call.
inline OnnxFile calling_network() {
  OnnxFile file({1, 1, 2});
  for (const auto& [name, inner, domain] : {std::tuple{"Bend", "LeakyRelu", ""}, std::tuple{"Outer", "Bend", "own"}}) {
    auto& f = *file.model.add_functions();
    f.set_name(name);
    f.set_domain("own");
    f.add_input("x");
    f.add_output("y");
    auto& node = *f.add_node();
    node.set_op_type(inner);
    node.set_domain(domain);
    node.add_input("x");
    node.add_output("y");
    auto& slope = *node.add_attribute();
    slope.set_name("alpha");
    slope.set_type(onnx::AttributeProto::FLOAT);
    slope.set_ref_attr_name("alpha");
  }
  file.node("Outer", "call", {"image"}, "a").real("alpha", 0.5F).proto().set_domain("own");
  file.node("Outer", "", {"a"}, "b").proto().set_domain("own");
  file.node("Flatten", "", {"b"}, "logits");
  return file;
}

/// As TensorFlow's exporters write it: channels last between the layers, padded and joined there.
inline OnnxFile channels_last_network() {
  OnnxFile file({2, 2, 3});
  const std::vector<std::int64_t> first = {0, 3, 1, 2}, last = {0, 2, 3, 1};
  file.constant("w", {2, 3, 1, 1}, {1, 2, 3, 4, 5, 6});
  file.constant("row", {2}, {0.5F, -0.5F});
  file.constant("v", {1, 4, 2, 2}, std::vector<float>(16, 0.25F));
  file.integers("pads", {0, 1, 0, 0, 0, 0, 1, 0});
  file.node("Transpose", "", {"image"}, "t").ints("perm", first);
  file.node("Conv", "", {"t", "w"}, "c").ints("kernel_shape", {1, 1});
  file.node("Transpose", "", {"c"}, "l").ints("perm", last);
  file.node("Add", "", {"l", "row"}, "a");
  file.node("Relu", "", {"a"}, "r");
  file.node("Concat", "", {"r", "a"}, "j").integer("axis", 3);
  file.node("Pad", "", {"j", "pads"}, "p");
  file.node("Transpose", "", {"p"}, "f").ints("perm", first);
  file.node("Conv", "", {"f", "v"}, "d").ints("kernel_shape", {2, 2});
  file.node("GlobalMaxPool", "", {"d"}, "g");
  file.node("Flatten", "", {"g"}, "logits");
  return file;
}

}  // namespace obscura::nn
