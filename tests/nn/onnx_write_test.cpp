// SPDX-License-Identifier: Apache-2.0
// What is written is read as the same network.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nn/reference.h"
#include "tests/nn/onnx_file.h"

namespace obscura::nn {
namespace {

using Floats = std::vector<float>;

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
  const ValueId sum = b.node(Op::add, {product, pool});
  const ValueId largest =
      b.node(Op::max_pool, {sum}, {.kernel = {3, 2}, .strides = {1, 2}, .dilations = {1, 2}, .pads = {1, 1, 1, 2}});
  const ValueId lrn = b.node(Op::lrn, {largest}, {.alpha = 0.5F, .beta = 0.25F, .size = 3, .bias = 2});
  const ValueId joined = b.node(Op::concat, {lrn, b.node(Op::relu, {largest})});
  const ValueId part = b.node(Op::slice, {joined}, {.starts = {1, 0, 0}, .steps = {2, 1, 1}, .sizes = {4, 3, 1}});
  ValueId x = b.node(Op::pad, {part}, {.pads_before = {0, 1, 2}, .pads_after = {0, 3, 1}});
  x = b.node(Op::leaky_relu, {x}, {.alpha = 0.125F});
  for (const Op op : {Op::sigmoid, Op::tanh, Op::softplus, Op::silu, Op::gelu, Op::mish}) x = b.node(op, {x});
  const ValueId mean = b.node(Op::global_average_pool, {x});
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
