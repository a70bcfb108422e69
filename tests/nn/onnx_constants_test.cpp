// SPDX-License-Identifier: Apache-2.0
// Constants of a file, and what nodes compute from them alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/nn/read_and_run.h"
#include "tests/nn/seed_networks.h"

namespace obscura::nn {
namespace {

using Floats = std::vector<float>;
using testing::ElementsAre;

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

TEST(ReadOnnx, PadsMayBeComputedInTheFile) { EXPECT_THAT(run(computed_pads(), {7}), ElementsAre(0, 7, 0)); }

TEST(ReadOnnx, AReshapeMayTakeTheNumberOfImagesFromShape) {
  EXPECT_THAT(ops(read(computed_sizes())), ElementsAre(Op::reshape));
  EXPECT_THAT(run(computed_sizes(), {4, 3, 2, 1}), ElementsAre(4, 3, 2, 1));
}

TEST(ReadOnnx, WeightsMayBeComputedFromConstants) {
  OnnxFile file({1, 1, 2});
  file.constant("w", {2, 2}, {1, 2, 3, 4});
  file.constant("four", {}, {4});
  file.constant("row", {2}, {10, 20});
  file.node("Transpose", "", {"w"}, "wt");  // 1 3 / 2 4
  file.node("Sqrt", "", {"four"}, "two");
  file.node("Mul", "", {"wt", "two"}, "scaled");  // 2 6 / 4 8
  file.integers("front", {0});
  file.node("Unsqueeze", "", {"row", "front"}, "tall");
  file.integers("shape", {2, 2});
  file.node("Expand", "", {"tall", "shape"}, "wide");  // 10 20 / 10 20
  file.node("Sub", "", {"wide", "scaled"}, "weight");  // 8 14 / 6 12
  file.node("Flatten", "", {"image"}, "f");
  file.node("MatMul", "", {"f", "weight"}, "logits");
  EXPECT_THAT(run(file, {1, 10}), ElementsAre(68, 134));
}

TEST(ReadOnnx, ConstantsAreGatheredJoinedAndChosen) {
  OnnxFile file({1, 1, 2});
  file.constant("table", {3, 2}, {1, 2, 3, 4, 5, 6});
  file.integers("rows", {2, -3});
  file.node("Gather", "", {"table", "rows"}, "picked");                      // 5 6 / 1 2
  file.node("Concat", "", {"picked", "table"}, "tall").integer("axis", 0);   // 5 6 / 1 2 / 1 2 / 3 4 / 5 6
  file.node("Concat", "", {"picked", "picked"}, "wide").integer("axis", 1);  // 5 6 5 6 / 1 2 1 2
  file.integers("given", {-1, 2});
  file.integers("unknown", {-1, -1});
  file.integers("five", {5, 5});
  file.node("Equal", "", {"given", "unknown"}, "open");
  file.node("Where", "", {"open", "five", "given"}, "shape");  // 5 2
  file.node("Reshape", "", {"tall", "shape"}, "same");
  for (const auto& [name, number] : {std::pair{"minus", -1}, {"zero", 0}, {"one", 1}, {"two", 2}}) {
    file.integers(name, {number});
  }
  file.node("Slice", "", {"same", "zero", "one", "zero"}, "head");  // 5 6
  file.integers("three", {3});
  file.node("Slice", "", {"wide", "one", "three", "one"}, "middle");  // 6 5 / 2 1
  file.node("Reshape", "", {"middle", "minus"}, "list");
  file.node("Slice", "", {"list", "zero", "two"}, "row");  // 6 5
  file.node("Max", "", {"head", "row"}, "largest");        // 6 6
  file.node("Sub", "", {"largest", "head"}, "rest");       // 1 0
  file.node("Add", "", {"image", "rest"}, "y");
  file.node("Flatten", "", {"y"}, "logits");
  EXPECT_THAT(run(file, {1, 10}), ElementsAre(2, 10));
}

}  // namespace
}  // namespace obscura::nn
