// SPDX-License-Identifier: Apache-2.0
// Quantised networks are read as the real-valued ones that they stand for; tests/nn/conformance has the rest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "nn/reference.h"
#include "tests/nn/read_and_run.h"

namespace obscura::nn {
namespace {

using Floats = std::vector<float>;
using testing::ElementsAre;
using testing::FloatNear;

/// {1, 1, width} bytes or floats with scales and zero points of a half and of 2.
OnnxFile file_of(std::int64_t width) {
  OnnxFile file({1, 1, width});
  file.constant("half", {}, {0.5F});
  file.constant("quarter", {}, {0.25F});
  return file;
}

onnx::TensorProto& bytes(OnnxFile& file, const char* name, const Shape& shape, const std::vector<int>& numbers,
                         onnx::TensorProto::DataType type = onnx::TensorProto::UINT8) {
  auto& tensor = *file.graph().add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(type);
  for (const std::int64_t size : shape) tensor.add_dims(size);
  for (const int v : numbers) tensor.add_int32_data(v);
  return tensor;
}

Floats flattened(OnnxFile& file, const Floats& image) {
  file.node("Flatten", "", {"y"}, "logits");
  return run(file, image);
}

TEST(QuantizedOnnx, PairsOfQuantizeAndDequantizeAreNothing) {
  OnnxFile file = file_of(2);
  bytes(file, "zero", {}, {100});
  file.node("QuantizeLinear", "", {"image", "half", "zero"}, "q");
  file.node("DequantizeLinear", "", {"q", "half", "zero"}, "y");
  file.node("Flatten", "", {"y"}, "logits");
  EXPECT_THAT(ops(read(file)), ElementsAre(Op::reshape));
}

TEST(QuantizedOnnx, AReaderWithAnotherScaleSeesOtherReals) {
  OnnxFile file = file_of(2);
  bytes(file, "zero", {}, {100});
  bytes(file, "other", {}, {102});
  file.node("QuantizeLinear", "", {"image", "half", "zero"}, "q");    // x / 0.5 + 100
  file.node("DequantizeLinear", "", {"q", "quarter", "other"}, "y");  // (x / 0.5 + 100 - 102) / 4
  EXPECT_THAT(flattened(file, {1, 3}), ElementsAre(0, 1));
}

TEST(QuantizedOnnx, ALowerEndOfZeroIsARelu) {
  OnnxFile file = file_of(2);
  bytes(file, "zero", {}, {0});
  bytes(file, "least", {}, {-128}, onnx::TensorProto::INT8);
  for (const char* end : {"zero", "least"}) {
    OnnxFile one = file;
    one.node("Neg", "", {"image"}, "n");
    one.node("QuantizeLinear", "", {"n", "half", end}, "q");
    one.node("DequantizeLinear", "", {"q", "half", end}, "y");
    EXPECT_THAT(flattened(one, {1, -3}), ElementsAre(0, 3)) << end;
  }
}

TEST(QuantizedOnnx, AReluThatWasThereIsNotDoubled) {
  OnnxFile file = file_of(2);
  bytes(file, "zero", {}, {0});
  file.node("Neg", "", {"image"}, "n");
  file.node("Relu", "", {"n"}, "r");
  file.node("QuantizeLinear", "", {"r", "half", "zero"}, "q");
  file.node("DequantizeLinear", "", {"q", "half", "zero"}, "y");
  file.node("Flatten", "", {"y"}, "logits");
  EXPECT_THAT(ops(read(file)), ElementsAre(Op::mul, Op::function, Op::reshape));
}

TEST(QuantizedOnnx, ConvolutionsHaveAScaleForEachChannelOfTheWeight) {
  OnnxFile file = file_of(2);
  bytes(file, "zero", {}, {100});
  bytes(file, "w", {2, 1, 1, 1}, {3, -2}, onnx::TensorProto::INT8);
  file.constant("scales", {2}, {0.5F, 0.25F});
  bytes(file, "zeros", {2}, {1, 0}, onnx::TensorProto::INT8);
  bytes(file, "b", {2}, {4, 8}, onnx::TensorProto::INT32);
  file.node("QuantizeLinear", "", {"image", "half", "zero"}, "q");
  file.node("QLinearConv", "", {"q", "half", "zero", "w", "scales", "zeros", "quarter", "zero", "b"}, "r");
  file.node("DequantizeLinear", "", {"r", "quarter", "zero"}, "y");
  // Weights (3 - 1) / 2 = 1 and -2 / 4; biases 4 * 0.5 * 0.5 = 1 and 8 * 0.5 * 0.25 = 1.
  EXPECT_THAT(flattened(file, {2, 6}), ElementsAre(3, 7, 0, -2));
}

TEST(QuantizedOnnx, DynamicQuantizationIsTheRealsThemselves) {
  OnnxFile file = file_of(2);
  bytes(file, "w", {2, 1}, {3, -1}, onnx::TensorProto::INT8);
  bytes(file, "wz", {}, {1}, onnx::TensorProto::INT8);
  file.node("Flatten", "", {"image"}, "f");
  auto& dynamic = file.node("DynamicQuantizeLinear", "", {"f"}, "q").proto();
  dynamic.add_output("scale");
  dynamic.add_output("zero");
  file.node("MatMulInteger", "", {"q", "w", "zero", "wz"}, "i");
  file.node("Cast", "", {"i"}, "c").integer("to", onnx::TensorProto::FLOAT);
  file.node("Mul", "", {"scale", "half"}, "both");
  file.node("Mul", "", {"c", "both"}, "logits");
  EXPECT_THAT(run(file, {1.5F, 4}), ElementsAre((1.5F * 2 - 4 * 2) / 2));
}

TEST(QuantizedOnnx, ConvIntegerOfADynamicQuantization) {
  OnnxFile file = file_of(2);
  bytes(file, "w", {1, 1, 1, 2}, {5, 1});
  bytes(file, "wz", {}, {2});
  auto& dynamic = file.node("DynamicQuantizeLinear", "", {"image"}, "q").proto();
  dynamic.add_output("scale");
  dynamic.add_output("zero");
  file.node("ConvInteger", "", {"q", "w", "zero", "wz"}, "i");
  file.node("Cast", "", {"i"}, "c").integer("to", onnx::TensorProto::FLOAT);
  file.node("Mul", "", {"c", "scale"}, "y");
  EXPECT_THAT(flattened(file, {1.5F, 4}), ElementsAre(1.5F * 3 - 4));
}

/// Twice what an operator of com.microsoft gives for q (scale 0.5, zero 100), in scale 0.25, zero 100.
Floats extension(const char* op, const Floats& image, const std::function<void(OnnxNode&)>& set = {}) {
  OnnxFile file = file_of(static_cast<std::int64_t>(image.size()));
  bytes(file, "zero", {}, {100});
  file.node("QuantizeLinear", "", {"image", "half", "zero"}, "q");
  OnnxNode node = file.node(op, "", {"q", "half", "zero", "quarter", "zero"}, "r");
  node.proto().set_domain("com.microsoft");
  if (set) set(node);
  file.node("DequantizeLinear", "", {"r", "quarter", "zero"}, "d");
  file.node("Add", "", {"d", "d"}, "y");  // at the end it would be an ending
  return flattened(file, image);
}

TEST(QuantizedOnnx, OperatorsOfOneValue) {
  EXPECT_THAT(extension("QLinearSigmoid", {0, 1}), ElementsAre(1, FloatNear(2 / (1 + std::exp(-1.0F)), 1e-6F)));
  EXPECT_THAT(extension("QLinearLeakyRelu", {-2, 2}, [](OnnxNode& n) { n.real("alpha", 0.25F); }), ElementsAre(-1, 4));
  EXPECT_THAT(extension("QLinearAveragePool", {1, 3, 5},
                        [](OnnxNode& n) {
                          n.ints("kernel_shape", {1, 2});
                        }),
              ElementsAre(4, 8));
  EXPECT_THAT(extension("QLinearGlobalAveragePool", {1, 3, 5}), ElementsAre(6));
  const float e = std::exp(1.0F);
  EXPECT_THAT(extension("QLinearSoftmax", {0, 1}, [](OnnxNode& n) { n.integer("axis", 3).integer("opset", 13); }),
              ElementsAre(FloatNear(2 / (1 + e), 1e-6F), FloatNear(2 * e / (1 + e), 1e-6F)));
}

TEST(QuantizedOnnx, ASoftmaxOfAnOlderOperatorSetIsOverAllAxesFromItsOwn) {
  EXPECT_THAT(extension("QLinearSoftmax", {0, 0}, [](OnnxNode& n) { n.integer("axis", 1).integer("opset", 11); }),
              ElementsAre(1, 1));
}

TEST(QuantizedOnnx, PoolsWithChannelsLast) {
  OnnxFile file({2, 2, 2});  // height, width, channels
  file.constant("half", {}, {0.5F});
  bytes(file, "zero", {}, {100});
  file.node("QuantizeLinear", "", {"image", "half", "zero"}, "q");
  OnnxNode node = file.node("QLinearGlobalAveragePool", "", {"q", "half", "zero", "half", "zero"}, "r");
  node.integer("channels_last", 1).proto().set_domain("com.microsoft");
  file.node("DequantizeLinear", "", {"r", "half", "zero"}, "y");
  EXPECT_THAT(flattened(file, {1, 10, 3, 30, 5, 50, 7, 70}), ElementsAre(4, 40));
}

}  // namespace
}  // namespace obscura::nn
