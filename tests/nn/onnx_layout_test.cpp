// SPDX-License-Identifier: Apache-2.0
// Networks with channels last, transpositions that cancel, permutations that go into weights, and moves of elements.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "nn/reference.h"
#include "tests/nn/graphs.h"
#include "tests/nn/read_and_run.h"
#include "tests/nn/seed_networks.h"

namespace obscura::nn {
namespace {

using Floats = std::vector<float>;
using testing::ElementsAre;

std::ptrdiff_t count(const Graph& graph, Op op) {
  return std::count_if(graph.nodes.begin(), graph.nodes.end(), [op](const Node& node) { return node.op == op; });
}

const std::vector<std::int64_t> kFirst = {0, 3, 1, 2};
const std::vector<std::int64_t> kLast = {0, 2, 3, 1};

Floats counting(std::size_t size) {
  Floats numbers(size);
  for (std::size_t i = 0; i < size; ++i) numbers[i] = static_cast<float>(i);
  return numbers;
}

TEST(OnnxLayout, NoTransposeIsLeftOfANetworkWithChannelsLast) {
  const Graph graph = read(channels_last_network());
  EXPECT_EQ(count(graph, Op::transpose), 0) << describe(graph);
  EXPECT_EQ(graph.values[graph.input].shape, (Shape{3, 2, 2}));
  // Of the first pixel (0, 4, 8): 0 + 8 + 24 and 0 + 20 + 48, half added and taken; all but the padding are above 0.
  // The window with all four pixels has sums of channels 40, 46, 52, 58 and 58, 73, 88, 103 before that, each twice.
  const Floats out = run_reference(graph, Floats{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 1);
  ASSERT_EQ(out.size(), 1U);
  float sum = 0;
  for (int p = 0; p < 4; ++p) {
    const float x = static_cast<float>(p), y = x + 4, z = x + 8;
    sum += x + 2 * y + 3 * z + 0.5F + 4 * x + 5 * y + 6 * z - 0.5F;
  }
  EXPECT_FLOAT_EQ(out[0], 0.25F * 2 * sum);
}

TEST(OnnxLayout, TransposesCancelThroughWhatWorksAxisByAxis) {
  const auto between = [](const std::function<void(OnnxFile&)>& middle) {
    OnnxFile file({3, 4, 5});
    file.node("Relu", "", {"image"}, "in");
    file.node("Transpose", "", {"in"}, "x").ints("perm", kLast);
    middle(file);
    file.node("Transpose", "", {"y"}, "z").ints("perm", kFirst);
    file.node("GlobalMaxPool", "", {"z"}, "m");
    file.node("Flatten", "", {"m"}, "logits");
    return read(file);
  };
  EXPECT_EQ(count(between([](OnnxFile& f) { f.node("Tanh", "", {"x"}, "y"); }), Op::transpose), 0);
  EXPECT_EQ(count(between([](OnnxFile& f) { f.node("Mul", "", {"x", "x"}, "y"); }), Op::transpose), 0);
  EXPECT_EQ(count(between([](OnnxFile& f) {
                    f.node("Concat", "", {"x", "x"}, "y").integer("axis", 2);
                  }),
                  Op::transpose),
            0);
  EXPECT_EQ(count(between([](OnnxFile& f) {
                    f.constant("channel", {3}, {1, 2, 3});
                    f.node("Add", "", {"x", "channel"}, "y");
                  }),
                  Op::transpose),
            0);
  EXPECT_EQ(count(between([](OnnxFile& f) {
                    f.integers("pads", {0, 1, 2, 0, 0, 0, 0, 3});
                    f.node("Pad", "", {"x", "pads"}, "y");
                  }),
                  Op::transpose),
            0);
  EXPECT_EQ(count(between([](OnnxFile& f) {
                    for (const auto& [name, number] : {std::pair{"from", 1}, {"to", 3}, {"axis", 2}})
                      f.integers(name, {number});
                    f.node("Slice", "", {"x", "from", "to", "axis"}, "y");
                  }),
                  Op::transpose),
            0);
}

TEST(OnnxLayout, AShuffleOfChannelsGoesIntoTheNextConvolution) {
  OnnxFile file({4, 1, 2});
  file.integers("apart", {0, 2, 2, 1, 2});
  file.integers("whole", {0, 4, 1, 2});
  file.constant("w", {1, 4, 1, 1}, {1, 10, 100, 1000});
  file.node("Relu", "", {"image"}, "a");
  file.node("Reshape", "", {"a", "apart"}, "b");
  file.node("Transpose", "", {"b"}, "c").ints("perm", {0, 2, 1, 3, 4});
  file.node("Reshape", "", {"c", "whole"}, "d");
  file.node("Conv", "", {"d", "w"}, "e");
  file.node("Flatten", "", {"e"}, "logits");
  const Graph graph = read(file);
  EXPECT_THAT(ops(graph), ElementsAre(Op::function, Op::conv, Op::reshape));
  // Channels 0 2 1 3 meet 1 10 100 1000.
  EXPECT_THAT(run_reference(graph, counting(8), 1), ElementsAre(0 + 40 + 200 + 6000, 1 + 50 + 300 + 7000));
}

TEST(OnnxLayout, ATransposeBeforeADenseLayerGoesIntoItsWeight) {
  OnnxFile file({2, 1, 2});
  file.constant("w", {4, 1}, {1, 10, 100, 1000});
  file.integers("row", {0, -1});
  file.node("Relu", "", {"image"}, "a");
  file.node("Transpose", "", {"a"}, "t").ints("perm", kLast);
  file.node("Reshape", "", {"t", "row"}, "r");
  file.node("MatMul", "", {"r", "w"}, "logits");
  const Graph graph = read(file);
  EXPECT_EQ(count(graph, Op::transpose), 0);
  EXPECT_THAT(run_reference(graph, Floats{1, 2, 3, 4}, 1), ElementsAre(1 + 30 + 200 + 4000));
}

TEST(OnnxLayout, ATransposeThatStaysMovesItsElements) {
  OnnxFile file({2, 1, 2});
  file.node("Transpose", "t", {"image"}, "y").ints("perm", kLast);
  file.node("Flatten", "", {"y"}, "logits");
  EXPECT_THAT(run(file, {1, 2, 3, 4}), ElementsAre(1, 3, 2, 4));
}

Floats moved(const char* op, const std::vector<std::pair<const char*, std::vector<std::int64_t>>>& lists,
             const std::function<void(OnnxNode&)>& finish = {}) {
  OnnxFile file({1, 2, 3});
  std::vector<std::string> inputs = {"image"};
  for (const auto& [name, list] : lists) {
    file.integers(name, list);
    inputs.emplace_back(name);
  }
  OnnxNode node = file.node(op, "", inputs, "y");
  if (finish) finish(node);
  file.node("Flatten", "", {"y"}, "logits");
  return run(file, {1, 2, 3, 4, 5, 6});
}

TEST(OnnxMoves, SlicesGoBackwards) {
  EXPECT_THAT(moved("Slice", {{"s", {-1}}, {"e", {-100}}, {"a", {3}}, {"t", {-1}}}), ElementsAre(3, 2, 1, 6, 5, 4));
  EXPECT_THAT(moved("Slice", {{"s", {2, 1}}, {"e", {-100, -100}}, {"a", {3, 2}}, {"t", {-2, -1}}}),
              ElementsAre(6, 4, 3, 1));
}

TEST(OnnxMoves, PadsMirrorRepeatOrFill) {
  const std::vector<std::int64_t> sides = {0, 0, 0, 2, 0, 0, 0, 1};
  const auto mode = [](const char* text) { return [text](OnnxNode& n) { n.text("mode", text); }; };
  EXPECT_THAT(moved("Pad", {{"p", sides}}, mode("reflect")), ElementsAre(3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5));
  EXPECT_THAT(moved("Pad", {{"p", sides}}, mode("edge")), ElementsAre(1, 1, 1, 2, 3, 3, 4, 4, 4, 5, 6, 6));
  EXPECT_THAT(moved("Pad", {{"p", sides}}, mode("wrap")), ElementsAre(2, 3, 1, 2, 3, 1, 5, 6, 4, 5, 6, 4));
  EXPECT_THAT(moved("Pad", {{"p", {0, 0, 0, -1, 0, 0, -1, 0}}}), ElementsAre(2, 3));
  EXPECT_THAT(moved("Pad", {{"p", {0, 0, -1, 1, 0, 0, 0, -1}}}), ElementsAre(0, 4, 5)) << "some sides are taken from";
}

TEST(OnnxMoves, GathersTilesAndExpandsRepeat) {
  const auto axis = [](std::int64_t a) { return [a](OnnxNode& n) { n.integer("axis", a); }; };
  EXPECT_THAT(moved("Gather", {{"i", {-1, 0}}}, axis(3)), ElementsAre(3, 1, 6, 4));
  EXPECT_THAT(moved("Tile", {{"r", {1, 1, 1, 2}}}), ElementsAre(1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6));
  EXPECT_THAT(moved("Expand", {{"r", {2, 2, 3}}}), ElementsAre(1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6));
}

TEST(OnnxMoves, JoinAlongAnyAxisAndWithConstants) {
  OnnxFile file({1, 2, 1});
  file.constant("c", {1, 1, 2, 1}, {7, 8});
  file.node("Concat", "", {"image", "c", "image"}, "y").integer("axis", 3);
  file.node("Flatten", "", {"y"}, "logits");
  EXPECT_THAT(run(file, {1, 2}), ElementsAre(1, 7, 1, 2, 8, 2));
}

TEST(OnnxMoves, ReshapesMayKeepAGrid) {
  OnnxFile file({1, 2, 3});
  file.integers("grid", {0, 3, 2});
  file.integers("all", {1, -1});
  file.node("Reshape", "", {"image", "grid"}, "g");
  file.node("ReduceSum", "", {"g"}, "s").ints("axes", {1}).integer("keepdims", 0);
  file.model.mutable_opset_import(0)->set_version(11);
  file.node("Reshape", "", {"s", "all"}, "logits");
  EXPECT_THAT(run(file, {1, 2, 3, 4, 5, 6}), ElementsAre(9, 12));
}

TEST(OnnxMoves, ZerosOfAReshapeAreSizesWhereAllowZeroSaysSo) {
  OnnxFile file({1, 2, 3});
  file.integers("to", {0, -1});
  file.node("Reshape", "r", {"image", "to"}, "logits").integer("allowzero", 1);
  const auto graph = read_onnx(file.bytes(), "net.onnx");
  ASSERT_FALSE(graph.ok());
  EXPECT_THAT(graph.error().message, testing::HasSubstr("node 'r'"));
}

}  // namespace
}  // namespace obscura::nn
