// SPDX-License-Identifier: Apache-2.0
#include "compile/measure/quantize.h"

#include "tests/compile/networks.h"

namespace obscura::compile {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

LinearMap row(const std::vector<double>& weights) {
  LinearMap map;
  map.matrix.cols = static_cast<std::uint32_t>(weights.size());
  for (std::uint32_t c = 0; c < weights.size(); ++c) map.matrix.push(c, weights[c]);
  map.matrix.end_row();
  map.bias = {0};
  map.origin = "map";
  return map;
}

/// The integers at the scale that weights of `bits` bits get.
struct Quantized {
  std::vector<std::int32_t> integers;
  double scale = 1;
  bool exact = false;
};
Quantized quantized(const LinearMap& map, int bits) {
  const auto whole = whole_scale(map);
  const double scale = whole ? *whole : power_scale(largest_weight(map), bits);
  return {quantize(map, scale).value(), scale, whole.has_value()};
}

TEST(Quantize, AveragesAreExactIntegers) {
  const auto w = quantized(row({0.25, 0.25, 0.25, 0.25}), 7);
  EXPECT_TRUE(w.exact);
  EXPECT_THAT(w.integers, ElementsAre(1, 1, 1, 1));
  EXPECT_DOUBLE_EQ(w.scale, 4);
}

TEST(Quantize, AveragesOfSeveralWindowsAreExactToo) {
  const auto w = quantized(row({1.0F / 9, 1.0F / 6, 1.0F / 4}), 7);
  EXPECT_TRUE(w.exact);
  EXPECT_THAT(w.integers, ElementsAre(4, 6, 9));
}

TEST(Quantize, SignsOfOneSizeAreExact) {
  const auto w = quantized(row({-0.3, 0.3, 0}), 7);
  EXPECT_TRUE(w.exact);
  EXPECT_THAT(w.integers, ElementsAre(-1, 1, 0));
}

TEST(Quantize, LargestWeightFillsItsBits) {
  for (const double largest : {0.9999999, 0.51, 3.7, 1e-4}) {
    for (int bits = 7; bits <= 14; ++bits) {
      const auto w = quantized(row({largest, -0.37123 * largest}), bits);
      EXPECT_FALSE(w.exact);
      EXPECT_GE(w.integers[0], 1 << (bits - 1));
      EXPECT_LT(w.integers[0], 1 << bits);
      EXPECT_NEAR(w.integers[1] / w.scale, -0.37123 * largest, 0.5 / w.scale);
      EXPECT_EQ(std::exp2(std::round(std::log2(w.scale))), w.scale) << "a power of two";
    }
  }
}

TEST(Quantize, RowAboveTheKernelsBoundIsRefused) {
  std::vector<double> weights(40000, 1.0);
  weights[0] = 0.123456789;
  const LinearMap map = row(weights);
  const auto w = quantize(map, power_scale(largest_weight(map), 14));
  ASSERT_FALSE(w.ok());
  EXPECT_EQ(w.error().code, Code::infeasible);
  EXPECT_THAT(w.error().message, HasSubstr("below 2^28"));
}

TEST(Blocks, RowsOfOneWindowShareABlockAndPositionsShareAMatrix) {
  // Two outputs at each of two positions: rows (c, position), as a convolution has them.
  SparseMatrix m;
  m.cols = 4;
  for (int channel = 0; channel < 2; ++channel) {
    for (std::uint32_t position = 0; position < 2; ++position) {
      m.push(position, 1);
      m.push(position + 2, 1);
      m.end_row();
    }
  }
  const std::vector<std::int32_t> integers{5, 6, 5, 6, 7, 8, 7, 8};
  const ckks::IntegerMap map = to_blocks(m, integers);
  ASSERT_EQ(map.matrices.size(), 1u);
  EXPECT_THAT(map.matrices[0].data, ElementsAre(5, 6, 7, 8));
  ASSERT_EQ(map.blocks.size(), 2u);
  EXPECT_THAT(map.blocks[1].inputs, ElementsAre(1, 3));
  EXPECT_THAT(map.blocks[1].outputs, ElementsAre(1, 3));
  EXPECT_EQ(map.multiplications(), 8u);
}

TEST(Blocks, RowWithoutInputsStillHasItsOutput) {
  SparseMatrix m;
  m.cols = 1;
  m.end_row();
  const ckks::IntegerMap map = to_blocks(m, {});
  ASSERT_EQ(map.blocks.size(), 1u);
  EXPECT_THAT(map.matrices[0].data, ElementsAre(0));
}

}  // namespace
}  // namespace obscura::compile
