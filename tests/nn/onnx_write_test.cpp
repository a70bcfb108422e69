// SPDX-License-Identifier: Apache-2.0
// What is written is read as the same network.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nn/onnx.h"
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
  EXPECT_EQ(describe(*again), describe(graph));
  Floats image(72);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i % 7) - 3;
  EXPECT_EQ(run_reference(*again, image, 1), run_reference(graph, image, 1));
}

TEST(WriteOnnx, SaysWhatARuntimeNeedsToKnow) {
  onnx::ModelProto model;
  const base::Bytes bytes = write_onnx(every_operator());
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
  Graph graph = every_operator();
  graph.values[1].name = graph.values[2].name;
  EXPECT_THROW(write_onnx(graph), ContractError);
}

}  // namespace
}  // namespace obscura::nn
