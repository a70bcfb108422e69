// SPDX-License-Identifier: Apache-2.0
// What each ONNX operator becomes, and that it means the same.
#include "nn/onnx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "nn/reference.h"
#include "tests/nn/graphs.h"
#include "tests/nn/read_and_run.h"

namespace obscura::nn {
namespace {

using Floats = std::vector<float>;
using Kind = approx::Function::Kind;
using testing::ElementsAre;

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
  EXPECT_EQ(graph.nodes[1].op, Op::reshape);
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
  EXPECT_THAT(ops(graph), ElementsAre(Op::average_pool, Op::global_average_pool, Op::reshape));
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
  EXPECT_THAT(ops(read(file)), ElementsAre(Op::reshape, Op::gemm));
  EXPECT_THAT(run(file, {1, 10}), ElementsAre(31, 42));
}

TEST(ReadOnnx, EveryWayToSayOneRowIsTheSameReshape) {
  const std::vector<std::vector<std::int64_t>> shapes = {{0, -1}, {0, 4}, {-1, 4}, {1, 4}, {1, -1}, {4}, {-1}};
  for (const auto& shape : shapes) {
    OnnxFile file({1, 2, 2});
    file.integers("shape", shape);
    file.node("Reshape", "", {"image", "shape"}, "logits");
    EXPECT_THAT(ops(read(file)), ElementsAre(Op::reshape));
    EXPECT_THAT(run(file, {4, 3, 2, 1}), ElementsAre(4, 3, 2, 1));
  }
}

TEST(ReadOnnx, AFixedBatchMayStandInAReshape) {
  OnnxFile file({1, 2, 2});
  file.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_value(
      8);
  file.integers("shape", {8, 4});
  file.node("Reshape", "", {"image", "shape"}, "logits");
  EXPECT_THAT(ops(read(file)), ElementsAre(Op::reshape));
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
  file.node("Loop", "unknown", {"unused"}, "unused_too");
  file.node("Relu", "alive", {"image"}, "y");
  file.node("Flatten", "", {"y"}, "logits");
  const Graph graph = read(file);
  ASSERT_EQ(graph.nodes.size(), 2);
  EXPECT_EQ(graph.nodes[0].name, "alive");
  EXPECT_EQ(graph.values.size(), 3);
}

TEST(ReadOnnx, NodesThatShareANameGetDifferentOnesAndThoseWithoutGetOne) {
  OnnxFile file({1, 1, 2});
  file.node("Relu", "same", {"image"}, "a");
  file.node("Tanh", "same", {"a"}, "b");
  file.node("Exp", "", {"b"}, "c");
  file.node("Flatten", "", {"c"}, "logits");
  const Graph graph = read(file);
  ASSERT_EQ(graph.nodes.size(), 4);
  EXPECT_EQ(graph.nodes[0].name, "same");
  EXPECT_EQ(graph.nodes[1].name, "same_");
  EXPECT_EQ(graph.nodes[2].name, "Exp_2");
}

TEST(ReadOnnx, SinglePiecesOfActivationsAndPooling) {
  OnnxFile file({1, 2, 2});
  file.node("Relu", "", {"image"}, "a");
  file.node("LeakyRelu", "", {"a"}, "b");
  file.node("LRN", "", {"b"}, "h").integer("size", 3);
  file.node("GlobalMaxPool", "", {"h"}, "i");
  file.node("Flatten", "", {"i"}, "logits");
  const Graph graph = read(file);
  EXPECT_THAT(ops(graph), ElementsAre(Op::function, Op::function, Op::lrn, Op::max_pool, Op::reshape));
  EXPECT_EQ(graph.nodes[0].attributes.function, approx::default_of(Kind::relu));
  EXPECT_EQ(graph.nodes[1].attributes.function.alpha, 0.01F);
  EXPECT_EQ(graph.nodes[2].attributes.alpha, 1e-4F);
  EXPECT_EQ(graph.nodes[2].attributes.beta, 0.75F);
  EXPECT_THAT(graph.nodes[3].attributes.kernel, ElementsAre(2, 2));
}

TEST(ReadOnnx, PRelusOfOneSlopeAreLeaky) {
  OnnxFile file({2, 1, 1});
  file.constant("slope", {2, 1, 1}, {0.5F, 0.5F});
  file.node("PRelu", "", {"image", "slope"}, "y");
  file.node("Flatten", "", {"y"}, "logits");
  EXPECT_THAT(run(file, {-2, 2}), ElementsAre(-1, 2));
}

TEST(ReadOnnx, CeilModePoolsReachOverTheEnd) {
  const auto pooled = [](const char* op, std::int64_t ceiling, std::int64_t width, const Floats& image) {
    OnnxFile file({1, 1, width});
    file.node(op, "", {"image"}, "y")
        .ints("kernel_shape", {1, 3})
        .ints("strides", {1, 2})
        .ints("pads", {0, 1, 0, 1})
        .integer("ceil_mode", ceiling);
    file.node("Flatten", "", {"y"}, "logits");
    return run(file, image);
  };
  const Floats four = {1, 2, 3, 8};  // between one zero on either side: windows - 1 2 | 2 3 8 | 8 - and no more
  EXPECT_THAT(pooled("MaxPool", 0, 4, four), ElementsAre(2, 8));
  EXPECT_THAT(pooled("MaxPool", 1, 4, four), ElementsAre(2, 8, 8));
  EXPECT_THAT(pooled("AveragePool", 1, 4, four), ElementsAre(1.5F, 13.0F / 3, 8)) << "only what is there counts";
  // A window that would start in the padding after does not count: of one pixel and a stride of 2, only the first.
  EXPECT_THAT(pooled("MaxPool", 1, 1, {5}), ElementsAre(5));
}

TEST(ReadOnnx, AMeanOverHeightAndWidthIsAGlobalAveragePool) {
  for (const bool as_input : {false, true}) {
    for (const std::int64_t keep : {0, 1}) {
      OnnxFile file({2, 1, 2});
      file.integers("axes", {-1, 2});
      auto node =
          file.node("ReduceMean", "",
                    as_input ? std::vector<std::string>{"image", "axes"} : std::vector<std::string>{"image"}, "y");
      node.integer("keepdims", keep);
      if (!as_input) node.ints("axes", {2, 3});
      file.node("Identity", "", {"y"}, "logits");
      EXPECT_THAT(run(file, {1, 3, 10, 20}), ElementsAre(2, 15));
    }
  }
}

TEST(ReadOnnx, SlicesCountFromEitherEndAndPastIt) {
  OnnxFile file({4, 1, 4});
  file.integers("starts", {0, 1, -3});
  file.integers("ends", {std::numeric_limits<std::int64_t>::max(), -1, 100});
  file.integers("axes", {0, 1, -1});
  file.integers("steps", {1, 1, 2});
  file.node("Slice", "", {"image", "starts", "ends", "axes", "steps"}, "y");
  file.node("Flatten", "", {"y"}, "logits");
  Floats image(16);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i);
  EXPECT_THAT(run(file, image), ElementsAre(5, 7, 9, 11));
}

TEST(ReadOnnx, PadsComeAsAnInputOrAsAnAttribute) {
  for (const bool attribute : {false, true}) {
    OnnxFile file({1, 1, 1});
    const std::vector<std::int64_t> pads = {0, 1, 0, 0, 0, 0, 0, 2};
    file.integers("pads", pads);
    auto node = file.node(
        "Pad", "", attribute ? std::vector<std::string>{"image"} : std::vector<std::string>{"image", "pads", ""}, "y");
    node.text("mode", "constant");
    if (attribute) node.ints("pads", pads).real("value", 0);
    file.node("Flatten", "", {"y"}, "logits");
    EXPECT_THAT(run(file, {7}), ElementsAre(0, 0, 0, 7, 0, 0));
  }
}

TEST(ReadOnnx, PadsOfGivenAxes) {
  OnnxFile file({1, 1, 1});
  file.integers("pads", {2, 1, 0, 0});
  file.constant("zero", {}, {0});
  file.integers("axes", {3, -3});
  file.node("Pad", "", {"image", "pads", "zero", "axes"}, "y");
  file.node("Flatten", "", {"y"}, "logits");
  EXPECT_THAT(run(file, {7}), ElementsAre(0, 0, 0, 0, 0, 7));
}

TEST(ReadOnnx, AxesOfOneElementAreDropped) {
  OnnxFile file({2, 1, 2});
  file.node("GlobalAveragePool", "", {"image"}, "p");
  file.integers("axes", {-1, 2});
  file.node("Squeeze", "", {"p", "axes"}, "logits");
  EXPECT_THAT(ops(read(file)), ElementsAre(Op::global_average_pool, Op::reshape));
}

TEST(ReadOnnx, SumsOfManyValuesAndNegatives) {
  OnnxFile file({1, 1, 2});
  file.node("Neg", "", {"image"}, "n");
  file.node("Mul", "", {"image", "image"}, "s");
  file.node("Sum", "", {"s", "n", "s"}, "y");
  file.node("Cast", "", {"y"}, "z").integer("to", onnx::TensorProto::FLOAT);
  file.node("Flatten", "", {"z"}, "logits");
  EXPECT_THAT(run(file, {1, 3}), ElementsAre(1, 15));
}

}  // namespace
}  // namespace obscura::nn
