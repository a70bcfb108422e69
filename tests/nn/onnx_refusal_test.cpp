// SPDX-License-Identifier: Apache-2.0
// Well-formed files outside of what is supported: one sentence that names the place, the actual and the allowed value.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "nn/onnx.h"
#include "tests/nn/onnx_file.h"

namespace obscura::nn {
namespace {

using Floats = std::vector<float>;

/// The message starts with the file and holds each part, in one line.
void expect_refused(const OnnxFile& file, Code code, const std::vector<std::string>& parts) {
  const auto graph = read_onnx(file.bytes(), "net.onnx");
  ASSERT_FALSE(graph.ok());
  const std::string& message = graph.error().message;
  EXPECT_EQ(graph.error().code, code) << message;
  EXPECT_EQ(message.rfind("net.onnx: ", 0), 0U) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  for (const std::string& part : parts) EXPECT_NE(message.find(part), std::string::npos) << part << " in: " << message;
}

TEST(OnnxRefusal, AnUnknownOperatorIsNamedWithItsNodeAndTheSupportedOnes) {
  OnnxFile file({1, 1, 1});
  file.node("Einsum", "fancy", {"image"}, "logits");
  expect_refused(file, Code::unsupported,
                 {"node 'fancy'", "operator Einsum", "write the product as MatMul", "supported: Conv, ", "Constant"});
}

TEST(OnnxRefusal, CommonOperatorsComeWithAWayOut) {
  for (const auto& [op, way] : {std::pair{"LSTM", "use convolutions"},
                                {"Scan", "use convolutions"},
                                {"If", "fixed sizes"},
                                {"Einsum", "MatMul"}}) {
    OnnxFile file({1, 1, 1});
    file.node(op, "", {"image"}, "logits");
    expect_refused(file, Code::unsupported, {std::string("node '") + op + "_0'", way});
  }
}

TEST(OnnxRefusal, AnOperatorOfAnotherDomainIsNotTheOneOfTheSameName) {
  OnnxFile file({1, 1, 1});
  file.node("Conv", "n", {"image"}, "logits").proto().set_domain("com.example");
  expect_refused(file, Code::unsupported, {"node 'n'", "Conv", "com.example"});
}

TEST(OnnxRefusal, AttributesThatChangeTheMeaningAreNamedWithTheAllowedValue) {
  OnnxFile fresh({1, 4, 4});
  fresh.node("AveragePool", "p", {"image"}, "logits").ints("kernel_shape", {2, 2}).integer("something_new", 0);
  expect_refused(fresh, Code::unsupported, {"node 'p'", "something_new", "ceil_mode"});

  OnnxFile training({1, 1, 1});
  for (const char* name : {"a", "b", "c", "d"}) training.constant(name, {1}, {1});
  training.node("BatchNormalization", "bn", {"image", "a", "b", "c", "d"}, "logits").integer("training_mode", 1);
  expect_refused(training, Code::unsupported, {"node 'bn'", "training_mode is 1", "allowed: 0"});

  OnnxFile gemm({1, 1, 2});
  gemm.constant("w", {2, 2}, Floats(4));
  gemm.node("Flatten", "", {"image"}, "f");
  gemm.node("Gemm", "fc", {"f", "w"}, "logits").integer("transA", 1);
  expect_refused(gemm, Code::unsupported, {"node 'fc'", "transA is 1"});

  OnnxFile flatten({1, 1, 2});
  flatten.node("Flatten", "f", {"image"}, "logits").integer("axis", 5);
  expect_refused(flatten, Code::bad_format, {"node 'f'", "axis 5", "allowed: -4 to 4"});

  OnnxFile kind({1, 1, 2});
  kind.node("Flatten", "f", {"image"}, "logits").real("axis", 1);
  expect_refused(kind, Code::bad_format, {"node 'f'", "axis", "FLOAT", "INT"});
}

TEST(OnnxRefusal, WeightsThatAreNotFiniteNameTheConstantAndTheElement) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    OnnxFile file({1, 1, 1});
    file.constant("weights", {1, 1, 1, 1}, {bad});
    file.node("Conv", "c1", {"image", "weights"}, "logits");
    expect_refused(file, Code::bad_format, {"node 'c1'", "'weights'", "element 0", "finite"});
  }
  OnnxFile file({1, 1, 1});
  auto& tensor = file.constant("huge", {1}, {});
  tensor.clear_raw_data();
  tensor.set_data_type(onnx::TensorProto::DOUBLE);
  tensor.add_double_data(1e300);
  file.node("Mul", "m", {"image", "huge"}, "logits");
  expect_refused(file, Code::bad_format, {"'huge'", "finite"});
}

TEST(OnnxRefusal, ShapesThatDoNotFitAreBothNamed) {
  OnnxFile conv({3, 8, 8});
  conv.constant("w", {4, 2, 3, 3}, Floats(72));
  conv.node("Conv", "c1", {"image", "w"}, "logits");
  expect_refused(conv, Code::bad_format, {"node 'c1'", "'w'", "4x2x3x3", "3x8x8", "4x3x3x3"});

  OnnxFile groups({2, 1, 1});
  groups.constant("w", {3, 1, 1, 1}, Floats(3));
  groups.node("Conv", "c1", {"image", "w"}, "logits").integer("group", 2);
  expect_refused(groups, Code::bad_format, {"node 'c1'", "group 2", "2 input", "3 output"});

  OnnxFile add({2, 3, 4});
  add.constant("c", {5, 1, 1}, Floats(5));
  add.node("Add", "a", {"image", "c"}, "logits");
  expect_refused(add, Code::bad_format, {"node 'a'", "1x2x3x4", "5x1x1"});

  OnnxFile window({1, 2, 2});
  window.constant("w", {1, 1, 3, 3}, Floats(9));
  window.node("Conv", "c1", {"image", "w"}, "logits");
  expect_refused(window, Code::bad_format, {"node 'c1'", "window of 3", "2"});
}

TEST(OnnxRefusal, ATensorWhoseNumbersDoNotMatchItsShape) {
  OnnxFile file({1, 1, 1});
  file.constant("w", {1, 1, 1, 1000}, {1});
  file.node("Conv", "c1", {"image", "w"}, "logits");
  expect_refused(file, Code::bad_format, {"'w'", "1x1x1x1000", "4 bytes", "4000"});
  for (const std::int64_t size : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 62}) {
    OnnxFile odd({1, 1, 1});
    odd.constant("w", {size, 4, 4, 4}, {1});
    odd.node("Conv", "c1", {"image", "w"}, "logits");
    expect_refused(odd, Code::bad_format, {"'w'", std::to_string(size)});
  }
}

TEST(OnnxRefusal, AConstantOfTooManySizesIsNotPrintedWhole) {
  OnnxFile file({1, 1, 1});
  file.constant("w", std::vector<std::int64_t>(10000, 1), {1});
  file.node("Mul", "m", {"image", "w"}, "logits");
  expect_refused(file, Code::bad_format, {"'w'", "10000 sizes", "allowed: 8"});
}

TEST(OnnxRefusal, ASmallFileCanNotAskForEndlessCopiesOfAConstant) {
  constexpr std::int64_t kElements = 1 << 20;
  OnnxFile file({1, 1024, 1024});
  file.constant("big", {1024, 1024}, Floats(kElements, 1));
  std::string last = "image";
  for (int i = 0; i <= (1 << 27) / kElements; ++i) {
    const std::string next = "v" + std::to_string(i);
    file.node("Sub", "", {last, "big"}, next.c_str());
    last = next;
  }
  file.node("Flatten", "", {last}, "logits");
  expect_refused(file, Code::bad_format, {"node 'Sub_", "'big'", "numbers in use", "allowed: 134217728"});
}

TEST(OnnxRefusal, AVarianceThatIsNotPositive) {
  OnnxFile file({1, 1, 1});
  for (const char* name : {"a", "b", "c"}) file.constant(name, {1}, {1});
  file.constant("d", {1}, {-1});
  file.node("BatchNormalization", "bn", {"image", "a", "b", "c", "d"}, "logits");
  expect_refused(file, Code::bad_format, {"node 'bn'", "variance -1", "not positive"});
}

TEST(OnnxRefusal, TypesAndPlacesOfWeightsThatAreNotRead) {
  OnnxFile text({1, 1, 1});
  text.constant("w", {1}, {1}).set_data_type(onnx::TensorProto::STRING);
  text.node("Mul", "m", {"image", "w"}, "logits");
  expect_refused(text, Code::unsupported, {"node 'm'", "'w'", "STRING", "allowed: floats"});

  OnnxFile half({1, 1, 1});
  half.constant("w", {1}, {1}).set_data_type(onnx::TensorProto::FLOAT16);
  half.node("Mul", "m", {"image", "w"}, "logits");
  expect_refused(half, Code::bad_format, {"node 'm'", "'w'", "4 bytes", "allowed: 2"});

  OnnxFile outside({1, 1, 1});
  outside.constant("w", {1}, {1}).set_data_location(onnx::TensorProto::EXTERNAL);
  outside.node("Mul", "m", {"image", "w"}, "logits");
  expect_refused(outside, Code::unsupported, {"'w'", "another file", "onnx.save"});
}

TEST(OnnxRefusal, ReshapesOfOtherNumbersOfElements) {
  for (const std::vector<std::int64_t>& shape :
       std::vector<std::vector<std::int64_t>>{{1, 5}, {-1, -1}, {0, 3}, {-2}}) {
    OnnxFile file({1, 2, 2});
    file.integers("shape", shape);
    file.node("Reshape", "r", {"image", "shape"}, "logits");
    expect_refused(file, Code::unsupported, {"node 'r'", "1x1x2x2", "as many elements", "left free, or 1"});
  }
}

TEST(OnnxRefusal, InputsAndOutputsThatAreNotOneImageAndOneRow) {
  OnnxFile volume({1, 2, 2, 2});
  volume.node("Flatten", "", {"image"}, "logits");
  expect_refused(volume, Code::unsupported, {"'image'", "Nx1x2x2x2", "{N, channels, height, width}", "volumes"});

  OnnxFile free_height({1, 0, 2});
  free_height.node("Flatten", "", {"image"}, "logits");
  expect_refused(free_height, Code::unsupported, {"'image'", "Nx1x0x2", "second axis is free", "--shape 3x32x32"});

  OnnxFile huge({1 << 20, 1 << 20, 1});
  huge.node("Flatten", "", {"image"}, "logits");
  expect_refused(huge, Code::unsupported, {"'image'", "1048576x1048576"});

  OnnxFile grid({1, 2, 2});
  grid.node("Identity", "", {"image"}, "logits");
  expect_refused(grid, Code::unsupported, {"output 'logits'", "1x2x2", "one row of numbers", "not a classifier"});

  OnnxFile two({1, 2, 2});
  two.graph().add_input()->set_name("second");
  two.node("Mul", "", {"image", "second"}, "product");
  two.node("Flatten", "", {"product"}, "logits");
  expect_refused(two, Code::unsupported, {"2 inputs", "'second' scalar", "1 image", "--input NAME=NUMBER"});

  OnnxFile two_outputs({1, 2, 2});
  two_outputs.graph().add_output()->set_name("second");
  two_outputs.node("Flatten", "", {"image"}, "logits");
  expect_refused(two_outputs, Code::unsupported, {"2 outputs", "'second'", "--output NAME"});

  OnnxFile nothing({1, 2, 2});
  expect_refused(nothing, Code::bad_format, {"leads to its output", "1 image"});
}

TEST(OnnxRefusal, AWeightThatTheFileNeitherHoldsNorComputes) {
  OnnxFile file({1, 1, 1});
  file.node("Conv", "c1", {"image", "lost"}, "logits");
  expect_refused(file, Code::bad_format, {"node 'c1'", "'lost'", "initializer"});
  OnnxFile declared({1, 1, 1});
  declared.graph().add_input()->set_name("lost");
  declared.node("Conv", "c1", {"image", "lost"}, "logits");
  expect_refused(declared, Code::unsupported, {"2 inputs", "'image'", "'lost'", "--input NAME=NUMBER"});
}

TEST(OnnxRefusal, PadsOfImagesOrOfOtherNumbers) {
  const auto pad = [](const std::vector<std::int64_t>& pads, const char* mode) {
    OnnxFile file({1, 2, 2});
    file.integers("pads", pads);
    file.node("Pad", "p", {"image", "pads"}, "y").text("mode", mode);
    file.node("Flatten", "", {"y"}, "logits");
    return file;
  };
  expect_refused(pad({0, 0, 1, 1, 0, 0, 1, 1}, "stretch"), Code::unsupported,
                 {"node 'p'", "mode is stretch", "reflect"});
  expect_refused(pad({1, 0, 0, 0, 0, 0, 0, 0}, "constant"), Code::unsupported, {"node 'p'", "images themselves by 1"});
  expect_refused(pad({0, 0, -1, 0, 0, 0, -1, 0}, "constant"), Code::unsupported, {"node 'p'", "no element of axis 2"});
  expect_refused(pad({0, 0, 1, 1}, "constant"), Code::bad_format, {"node 'p'", "4 pads", "allowed: 8"});
  expect_refused(pad({0, 0, 1 << 21, 0, 0, 0, 0, 0}, "edge"), Code::bad_format, {"node 'p'", "a pad of 2097152"});
}

TEST(OnnxRefusal, SlicesOfNothingOrOfAxesThatAreNot) {
  const auto slice = [](std::int64_t start, std::int64_t end, std::int64_t axis, std::int64_t step) {
    OnnxFile file({1, 2, 4});
    for (const auto& [name, number] : {std::pair{"start", start}, {"end", end}, {"axis", axis}, {"step", step}}) {
      file.integers(name, {number});
    }
    file.node("Slice", "s", {"image", "start", "end", "axis", "step"}, "y");
    file.node("Flatten", "", {"y"}, "logits");
    return file;
  };
  expect_refused(slice(3, 2, 3, 1), Code::unsupported, {"node 's'", "no element of axis 3, which has 4"});
  expect_refused(slice(0, 2, 3, 0), Code::bad_format, {"node 's'", "steps of 0"});
  expect_refused(slice(0, 2, 4, 1), Code::bad_format, {"node 's'", "axis 4", "allowed: -4 to 3"});
}

TEST(OnnxRefusal, MovesOfAxesThatAreNot) {
  OnnxFile order({2, 2, 2});
  order.node("Transpose", "t", {"image"}, "y").ints("perm", {0, 2, 1, 1});
  order.node("Flatten", "", {"y"}, "logits");
  expect_refused(order, Code::bad_format, {"node 't'", "(0, 2, 1, 1)", "each axis once"});
  OnnxFile images({2, 1, 2});
  images.node("Concat", "c", {"image", "image"}, "y").integer("axis", 0);
  images.node("Flatten", "", {"y"}, "logits");
  expect_refused(images, Code::unsupported, {"node 'c'", "it joins images", "axes from 1"});
  OnnxFile squeeze({2, 1, 2});
  squeeze.node("Squeeze", "q", {"image"}, "y").ints("axes", {1});
  squeeze.node("Flatten", "", {"y"}, "logits");
  expect_refused(squeeze, Code::bad_format, {"node 'q'", "axis 1 of 1x2x1x2", "axes of size 1"});
  OnnxFile gather({2, 1, 2});
  gather.integers("i", {2});
  gather.node("Gather", "g", {"image", "i"}, "y").integer("axis", 1);
  gather.node("Flatten", "", {"y"}, "logits");
  expect_refused(gather, Code::bad_format, {"node 'g'", "index 2 of an axis of 2", "allowed: -2 to 1"});
}

TEST(OnnxRefusal, ArithmeticOfConstantsThatHasNoResult) {
  const auto binary = [](const char* op, std::int64_t a, std::int64_t b) {
    OnnxFile file({1, 1, 1});
    file.integers("a", {a});
    file.integers("b", {b});
    file.node(op, "o", {"a", "b"}, "c");
    file.node("Mul", "", {"image", "c"}, "y");
    file.node("Flatten", "", {"y"}, "logits");
    return file;
  };
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  expect_refused(binary("Div", 1, 0), Code::unsupported, {"node 'o'", "1 and 0"});
  expect_refused(binary("Div", kLeast, -1), Code::unsupported, {"node 'o'", "64 bits"});
  expect_refused(binary("Mul", kLeast, 2), Code::unsupported, {"node 'o'", "64 bits"});
  OnnxFile root({1, 1, 1});
  root.constant("a", {}, {-1});
  root.node("Sqrt", "o", {"a"}, "c");
  root.node("Mul", "", {"image", "c"}, "logits");
  expect_refused(root, Code::bad_format, {"node 'o'", "nan", "finite"});
  OnnxFile index({1, 1, 1});
  index.constant("a", {2}, {1, 2});
  index.integers("i", {2});
  index.node("Gather", "o", {"a", "i"}, "c");
  index.node("Mul", "", {"image", "c"}, "logits");
  expect_refused(index, Code::bad_format, {"node 'o'", "index 2", "allowed: -2 to 1"});
}

TEST(OnnxRefusal, OperatorsThatAreForConstantsOnly) {
  OnnxFile file({2, 1, 1});
  file.node("Floor", "g", {"image"}, "y");
  file.node("Flatten", "", {"y"}, "logits");
  expect_refused(file, Code::unsupported, {"node 'g' (Floor)", "values of the image", "constants only"});
}

TEST(OnnxRefusal, ASmallFileCanNotAskForALargeConstant) {
  OnnxFile filled({1, 1, 1});
  filled.integers("shape", {1 << 20, 128});
  filled.node("ConstantOfShape", "big", {"shape"}, "c");
  filled.node("Mul", "", {"image", "c"}, "logits");
  expect_refused(filled, Code::unsupported, {"node 'big'", "134217728", "allowed: 1048576"});
  OnnxFile outer({1, 1, 1});
  outer.constant("row", {4096}, Floats(4096, 1));
  outer.constant("column", {4096, 1}, Floats(4096, 1));
  outer.node("Mul", "outer", {"row", "column"}, "c");
  outer.node("Mul", "", {"image", "c"}, "logits");
  expect_refused(outer, Code::bad_format, {"node 'outer'", "4096x1"});
}

TEST(OnnxRefusal, PoolsWithoutAMeaning) {
  OnnxFile empty({1, 2, 2});
  empty.node("MaxPool", "p", {"image"}, "y").ints("kernel_shape", {2, 2}).ints("pads", {2, 0, 0, 0});
  empty.node("Flatten", "", {"y"}, "logits");
  expect_refused(empty, Code::bad_format, {"node 'p'", "without one element"});
}

TEST(OnnxRefusal, NamesThatAreReadBeforeOrWrittenTwice) {
  OnnxFile cycle({1, 1, 2});
  cycle.node("Add", "a", {"image", "later"}, "early");
  cycle.node("Identity", "b", {"early"}, "later");
  cycle.node("Flatten", "", {"later"}, "logits");
  expect_refused(cycle, Code::bad_format, {"node 'a' (Add)", "waits for its own output", "no cycles"});

  OnnxFile twice({1, 1, 2});
  twice.node("Identity", "a", {"image"}, "y");
  twice.node("Identity", "b", {"image"}, "y");
  twice.node("Flatten", "", {"y"}, "logits");
  expect_refused(twice, Code::bad_format, {"node 'b'", "'y'"});
}

TEST(OnnxRefusal, DivisionByZero) {
  OnnxFile zero({1, 1, 1});
  zero.constant("z", {}, {0});
  zero.node("Div", "d", {"image", "z"}, "logits");
  expect_refused(zero, Code::bad_format, {"node 'd'", "'z'", "0", "reciprocal"});
}

TEST(OnnxRefusal, AnExponentThatIsComputed) {
  OnnxFile file({1, 1, 1});
  file.constant("two", {}, {2});
  file.node("Pow", "p", {"two", "image"}, "logits");
  expect_refused(file, Code::unsupported, {"node 'p' (Pow)", "'two' is a constant"});
  OnnxFile both({1, 1, 1});
  both.node("Pow", "p", {"image", "image"}, "logits");
  expect_refused(both, Code::unsupported, {"node 'p' (Pow)", "exponent 'image' is computed", "one constant number"});
}

TEST(OnnxRefusal, WhatFollowsAnArgMax) {
  OnnxFile file({4, 1, 1});
  file.node("ArgMax", "a", {"image"}, "class").integer("axis", 1);
  file.node("Mul", "m", {"class", "class"}, "logits");
  expect_refused(file, Code::unsupported, {"node 'm' (Mul)", "follows an ArgMax", "as the last node"});
  OnnxFile inner({4, 2, 1});
  inner.node("ArgMax", "a", {"image"}, "logits").integer("axis", 1);
  expect_refused(inner, Code::unsupported, {"node 'a' (ArgMax)", "axis 1 of 1x4x2x1", "one row of logits"});
}

TEST(OnnxRefusal, ResizesThatAreNotOfWholeFactorsOrBlend) {
  const auto resize = [](float factor, const char* mode) {
    OnnxFile file({1, 2, 2});
    file.constant("scales", {4}, {1, 1, factor, factor});
    file.node("Resize", "r", {"image", "", "scales"}, "y").text("mode", mode);
    file.node("Flatten", "", {"y"}, "logits");
    return file;
  };
  expect_refused(resize(1.5F, "nearest"), Code::unsupported, {"node 'r'", "1.5 times", "whole factors"});
  expect_refused(resize(0.5F, "nearest"), Code::unsupported, {"node 'r'", "0.5 times", "whole factors"});
  expect_refused(resize(2, "linear"), Code::unsupported, {"node 'r'", "mode linear", "allowed: nearest"});
}

TEST(OnnxRefusal, OperatorSetsOutsideTheRange) {
  for (const std::int64_t opset : {6, 24}) {
    OnnxFile file({1, 1, 1});
    file.model.mutable_opset_import(0)->set_version(opset);
    file.node("Flatten", "", {"image"}, "logits");
    expect_refused(file, Code::unsupported, {"operator set " + std::to_string(opset), "7 to 23", "opset_version="});
  }
}

TEST(OnnxRefusal, NamesThatCouldNotBePrinted) {
  for (const char* name : {"two\nlines", "\x1b[31mred", "\xff\xfe", "\xc0\xaf", "\xed\xa0\x80", "cut\xe2\x82"}) {
    OnnxFile file({1, 1, 1});
    file.node("Flatten", name, {"image"}, "logits");
    expect_refused(file, Code::bad_format, {"not readable"});
  }
  OnnxFile file({1, 1, 1});
  file.node("Flatten", "Schicht-\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", {"image"}, "logits");
  EXPECT_TRUE(read_onnx(file.bytes(), "net.onnx").ok());
}

}  // namespace
}  // namespace obscura::nn
