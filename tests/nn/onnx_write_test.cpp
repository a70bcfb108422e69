// SPDX-License-Identifier: Apache-2.0
// What is written is read as the same network.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "nn/onnx.h"
#include "nn/operators.h"
#include "nn/reference.h"
#include "tests/nn/graphs.h"
#include "tests/nn/seed_networks.h"

namespace obscura::nn {
namespace {

using Floats = std::vector<float>;

TEST(WriteOnnx, IsReadBackAsTheSameNetwork) {
  const Graph graph = every_operator();
  const auto again = read_onnx(write_onnx(graph), "again");
  ASSERT_TRUE(again.ok()) << again.error().message;
  const auto third = read_onnx(write_onnx(*again), "third");
  ASSERT_TRUE(third.ok()) << third.error().message;
  EXPECT_EQ(describe(*third), describe(*again)) << "what is read once is what is written";
  EXPECT_EQ(again->ending, graph.ending);
  EXPECT_EQ(again->values[again->output].name, graph.values[graph.output].name);
  Floats image(72);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i % 7) - 3;
  const Floats expected = run_reference(graph, image, 1);
  const Floats actual = run_reference(*again, image, 1);
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-6F * std::abs(expected[i]));
}

TEST(WriteOnnx, EveryOperatorIsInTheTestedNetwork) {
  std::set<Op> ops;
  std::set<approx::Function::Kind> functions;
  for (const Node& node : every_operator().nodes) {
    ops.insert(node.op);
    if (node.op == Op::function) functions.insert(node.attributes.function.kind);
  }
  EXPECT_EQ(ops.size(), static_cast<std::size_t>(kOpCount));
  EXPECT_GE(functions.size(), 5U);
}

TEST(Operators, EveryRowStandsAtItsPlaceAndIsComplete) {
  for (int i = 0; i < kOpCount; ++i) {
    const Operator& entry = row(static_cast<Op>(i));
    EXPECT_EQ(entry.op, static_cast<Op>(i)) << entry.name;
    EXPECT_STRNE(entry.name, "");
    EXPECT_NE(entry.infer, nullptr) << entry.name;
    EXPECT_NE(entry.kernel, nullptr) << entry.name;
    EXPECT_NE(entry.write, nullptr) << entry.name;
    EXPECT_GE(entry.max_inputs, entry.min_inputs) << entry.name;
  }
}

TEST(WriteOnnx, EveryFunctionIsReadBackWithItsParameters) {
  for (const approx::FunctionRow& function : approx::functions()) {
    Builder b({1, 1, 5});
    Attributes a = function_of(function.kind);
    float offset = 0;  // parameters away from their defaults
    for (const approx::Parameter& parameter : function.parameters) {
      a.function.*parameter.field = static_cast<float>(parameter.by_default) + (offset += 0.25F);
    }
    const ValueId y = b.node(Op::function, {0}, a);  // and not the last node: a sigmoid there is an ending
    b.reshape(b.node(Op::add, {y, b.constant({}, {0.5F})}), {5});
    ASSERT_TRUE(infer_shapes(b.graph()).ok());
    const auto again = read_onnx(write_onnx(b.graph()), "again");
    ASSERT_TRUE(again.ok()) << function.name << ": " << again.error().message;
    const Floats image = {0.25F, 0.5F, 1, 2, 3};
    const Floats expected = run_reference(b.graph(), image, 1);
    const Floats actual = run_reference(*again, image, 1);
    ASSERT_EQ(actual.size(), expected.size()) << function.name;
    for (std::size_t i = 0; i < actual.size(); ++i) {
      EXPECT_NEAR(actual[i], expected[i], 1e-6F * std::abs(expected[i]) + 1e-7F) << function.name;
    }
  }
}

TEST(WriteOnnx, SaysWhatARuntimeNeedsToKnow) {
  onnx::ModelProto model;
  const base::Bytes bytes = write_onnx(every_operator());
  ASSERT_TRUE(model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  EXPECT_EQ(model.ir_version(), 8);
  ASSERT_EQ(model.opset_import_size(), 1);
  EXPECT_EQ(model.opset_import(0).version(), 15);
  ASSERT_EQ(model.graph().input_size(), 1);
  const auto& shape = model.graph().input(0).type().tensor_type().shape();
  ASSERT_EQ(shape.dim_size(), 4);
  EXPECT_EQ(shape.dim(0).dim_param(), "N");
  EXPECT_EQ(shape.dim(1).dim_value(), 2);
  EXPECT_FALSE(model.graph().name().empty());
}

TEST(WriteOnnx, RefusesTwoValuesOfOneName) {
  Graph graph = every_operator();
  graph.values[1].name = graph.values[2].name;
  EXPECT_THROW(write_onnx(graph), ContractError);
}

}  // namespace
}  // namespace obscura::nn
