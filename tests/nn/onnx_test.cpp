// SPDX-License-Identifier: Apache-2.0
// What each ONNX operator becomes, and that it means the same.
#include "nn/onnx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nn/reference.h"
#include "tests/nn/graphs.h"
#include "tests/nn/onnx_file.h"

namespace obscura::nn {
namespace {

using Floats = std::vector<float>;
using testing::ElementsAre;

Graph read(const OnnxFile& file) {
  auto graph = read_onnx(file.bytes(), "test.onnx");
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  return graph.ok() ? std::move(graph).value() : Graph();
}

Floats run(const OnnxFile& file, const Floats& image) {
  const Graph graph = read(file);
  return graph.nodes.empty() ? Floats() : run_reference(graph, image, 1);
}

std::vector<Op> ops(const Graph& graph) {
  std::vector<Op> list;
  for (const Node& node : graph.nodes) list.push_back(node.op);
  return list;
}

TEST(ReadOnnx, KeepsNamesShapesAndAttributesOfAConvolution) {
  OnnxFile file({2, 5, 6});
  file.constant("w", {4, 1, 2, 3}, Floats(24, 1));
  file.constant("b", {4}, {1, 2, 3, 4});
  file.node("Conv", "first", {"image", "w", "b"}, "y")
      .ints("kernel_shape", {2, 3})
      .ints("strides", {2, 1})
      .ints("dilations", {1, 2})
      .ints("pads", {0, 1, 2, 3})
      .integer("group", 2);
  file.node("Flatten", "", {"y"}, "logits").integer("axis", 1);
  const Graph graph = read(file);
  ASSERT_EQ(graph.nodes.size(), 2);
  const Attributes& a = graph.nodes[0].attributes;
  EXPECT_EQ(graph.nodes[0].name, "first");
  EXPECT_EQ(graph.nodes[1].name, "Flatten_1") << "a node without a name gets one";
  EXPECT_THAT(a.kernel, ElementsAre(2, 3));
  EXPECT_THAT(a.strides, ElementsAre(2, 1));
  EXPECT_THAT(a.dilations, ElementsAre(1, 2));
  EXPECT_THAT(a.pads, ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(a.groups, 2);
  EXPECT_EQ(graph.values[graph.nodes[0].output].shape, (Shape{4, 3, 6}));
  EXPECT_EQ(graph.values[graph.input].shape, (Shape{2, 5, 6}));
  EXPECT_EQ(graph.values[graph.output].name, "logits");
}

TEST(ReadOnnx, AutoPadPutsTheOddRowBelowOrAbove) {
  for (const char* mode : {"SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"}) {
    OnnxFile file({1, 1, 5});
    file.constant("w", {1, 1, 1, 4}, {1, 10, 100, 1000});
    file.node("Conv", "", {"image", "w"}, "y").text("auto_pad", mode).ints("strides", {1, 2});
    file.node("Flatten", "", {"y"}, "logits");
    const Floats upper = {3210, 5432, 54};  // over 0 1 2 3 4 5 0 0: from 0, 2 and 4
    const Floats lower = {2100, 4321, 543};
    const Floats none = {4321};
    const std::string m = mode;
    EXPECT_EQ(run(file, {1, 2, 3, 4, 5}), m == "SAME_UPPER" ? upper : m == "SAME_LOWER" ? lower : none) << mode;
  }
}

TEST(ReadOnnx, PoolingOperators) {
  OnnxFile file({1, 4, 4});
  file.node("AveragePool", "", {"image"}, "p").ints("kernel_shape", {2, 2}).ints("strides", {2, 2});
  file.node("GlobalAveragePool", "", {"p"}, "g");
  file.node("Flatten", "", {"g"}, "logits").integer("axis", -3);
  const Graph graph = read(file);
  EXPECT_THAT(ops(graph), ElementsAre(Op::average_pool, Op::global_average_pool, Op::flatten));
  Floats image(16, 0);
  image[5] = 16;
  EXPECT_THAT(run_reference(graph, image, 1), ElementsAre(1));
}

TEST(ReadOnnx, BatchNormalizationKeepsItsEpsilon) {
  OnnxFile file({1, 1, 1});
  for (const char* name : {"scale", "bias", "mean"}) file.constant(name, {1}, {2});
  file.constant("variance", {1}, {3});
  file.node("BatchNormalization", "", {"image", "scale", "bias", "mean", "variance"}, "y")
      .real("epsilon", 1)
      .real("momentum", 0.9F);
  file.node("Flatten", "", {"y"}, "logits");
  EXPECT_THAT(run(file, {5}), ElementsAre(5));
}

TEST(ReadOnnx, GemmTakesABiasOfAnyShapeThatStretchesToARow) {
  for (const std::vector<std::int64_t>& shape : std::vector<std::vector<std::int64_t>>{{3}, {1, 3}, {1}, {}, {1, 1}}) {
    const bool row = !shape.empty() && shape.back() == 3;
    for (const bool transposed : {false, true}) {
      OnnxFile file({1, 1, 2});
      file.constant("w", transposed ? std::vector<std::int64_t>{3, 2} : std::vector<std::int64_t>{2, 3},
                    transposed ? Floats{1, 2, 3, 4, 5, 6} : Floats{1, 3, 5, 2, 4, 6});
      file.constant("b", shape, row ? Floats{5, 6, 7} : Floats{5});
      file.node("Flatten", "", {"image"}, "f");
      file.node("Gemm", "", {"f", "w", "b"}, "logits")
          .integer("transB", transposed ? 1 : 0)
          .real("alpha", 2)
          .real("beta", 3);
      const float step = row ? 3 : 0;
      EXPECT_THAT(run(file, {1, 10}), ElementsAre(2 * 21 + 15, 2 * 43 + 15 + step, 2 * 65 + 15 + 2 * step));
    }
  }
}

TEST(ReadOnnx, MatMulWithAConstantIsAGemm) {
  OnnxFile file({1, 1, 2});
  file.constant("w", {2, 2}, {1, 2, 3, 4});
  file.node("Flatten", "", {"image"}, "f");
  file.node("MatMul", "", {"f", "w"}, "logits");
  EXPECT_THAT(ops(read(file)), ElementsAre(Op::flatten, Op::gemm));
  EXPECT_THAT(run(file, {1, 10}), ElementsAre(31, 42));
}

TEST(ReadOnnx, ReshapeToOneRowIsAFlatten) {
  const std::vector<std::vector<std::int64_t>> shapes = {{0, -1}, {0, 4}, {-1, 4}};
  for (const auto& shape : shapes) {
    OnnxFile file({1, 2, 2});
    file.integers("shape", shape);
    file.node("Reshape", "", {"image", "shape"}, "logits");
    EXPECT_THAT(ops(read(file)), ElementsAre(Op::flatten));
    EXPECT_THAT(run(file, {4, 3, 2, 1}), ElementsAre(4, 3, 2, 1));
  }
}

TEST(ReadOnnx, AFixedBatchMayStandInAReshape) {
  OnnxFile file({1, 2, 2});
  file.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_value(
      8);
  file.integers("shape", {8, 4});
  file.node("Reshape", "", {"image", "shape"}, "logits");
  EXPECT_THAT(ops(read(file)), ElementsAre(Op::flatten));
}

TEST(ReadOnnx, SubtractionAndDivisionBecomeAddAndMul) {
  OnnxFile file({1, 1, 2});
  file.constant("two", {}, {2});
  file.constant("four", {1}, {4});
  file.node("Sub", "", {"image", "two"}, "a");  // x - 2
  file.node("Sub", "", {"four", "a"}, "b");     // 6 - x
  file.node("Sub", "", {"b", "image"}, "c");    // 6 - 2x
  file.node("Div", "", {"c", "four"}, "d");     // 1.5 - x/2
  file.node("Flatten", "", {"d"}, "logits");
  EXPECT_THAT(run(file, {1, 5}), ElementsAre(1, -1));
}

TEST(ReadOnnx, ConstantsComeFromNodesInitializersAndThroughIdentity) {
  OnnxFile file({1, 1, 2});
  file.constant("ten", {}, {10});
  file.node("Identity", "", {"ten"}, "same");
  file.node("Constant", "", {}, "three").real("value_float", 3);
  auto& list = file.node("Constant", "", {}, "list").add("value_floats", onnx::AttributeProto::FLOATS);
  list.add_floats(1);
  list.add_floats(2);
  auto& tensor = *file.node("Constant", "", {}, "tensor").add("value", onnx::AttributeProto::TENSOR).mutable_t();
  tensor.set_data_type(onnx::TensorProto::DOUBLE);
  tensor.add_dims(1);
  tensor.add_double_data(0.5);
  file.node("Mul", "", {"image", "same"}, "a");
  file.node("Pow", "", {"a", "three"}, "b");
  file.node("Add", "", {"b", "list"}, "c");
  file.node("Mul", "", {"c", "tensor"}, "d");
  file.node("Flatten", "", {"d"}, "logits");
  EXPECT_THAT(run(file, {1, 2}), ElementsAre(500.5F, 4001));
}

TEST(ReadOnnx, InitializersMayBeListedAsInputsAndSpeltAsFloats) {
  OnnxFile file({1, 1, 1});
  auto& tensor = file.constant("c", {1}, {});
  tensor.clear_raw_data();
  tensor.add_float_data(7);
  file.graph().add_input()->set_name("c");
  file.node("Add", "", {"image", "c"}, "y");
  file.node("Flatten", "", {"y"}, "logits");
  EXPECT_THAT(run(file, {1}), ElementsAre(8));
}

TEST(ReadOnnx, DropoutIsAnIdentity) {
  OnnxFile file({1, 1, 2});
  file.constant("ratio", {}, {0.5F});
  file.node("Dropout", "", {"image", "ratio"}, "y").proto().add_output("mask");
  file.node("Flatten", "", {"y"}, "logits");
  EXPECT_THAT(run(file, {1, 2}), ElementsAre(1, 2));
}

TEST(ReadOnnx, LeavesOutWhatTheOutputDoesNotDependOn) {
  OnnxFile file({1, 1, 2});
  file.constant("c", {}, {2});
  file.node("Mul", "dead", {"image", "c"}, "unused");
  file.node("Flatten", "alive", {"image"}, "logits");
  const Graph graph = read(file);
  ASSERT_EQ(graph.nodes.size(), 1);
  EXPECT_EQ(graph.nodes[0].name, "alive");
  EXPECT_EQ(graph.values.size(), 2);
}

TEST(ReadOnnx, NodesThatShareANameGetDifferentOnes) {
  OnnxFile file({1, 1, 2});
  file.node("Identity", "same", {"image"}, "y");
  file.node("Flatten", "same", {"y"}, "logits");
  const Graph graph = read(file);
  ASSERT_EQ(graph.nodes.size(), 2);
  EXPECT_NE(graph.nodes[0].name, graph.nodes[1].name);
}

/// Every operator and every attribute away from its default.
Graph everything() {
  Builder b({2, 6, 6});
  const ValueId conv =
      b.node(Op::conv, {0, b.constant({4, 1, 3, 2}, Floats(24, 0.5F)), b.constant({4}, {1, 2, 3, 4})},
             {.kernel = {3, 2}, .strides = {1, 2}, .dilations = {2, 1}, .pads = {1, 0, 2, 1}, .groups = 2});
  const ValueId c = b.constant({4}, {1, 2, 3, 4});
  const ValueId norm = b.node(Op::batch_normalization, {conv, c, c, c, c}, {.epsilon = 0.125F});
  const ValueId pool = b.node(Op::average_pool, {norm},
                              {.kernel = {2, 2}, .strides = {1, 2}, .pads = {0, 1, 1, 0}, .count_include_pad = true});
  const ValueId power = b.node(Op::pow, {pool, b.constant({}, {2})});
  const ValueId product = b.node(Op::mul, {power, b.constant({1, 4, 1, 1}, {0.25F, 0.5F, 0.75F, 1})});
  const ValueId mean = b.node(Op::global_average_pool, {b.node(Op::add, {product, pool})});
  const ValueId flat = b.node(Op::identity, {b.node(Op::flatten, {mean})});
  b.node(Op::gemm, {flat, b.constant({3, 4}, Floats(12, 0.1F)), b.constant({3}, {1, 2, 3})},
         {.transpose_b = true, .alpha = 0.5F, .beta = 2});
  EXPECT_TRUE(infer_shapes(b.graph()).ok());
  return b.graph();
}

TEST(WriteOnnx, IsReadBackAsTheSameNetwork) {
  const Graph graph = everything();
  const auto again = read_onnx(write_onnx(graph), "again");
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(describe(*again), describe(graph));
  Floats image(72);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i % 7) - 3;
  EXPECT_EQ(run_reference(*again, image, 1), run_reference(graph, image, 1));
}

TEST(WriteOnnx, SaysWhatARuntimeNeedsToKnow) {
  onnx::ModelProto model;
  const base::Bytes bytes = write_onnx(everything());
  ASSERT_TRUE(model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  EXPECT_EQ(model.ir_version(), 7);
  ASSERT_EQ(model.opset_import_size(), 1);
  EXPECT_EQ(model.opset_import(0).version(), 13);
  ASSERT_EQ(model.graph().input_size(), 1);
  const auto& shape = model.graph().input(0).type().tensor_type().shape();
  ASSERT_EQ(shape.dim_size(), 4);
  EXPECT_EQ(shape.dim(0).dim_param(), "N");
  EXPECT_EQ(shape.dim(1).dim_value(), 2);
  EXPECT_FALSE(model.graph().name().empty());
}

TEST(WriteOnnx, RefusesTwoValuesOfOneName) {
  Graph graph = everything();
  graph.values[1].name = graph.values[2].name;
  EXPECT_THROW(write_onnx(graph), ContractError);
}

}  // namespace
}  // namespace obscura::nn
