// SPDX-License-Identifier: Apache-2.0
#include "calibrate/ranges.h"

#include <algorithm>
#include <numeric>

#include "tests/calibrate/networks.h"

namespace obscura::calibrate {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// One activation on the images themselves.
struct One {
  Builder builder;
  One(nn::Shape shape, Kind kind) : One(shape, Op::function, {.function = approx::default_of(kind)}) {}
  One(nn::Shape shape, Op op, const Attributes& attributes) : builder(shape) {
    builder.flatten(builder.node(op, {0}, attributes));
    const auto inferred = nn::infer_shapes(builder.graph());
    EXPECT_TRUE(inferred.ok()) << inferred.error().message;
  }
};

std::uint64_t total(const approx::Histogram& histogram) {
  return std::accumulate(histogram.counts.begin(), histogram.counts.end(), std::uint64_t{0});
}

TEST(Ranges, HaveTheExactExtremesAndCountEveryArgument) {
  // More images than one block of the executor, so that blocks are put together.
  constexpr std::size_t kImages = 300, kSize = 3 * 5 * 5;
  One one({3, 5, 5}, Kind::relu);
  std::vector<float> images = Numbers(1).normal(kImages * kSize);
  images[7 * kSize + 11] = -9.25F;
  images[299 * kSize + 74] = 17.5F;
  const Calibration calibration = measure_ranges(one.builder.graph(), images, kImages).value();
  ASSERT_EQ(calibration.ranges.size(), 1U);
  EXPECT_EQ(calibration.images, kImages);
  const Range& range = calibration.ranges[0];
  EXPECT_EQ(range.name, "n0");
  EXPECT_EQ(range.low, -9.25);
  EXPECT_EQ(range.high, 17.5);
  EXPECT_EQ(range.largest(), 17.5);
  EXPECT_EQ(total(range.inputs), kImages * kSize);
  // Up to each edge as many as lie below it, give or take those within 1/64 of a part.
  std::sort(images.begin(), images.end());
  const auto below = [&](double x) {
    return static_cast<std::uint64_t>(std::lower_bound(images.begin(), images.end(), x) - images.begin());
  };
  const double width = (17.5 + 9.25) / static_cast<double>(kBins);
  std::uint64_t counted = 0;
  for (std::size_t k = 0; k + 1 < kBins; ++k) {
    counted += range.inputs.counts[k];
    const double edge = -9.25 + width * static_cast<double>(k + 1);
    EXPECT_GE(counted, below(edge - width / 64)) << k;
    EXPECT_LE(counted, below(edge + width / 64)) << k;
  }
  EXPECT_EQ(range.inputs.counts.front(), 1U);
  EXPECT_EQ(range.inputs.counts.back(), 1U);
}

TEST(Ranges, CountTheSameInWhateverOrderTheExtremesCome) {
  constexpr std::size_t kImages = 300, kSize = 4 * 4;
  One one({1, 4, 4}, Kind::relu);
  std::vector<float> images = Numbers(2).normal(kImages * kSize);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = std::ldexp(images[i], static_cast<int>(i % 40) - 20);
  const auto counts = [&] { return measure_ranges(one.builder.graph(), images, kImages)->ranges[0].inputs.counts; };
  const auto as_they_are = counts();
  std::sort(images.begin(), images.end(), [](float a, float b) { return std::abs(a) < std::abs(b); });
  EXPECT_EQ(counts(), as_they_are) << "each block reaches further than all before";
  std::reverse(images.begin(), images.end());
  EXPECT_EQ(counts(), as_they_are);
}

TEST(Ranges, CountAnArgumentThatLiesJustBelowACell) {
  constexpr std::size_t kImages = 40, kSize = 4 * 4;
  One one({1, 4, 4}, Kind::relu);
  std::vector<float> images(kImages * kSize, -500);
  images.front() = -1000;
  images.back() = -1e-30F;  // its distance from the lowest cell is rounded to one cell more than there are
  const Range range = measure_ranges(one.builder.graph(), images, kImages)->ranges[0];
  EXPECT_EQ(range.high, -1e-30F);
  EXPECT_EQ(total(range.inputs), kImages * kSize);
  EXPECT_EQ(range.inputs.counts.back(), 1U);
}

TEST(Ranges, SayWhatAShareOfTheArgumentsStaysBelow) {
  Range range;
  range.inputs = {-4, 4, {1, 0, 3, 90, 4, 0, 0, 2}};  // parts of width 1
  EXPECT_EQ(range.quantile(0.9), 1);
  EXPECT_EQ(range.quantile(0.97), 2);
  EXPECT_EQ(range.quantile(0.971), 4);
  EXPECT_EQ(range.quantile(1), 4);
}

TEST(Ranges, OfAMaximumAreThoseOfDifferences) {
  One one({1, 1, 2}, Op::max_pool, [] {
    Attributes attributes;
    attributes.kernel = {1, 2};
    return attributes;
  }());
  const Calibration calibration = measure_ranges(one.builder.graph(), std::vector<float>{1, 4, 7, 2}, 2).value();
  const Range& range = calibration.ranges.at(0);
  EXPECT_EQ(total(range.inputs), 2U) << "one difference a window of two";
  EXPECT_EQ(range.largest(), 5);
}

TEST(Ranges, CoverEveryFunctionButStraightLines) {
  for (const approx::FunctionRow& one : approx::functions()) {
    if (one.domain != nullptr) continue;  // defined on a part of the numbers; see alike_test.cpp
    Stack stack(4, {one.kind});
    const Calibration calibration = calibration_of(stack.graph(), 50);
    ASSERT_EQ(calibration.ranges.size(), 1U) << one.name;
    EXPECT_EQ(calibration.ranges[0].node, 2U);
    EXPECT_EQ(calibration.ranges[0].operation, one.onnx != nullptr ? one.onnx : one.name);
    EXPECT_EQ(total(calibration.ranges[0].inputs), 200U);
  }
  Builder builder({1, 1, 4});
  approx::Function line{Kind::leaky_relu};
  line.alpha = 1;
  builder.flatten(builder.function(line, 0));
  ASSERT_TRUE(nn::infer_shapes(builder.graph()).ok());
  EXPECT_TRUE(calibration_of(builder.graph(), 3).ranges.empty());
}

TEST(Ranges, LeaveOutSoftmaxAndNormalization) {
  Builder builder({3, 4, 4});
  const auto normal = builder.node(Op::normalization, {0});
  builder.flatten(builder.node(Op::softmax, {builder.function(Kind::relu, normal)}));
  ASSERT_TRUE(nn::infer_shapes(builder.graph()).ok());
  const Calibration calibration = calibration_of(builder.graph(), 5);
  ASSERT_EQ(calibration.ranges.size(), 1U);
  EXPECT_EQ(calibration.ranges[0].operation, "Relu");
}

TEST(Ranges, SkipAPoolOfSingleElements) {
  Attributes attributes;
  attributes.strides = {2, 2};
  One one({1, 4, 4}, Op::max_pool, attributes);
  EXPECT_TRUE(calibration_of(one.builder.graph(), 3).ranges.empty());
}

TEST(Ranges, RefuseWhatGivesNoRange) {
  One one({1, 1, 3}, Kind::relu);
  const auto refusal = [&](const std::vector<float>& images, std::size_t count) {
    return measure_ranges(one.builder.graph(), images, count).error().message;
  };
  EXPECT_THAT(refusal({}, 0), HasSubstr("0 images"));
  EXPECT_THAT(refusal({2, 2, 2}, 1), AllOf(HasSubstr("n0"), HasSubstr("Relu"), HasSubstr("are 2")));
  EXPECT_THAT(refusal({1, std::nanf(""), 2}, 1), AllOf(HasSubstr("n0"), HasSubstr("not all finite")));
  EXPECT_THAT(refusal({1, INFINITY, 2}, 1), HasSubstr("not all finite"));
  for (const std::size_t at : {0U, 100U, 2999U}) {
    std::vector<float> images = Numbers(1).normal(3000);
    images[at] = std::nanf("");
    EXPECT_THAT(refusal(images, 1000), HasSubstr("not all finite")) << "whatever comes after argument " << at;
  }
}

TEST(Ranges, StopWhereTheirProgressSaysSo) {
  One one({1, 1, 3}, Kind::relu);
  const auto stopped =
      measure_ranges(one.builder.graph(), Numbers(1).normal(30), 10, [](std::size_t, std::size_t) { return false; });
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, Code::cancelled);
}

/// {in, out} matrices.
double frobenius(const std::vector<double>& matrix) {
  return std::inner_product(matrix.begin(), matrix.end(), matrix.begin(), 0.0);
}

TEST(Sensitivities, OfALinearNetworkAreThoseOfItsMatrices) {
  // Biases keep every argument positive, where ReLU is linear: noise n behind it moves the logits by n A ..., whose
  // mean square is the sum of the squares of the entries of the product of the matrices that follow.
  constexpr std::int64_t kWidth = 8;
  constexpr std::size_t kImages = 2000;
  Builder builder({1, 1, kWidth});
  Numbers numbers(5);
  const std::vector<float> first = numbers.normal(kWidth * kWidth, 0.3), second = numbers.normal(kWidth * kWidth, 0.3);
  const auto bias = builder.constant({kWidth}, std::vector<float>(kWidth, 100));
  auto at = builder.node(Op::add, {builder.flatten(0), bias});
  at = builder.function(Kind::relu, at);
  at = builder.node(Op::gemm, {at, builder.constant({kWidth, kWidth}, first)});
  at = builder.node(Op::add, {at, builder.constant({kWidth}, std::vector<float>(kWidth, 1000))});
  at = builder.function(Kind::relu, at);
  builder.node(Op::gemm, {at, builder.constant({kWidth, kWidth}, second)});
  ASSERT_TRUE(nn::infer_shapes(builder.graph()).ok());
  const Graph& graph = builder.graph();
  const std::vector<float> images = Numbers(6).normal(kImages * kWidth);
  const Calibration calibration = measure_ranges(graph, images, kImages).value();
  ASSERT_GT(calibration.ranges.at(1).low, 0);
  const auto sensitivities = measure_sensitivities(graph, calibration, images, kImages).value();

  std::vector<double> product(kWidth * kWidth), last(second.begin(), second.end());
  for (std::size_t i = 0; i < kWidth; ++i) {
    for (std::size_t j = 0; j < kWidth; ++j) {
      for (std::size_t k = 0; k < kWidth; ++k) {
        product[i * kWidth + j] += static_cast<double>(first[i * kWidth + k]) * second[k * kWidth + j];
      }
    }
  }
  // A mean of squares of normal numbers over 2000 images: their number of independent directions is at least 2 or so,
  // hence a relative deviation below sqrt(2 / 4000) = 2.2 %; four of them.
  EXPECT_NEAR(sensitivities.at(0) / frobenius(product), 1, 0.09);
  EXPECT_NEAR(sensitivities.at(1) / frobenius(last), 1, 0.09);
  EXPECT_GT(std::abs(frobenius(product) / frobenius(last) - 1), 0.2) << "or the two could be mistaken for each other";
}

TEST(Sensitivities, RefuseLogitsThatAreNotFinite) {
  Builder builder({1, 1, 2});
  auto at = builder.function(Kind::relu, builder.flatten(0));
  at = builder.node(Op::mul, {at, builder.constant({2}, {3e38F, 3e38F})});
  builder.node(Op::mul, {at, builder.constant({2}, {1e3F, 1e3F})});
  ASSERT_TRUE(nn::infer_shapes(builder.graph()).ok());
  const std::vector<float> images = {1, 2, -3, 4};
  const Calibration calibration = measure_ranges(builder.graph(), images, 2).value();
  EXPECT_THAT(measure_sensitivities(builder.graph(), calibration, images, 2).error().message,
              AllOf(HasSubstr("n1"), HasSubstr("logits are not all finite")));
  EXPECT_THAT(measure_sensitivities(builder.graph(), calibration, {}, 0).error().message, HasSubstr("0 images"));
}

TEST(Sensitivities, BelongToTheirGraph) {
  Stack one(4, {Kind::relu}), other(4, {Kind::relu, Kind::relu});
  const Calibration calibration = calibration_of(other.graph(), 8);
  EXPECT_THROW((void)measure_sensitivities(one.graph(), calibration, Numbers(1).normal(32), 8), ContractError);
}

}  // namespace
}  // namespace obscura::calibrate
