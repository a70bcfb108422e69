// SPDX-License-Identifier: Apache-2.0
// Constants of a file, and what nodes compute from them alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "nn/reference.h"
#include "tests/nn/onnx_file.h"

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

// As torch exports x[:, :, ::2, ::2] padded by C/4 channels on either side.
TEST(ReadOnnx, PadsMayBeComputedInTheFile) {
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
  EXPECT_THAT(run(file, {7}), ElementsAre(0, 7, 0));
}

// As torch exports x.view(x.size(0), -1) and x.view(x.size(0), x.size(1) * 2).
TEST(ReadOnnx, AReshapeMayTakeTheNumberOfImagesFromShape) {
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
  EXPECT_THAT(ops(read(file)), ElementsAre(Op::flatten));
  EXPECT_THAT(run(file, {4, 3, 2, 1}), ElementsAre(4, 3, 2, 1));
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
