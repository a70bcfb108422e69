// SPDX-License-Identifier: Apache-2.0
// Functions of elements, those that networks spell in several nodes, and what networks end with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "nn/reference.h"
#include "tests/nn/graphs.h"
#include "tests/nn/read_and_run.h"

namespace obscura::nn {
namespace {

using Floats = std::vector<float>;
using Kind = approx::Function::Kind;
using testing::ElementsAre;
using testing::FloatNear;

/// A file whose last value "y" is flattened.
OnnxFile flattened(OnnxFile file) {
  file.node("Flatten", "", {"y"}, "logits");
  return file;
}

/// The kinds of the functions of a graph whose other nodes are reshapes.
std::vector<Kind> functions_only(const Graph& graph) {
  std::vector<Kind> kinds;
  for (const Node& node : graph.nodes) {
    if (node.op == Op::reshape) continue;
    EXPECT_EQ(node.op, Op::function) << describe(graph);
    kinds.push_back(node.attributes.function.kind);
  }
  return kinds;
}

TEST(ReadOnnx, FunctionsWithTheirAttributes) {
  OnnxFile file({1, 1, 3});
  file.node("Elu", "", {"image"}, "a").real("alpha", 2);             // -2 -> 2 (e^-2 - 1)
  file.node("ThresholdedRelu", "", {"a"}, "b").real("alpha", 0.5F);  // 0.25 -> 0
  file.node("HardSwish", "", {"b"}, "y");                            // 4 -> 4
  EXPECT_THAT(run(flattened(file), {-2, 0.25F, 4}), ElementsAre(0, 0, 4));
  OnnxFile sigmoid({1, 1, 3});
  sigmoid.node("HardSigmoid", "", {"image"}, "y").real("alpha", 0.5F).real("beta", 0.25F);
  EXPECT_THAT(run(flattened(sigmoid), {-2, 0.5F, 4}), ElementsAre(0, 0.5F, 1));
}

TEST(ReadOnnx, ClipHasItsBoundsAsAttributesOrAsInputs) {
  OnnxFile attributes({1, 1, 3});
  attributes.model.mutable_opset_import(0)->set_version(7);
  attributes.node("Clip", "", {"image"}, "y").real("min", -1).real("max", 2);
  EXPECT_THAT(run(flattened(attributes), {-3, 0.5F, 3}), ElementsAre(-1, 0.5F, 2));
  OnnxFile inputs({1, 1, 3});
  inputs.constant("high", {}, {2});
  inputs.node("Clip", "", {"image", "", "high"}, "y");
  EXPECT_THAT(run(flattened(inputs), {-3, 0.5F, 3}), ElementsAre(-3, 0.5F, 2));
  OnnxFile relu({1, 1, 3});
  relu.constant("zero", {}, {0});
  relu.node("Clip", "", {"image", "zero"}, "y");
  EXPECT_THAT(functions_only(read(flattened(relu))), ElementsAre(Kind::relu));
}

TEST(ReadOnnx, PRelusOfManySlopesBendEachChannelByItsOwn) {
  OnnxFile file({2, 1, 2});
  file.constant("slope", {2, 1, 1}, {0.5F, -1});
  file.node("PRelu", "", {"image", "slope"}, "y");
  EXPECT_THAT(run(flattened(file), {-2, 2, -3, 3}), ElementsAre(-1, 2, 3, 3));
}

TEST(ReadOnnx, ProductsWithASigmoidOrTanhAreOneFunction) {
  OnnxFile file({1, 1, 2});
  file.node("Sigmoid", "", {"image"}, "s");
  file.node("Mul", "silu", {"s", "image"}, "a");
  file.node("Softplus", "", {"a"}, "p");
  file.node("Tanh", "", {"p"}, "t");
  file.node("Mul", "mish", {"a", "t"}, "b");
  file.node("Sigmoid", "", {"b"}, "kept");
  file.node("Mul", "", {"b", "kept"}, "c");
  file.node("Add", "", {"c", "kept"}, "y");
  const Graph graph = read(flattened(file));
  // The last product is a SiLU too, beside the sigmoid that the sum reads.
  EXPECT_THAT(ops(graph), ElementsAre(Op::function, Op::function, Op::function, Op::function, Op::add, Op::reshape));
  EXPECT_EQ(graph.nodes[0].name, "silu");
  EXPECT_EQ(graph.nodes[0].attributes.function.kind, Kind::swish);
  EXPECT_EQ(graph.nodes[1].name, "mish");
  EXPECT_EQ(graph.nodes[1].attributes.function.kind, Kind::mish);
  EXPECT_EQ(graph.nodes[2].attributes.function.kind, Kind::sigmoid);
}

TEST(ReadOnnx, AReshapeBeforeAProductWithASigmoidDoesNotHideTheSilu) {
  OnnxFile file({2, 2, 2});
  file.integers("rows", {0, 2, -1});
  file.integers("picture", {0, 2, 2, 2});
  file.node("Reshape", "", {"image", "rows"}, "r");
  file.node("Softmax", "", {"r"}, "n").integer("axis", -1);
  file.node("Reshape", "", {"n", "picture"}, "x");
  file.node("Sigmoid", "", {"x"}, "s");
  file.node("Mul", "", {"x", "s"}, "y");
  const Graph graph = read(flattened(file));
  EXPECT_THAT(ops(graph), testing::Contains(Op::function).Times(1));
  EXPECT_THAT(ops(graph), testing::Not(testing::Contains(Op::mul)));
}

/// f of (scalar, scalar) in some order of the inputs: "Div image root -> d", one node a line.
OnnxFile spelt(const std::vector<std::pair<const char*, float>>& constants, const std::vector<std::string>& lines) {
  OnnxFile file({1, 1, 5});
  for (const auto& [name, value] : constants) file.constant(name, {}, {value});
  for (const std::string& line : lines) {
    std::vector<std::string> words;
    std::istringstream stream(line);
    for (std::string word; stream >> word;) words.push_back(word);
    file.node(words[0].c_str(), "", {words.begin() + 1, words.end() - 1}, words.back().c_str());
  }
  return flattened(file);
}

TEST(ReadOnnx, GelusAreRecognisedWhateverTheOrderOfTheirFactors) {
  const float root = std::sqrt(2.0F);
  const std::vector<std::pair<const char*, float>> erf = {
      {"root", root}, {"inverse", 1 / root}, {"one", 1}, {"half", 0.5F}};
  for (const auto& lines : std::vector<std::vector<std::string>>{
           {"Div image root d", "Erf d e", "Add e one a", "Mul image a m", "Mul m half y"},
           {"Mul inverse image d", "Erf d e", "Add one e a", "Mul half image m", "Mul a m y"},
           {"Mul image inverse d", "Erf d e", "Mul e half b", "Add b half a", "Mul a image y"},
           {"Mul image half h", "Div image root d", "Erf d e", "Add e one a", "Mul h a y"}}) {
    const Graph graph = read(spelt(erf, lines));
    EXPECT_THAT(functions_only(graph), ElementsAre(Kind::gelu)) << lines[0];
    EXPECT_EQ(graph.nodes[0].inputs[0], graph.input);
  }
  const std::vector<std::pair<const char*, float>> tanh = {
      {"root", std::sqrt(2 / 3.14159265F)}, {"cubic", 0.044715F}, {"one", 1}, {"half", 0.5F}, {"three", 3}};
  for (const auto& lines : std::vector<std::vector<std::string>>{
           {"Pow image three p", "Mul p cubic c", "Add image c i", "Mul i root r", "Tanh r t", "Add t one a",
            "Mul image a m", "Mul m half y"},
           {"Mul image image q", "Mul q image p", "Mul cubic p c", "Add c image i", "Mul root i r", "Tanh r t",
            "Add one t a", "Mul half a h", "Mul h image y"},
           {"Mul image image q", "Mul q cubic k", "Add k one o", "Mul image root s", "Mul s o r", "Tanh r t",
            "Add t one a", "Mul image half h", "Mul h a y"}}) {
    EXPECT_THAT(functions_only(read(spelt(tanh, lines))), ElementsAre(Kind::gelu_tanh)) << lines[0];
  }
}

TEST(ReadOnnx, OtherSpelledFunctionsAreRecognised) {
  const Graph quick = read(spelt({{"beta", 1.702F}}, {"Mul image beta b", "Sigmoid b s", "Mul image s y"}));
  EXPECT_THAT(functions_only(quick), ElementsAre(Kind::swish));
  EXPECT_NEAR(quick.nodes[0].attributes.function.beta, 1.702, 1e-6);
  EXPECT_THAT(functions_only(read(spelt({{"three", 3}, {"zero", 0}, {"six", 6}},
                                        {"Add image three a", "Clip a zero six c", "Mul image c m", "Div m six y"}))),
              ElementsAre(Kind::hard_swish));
  OnnxFile sigmoid({1, 1, 5});
  sigmoid.node("HardSigmoid", "", {"image"}, "h").real("alpha", 1.0F / 6).real("beta", 0.5F);
  sigmoid.node("Mul", "", {"h", "image"}, "y");
  EXPECT_THAT(functions_only(read(flattened(sigmoid))), ElementsAre(Kind::hard_swish));
}

TEST(ReadOnnx, WhatOnlyLooksLikeAFunctionStaysWhatItIs) {
  // x sigmoid(x + 1) is no SiLU.
  const OnnxFile file = spelt({{"one", 1}}, {"Add image one a", "Sigmoid a s", "Mul image s y"});
  EXPECT_THAT(ops(read(file)), ElementsAre(Op::add, Op::function, Op::mul, Op::reshape));
}

TEST(ReadOnnx, WhatGivesTheAnswerFromTheLogitsIsTheEnding) {
  for (const auto& [op, ending] :
       {std::pair{"Softmax", Ending::softmax}, {"LogSoftmax", Ending::log_softmax}, {"Sigmoid", Ending::sigmoid}}) {
    OnnxFile file({1, 1, 3});
    file.node("Flatten", "", {"image"}, "f");
    file.node(op, "", {"f"}, "logits");
    const Graph graph = read(file);
    EXPECT_EQ(graph.ending, ending) << op;
    EXPECT_EQ(graph.values[graph.output].name, "logits");
    EXPECT_THAT(run_reference(graph, Floats{5, 7, -1}, 1), ElementsAre(5, 7, -1)) << op;
  }
  OnnxFile log({1, 1, 3});
  log.node("Flatten", "", {"image"}, "f");
  log.node("Softmax", "", {"f"}, "s");
  log.node("Log", "", {"s"}, "logits");
  EXPECT_EQ(read(log).ending, Ending::log_softmax);
  OnnxFile none({1, 1, 3});
  none.node("Flatten", "", {"image"}, "logits");
  EXPECT_EQ(read(none).ending, Ending::none);
}

TEST(ReadOnnx, AnArgMaxIsAnEndingWhateverFollowsOfShapeAndType) {
  for (const bool dropped : {false, true}) {
    OnnxFile file({1, 1, 3});
    file.node("Flatten", "", {"image"}, "f");
    file.node("Softmax", "", {"f"}, "s");
    file.node("ArgMax", "", {"s"}, "a").integer("axis", 1).integer("keepdims", dropped ? 1 : 0);
    file.integers("axes", {1});
    file.node(dropped ? "Squeeze" : "Identity", "",
              dropped ? std::vector<std::string>{"a", "axes"} : std::vector<std::string>{"a"}, "q");
    file.node("Cast", "", {"q"}, "logits").integer("to", onnx::TensorProto::INT32);
    const Graph graph = read(file);
    EXPECT_EQ(graph.ending, Ending::argmax);
    EXPECT_THAT(run_reference(graph, Floats{5, 7, -1}, 1), ElementsAre(5, 7, -1));
  }
}

TEST(ReadOnnx, ASoftmaxInsideTheNetworkIsComputed) {
  OnnxFile file({1, 1, 2});
  file.node("Flatten", "", {"image"}, "f");
  file.node("Softmax", "attention", {"f"}, "s");
  file.node("Mul", "", {"s", "f"}, "logits");
  EXPECT_THAT(ops(read(file)), ElementsAre(Op::reshape, Op::softmax, Op::mul));
  const float e = std::exp(1.0F);
  EXPECT_THAT(run(file, {1, 2}), ElementsAre(FloatNear(1 / (1 + e), 1e-6F), FloatNear(2 * e / (1 + e), 1e-6F)));
  // Before operator set 13 a softmax was over all axes from its own on.
  OnnxFile old({2, 1, 2});
  old.model.mutable_opset_import(0)->set_version(9);
  old.node("Softmax", "", {"image"}, "s").integer("axis", 2);
  old.node("Add", "", {"s", "s"}, "y");
  EXPECT_THAT(run(flattened(old), {0, 0, 3, 3}), ElementsAre(1, 1, 1, 1));
}

TEST(ReadOnnx, SoftmaxesSpeltInExponentialsAreEndingsToo) {
  for (const bool shifted : {false, true}) {
    for (const bool log : {false, true}) {
      OnnxFile file({1, 1, 3});
      file.integers("axis", {1});
      file.node("Flatten", "", {"image"}, "f");
      if (shifted) file.node("ReduceMax", "", {"f"}, "m").ints("axes", {1});
      if (shifted) file.node("Sub", "", {"f", "m"}, "z");
      const char* z = shifted ? "z" : "f";
      file.node("Exp", "", {z}, "e");
      file.node("ReduceSum", "", {"e", "axis"}, "sum");
      if (log) file.node("Log", "", {"sum"}, "l");
      file.node(log ? "Sub" : "Div", "", {log ? z : "e", log ? "l" : "sum"}, "logits");
      const Graph graph = read(file);
      EXPECT_EQ(graph.ending, log ? Ending::log_softmax : Ending::softmax);
      EXPECT_THAT(run_reference(graph, Floats{5, 7, -1}, 1), ElementsAre(5, 7, -1));
    }
  }
}

TEST(ReadOnnx, ASumOverAnotherAxisIsNoSoftmax) {
  // e^x / sum over the first axis of two, where the last has two elements as well.
  OnnxFile file({2, 2, 1});
  file.integers("axis", {1});
  file.node("Exp", "", {"image"}, "e");
  file.node("ReduceSum", "", {"e", "axis"}, "sum");
  file.node("Div", "", {"e", "sum"}, "y");
  const Floats out = run(flattened(file), {0, 0, std::log(3.0F), 0});
  EXPECT_THAT(out, ElementsAre(FloatNear(0.25F, 1e-6F), FloatNear(0.5F, 1e-6F), FloatNear(0.75F, 1e-6F),
                               FloatNear(0.5F, 1e-6F)));
}

TEST(ReadOnnx, DivisionByValuesIsAProductWithTheReciprocal) {
  OnnxFile file({1, 1, 2});
  file.constant("six", {}, {6});
  file.node("Div", "", {"six", "image"}, "y");
  EXPECT_THAT(run(flattened(file), {2, -3}), ElementsAre(3, -2));
  OnnxFile both({1, 1, 2});
  both.node("ReduceSum", "", {"image"}, "s");
  both.node("Div", "", {"image", "s"}, "y");
  EXPECT_THAT(run(flattened(both), {1, 3}), ElementsAre(0.25F, 0.75F));
}

}  // namespace
}  // namespace obscura::nn
