// SPDX-License-Identifier: Apache-2.0
// Each operator against numbers worked out by hand: small integers, so that equality is exact.
#include "nn/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/nn/graphs.h"

namespace obscura::nn {
namespace {

using Floats = std::vector<float>;
using Kind = approx::Function::Kind;
using testing::ElementsAre;

Floats run(Builder& builder, const Floats& images, std::size_t count = 1) {
  const auto inferred = infer_shapes(builder.graph());
  EXPECT_TRUE(inferred.ok()) << inferred.error().message;
  return inferred.ok() ? run_reference(builder.graph(), images, count) : Floats();
}

Shape output_shape(Builder& builder) { return builder.graph().values[builder.graph().output].shape; }

Floats counting(std::size_t count) {
  Floats numbers(count);
  for (std::size_t i = 0; i < count; ++i) numbers[i] = static_cast<float>(i + 1);
  return numbers;
}

TEST(Reference, ConvolutionIsACrossCorrelationPlusBias) {
  Builder b({1, 3, 3});
  b.node(Op::conv, {0, b.constant({1, 1, 2, 2}, {1, 2, 3, 4}), b.constant({1}, {100})}, {.kernel = {2, 2}});
  // 1*1 + 2*2 + 3*4 + 4*5 = 37, and 10 more for each step right, 30 for each step down
  EXPECT_THAT(run(b, counting(9)), ElementsAre(137, 147, 167, 177));
  EXPECT_EQ(output_shape(b), (Shape{1, 2, 2}));
}

TEST(Reference, ConvolutionSumsOverChannelsAndWritesOneMapPerFilter) {
  Builder b({2, 1, 2});
  b.node(Op::conv, {0, b.constant({2, 2, 1, 1}, {1, 10, 100, 1000})});
  EXPECT_THAT(run(b, {1, 2, 3, 4}), ElementsAre(31, 42, 3100, 4200));
}

TEST(Reference, ConvolutionPadsEachSideByItsOwnNumber) {
  Builder b({1, 1, 2});
  b.node(Op::conv, {0, b.constant({1, 1, 2, 2}, {1, 2, 3, 4})}, {.kernel = {2, 2}, .pads = {1, 2, 0, 1}});
  // the padded rows: 0 0 0 0 0 / 0 0 5 7 0
  EXPECT_THAT(run(b, {5, 7}), ElementsAre(0, 20, 43, 21));
  EXPECT_EQ(output_shape(b), (Shape{1, 1, 4}));
}

TEST(Reference, ConvolutionStridesDilatesAndGroupsByAxis) {
  Builder strided({1, 3, 5});
  strided.node(Op::conv, {0, strided.constant({1, 1, 1, 1}, {1})}, {.strides = {2, 3}});
  EXPECT_THAT(run(strided, counting(15)), ElementsAre(1, 4, 11, 14));

  Builder dilated({1, 3, 4});
  dilated.node(Op::conv, {0, dilated.constant({1, 1, 2, 2}, {1, 10, 100, 1000})},
               {.kernel = {2, 2}, .dilations = {2, 3}});
  EXPECT_THAT(run(dilated, counting(12)), ElementsAre(1 + 40 + 900 + 12000));

  Builder grouped({4, 1, 1});
  grouped.node(Op::conv, {0, grouped.constant({2, 2, 1, 1}, {1, 10, 100, 1000})}, {.groups = 2});
  EXPECT_THAT(run(grouped, {1, 2, 3, 4}), ElementsAre(21, 4300));
}

TEST(Reference, PaddingLargerThanTheImageIsAllZeros) {
  Builder b({1, 1, 1});
  b.node(Op::conv, {0, b.constant({1, 1, 1, 2}, {1, 10})},
         {.kernel = {1, 2}, .dilations = {1, 2}, .pads = {0, 3, 0, 3}});
  EXPECT_THAT(run(b, {7}), ElementsAre(0, 70, 0, 7, 0));
}

TEST(Reference, ADilatedWindowThatStartsInThePaddingSkipsToItsFirstPixelInside) {
  Builder b({1, 2, 3});
  b.node(Op::conv, {0, b.constant({1, 1, 1, 3}, {1, 10, 100})},
         {.kernel = {1, 3}, .dilations = {1, 2}, .pads = {0, 3, 0, 1}});
  // over 0 0 0 1 2 3 0 and 0 0 0 4 5 6 0
  EXPECT_THAT(run(b, {1, 2, 3, 4, 5, 6}), ElementsAre(200, 10 + 300, 20, 500, 40 + 600, 50));
}

TEST(Reference, AnOutputThatAnotherNodeReadsTooStays) {
  Builder b({1, 1, 2});
  const ValueId square = b.node(Op::mul, {0, 0});
  b.node(Op::add, {square, 0});
  b.graph().output = square;
  EXPECT_THAT(run(b, {2, 3}), ElementsAre(4, 9));
}

TEST(Reference, BatchNormalizationScalesByTheRootOfTheVariance) {
  Builder b({2, 1, 2});
  b.node(
      Op::batch_normalization,
      {0, b.constant({2}, {6, 1}), b.constant({2}, {10, 0}), b.constant({2}, {1, -1}), b.constant({2}, {3.75F, 0.75F})},
      {.epsilon = 0.25F});
  EXPECT_THAT(run(b, {1, 3, 0, 4}), ElementsAre(10, 16, 1, 5));
}

TEST(Reference, AveragePoolCountsThePaddingOnlyWhereAsked) {
  for (const bool whole : {false, true}) {
    Builder b({1, 2, 2});
    b.node(Op::average_pool, {0},
           {.kernel = {2, 2}, .strides = {2, 2}, .pads = {1, 1, 1, 1}, .count_include_pad = whole});
    const Floats images = {4, 8, 12, 16};
    EXPECT_EQ(run(b, images), whole ? Floats({1, 2, 3, 4}) : images);
  }
}

TEST(Reference, GlobalAveragePoolIsTheMeanOfEachChannel) {
  Builder b({2, 1, 2});
  b.node(Op::global_average_pool, {0});
  EXPECT_THAT(run(b, {1, 3, 10, 20}), ElementsAre(2, 15));
  EXPECT_EQ(output_shape(b), (Shape{2, 1, 1}));
}

TEST(Reference, GemmReadsItsWeightEitherWayRoundAndScales) {
  for (const bool transposed : {false, true}) {
    Builder b({1, 1, 2});
    const ValueId flat = b.reshape(0, {2});
    const ValueId weight =
        transposed ? b.constant({3, 2}, {1, 10, 2, 20, 3, 30}) : b.constant({2, 3}, {1, 2, 3, 10, 20, 30});
    b.node(Op::gemm, {flat, weight, b.constant({3}, {1, 2, 3})}, {.transpose_b = transposed, .alpha = 2, .beta = 100});
    EXPECT_THAT(run(b, {1, 2}), ElementsAre(142, 284, 426));
  }
}

TEST(Reference, ReshapeKeepsTheOrder) {
  Builder b({2, 2, 1});
  b.reshape(b.reshape(0, {1, 4, 1, 1}), {4});
  EXPECT_THAT(run(b, {4, 3, 2, 1}), ElementsAre(4, 3, 2, 1));
  EXPECT_EQ(output_shape(b), (Shape{4}));
}

TEST(Reference, TransposePutsTheAxesInTheirNewOrder) {
  Builder b({2, 2, 3});
  b.node(Op::transpose, {0}, {.permutation = {2, 0, 1}});
  EXPECT_THAT(run(b, counting(12)), ElementsAre(1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12));
  EXPECT_EQ(output_shape(b), (Shape{3, 2, 2}));
}

TEST(Reference, GatherTakesElementsOfAnAxisInAnyOrderAndTwice) {
  Builder b({1, 2, 3});
  b.node(Op::gather, {0}, {.axis = 2, .indices = {2, 0, 2, 2}});
  EXPECT_THAT(run(b, counting(6)), ElementsAre(3, 1, 3, 3, 6, 4, 6, 6));
  EXPECT_EQ(output_shape(b), (Shape{1, 2, 4}));
}

TEST(Reference, MatMulMultipliesMatricesOfTheSameLeadingSizes) {
  Builder b({2, 2, 2});
  b.node(Op::matmul, {0, b.node(Op::transpose, {0}, {.permutation = {0, 2, 1}})});
  // 1 2 / 3 4 times 1 3 / 2 4, and 5 6 / 7 8 times 5 7 / 6 8
  EXPECT_THAT(run(b, counting(8)), ElementsAre(5, 11, 11, 25, 61, 83, 83, 113));
  EXPECT_EQ(output_shape(b), (Shape{2, 2, 2}));
}

TEST(Reference, SoftmaxIsOfEachRowAndDoesNotOverflow) {
  Builder b({1, 2, 2});
  b.node(Op::softmax, {0});
  const Floats out = run(b, {1000, 1000 + std::log(3.0F), -1000, -1000});
  EXPECT_THAT(out, ElementsAre(testing::FloatNear(0.25F, 1e-5F), testing::FloatNear(0.75F, 1e-5F), 0.5F, 0.5F));
}

TEST(Reference, NormalizationHasMeanZeroAndVarianceOneOfEachChannel) {
  Builder b({2, 1, 2});
  b.node(Op::normalization, {0}, {.epsilon = 3});
  // means 2 and 4, variances 1 and 1; with epsilon divided by 2
  EXPECT_THAT(run(b, {1, 3, 5, 3}), ElementsAre(-0.5F, 0.5F, 0.5F, -0.5F));
}

TEST(Reference, MulAndAddBroadcastConstantsOfEveryUsualShape) {
  const Floats image = {1, 2, 3, 4};  // {2, 1, 2}
  const std::vector<std::pair<Shape, Floats>> constants = {{{}, {10}},
                                                           {{1}, {10}},
                                                           {{2}, {10, 20}},
                                                           {{2, 1, 1}, {10, 20}},
                                                           {{1, 2, 1, 1}, {10, 20}},
                                                           {{2, 1, 2}, {10, 20, 30, 40}}};
  const std::vector<Floats> products = {{10, 20, 30, 40}, {10, 20, 30, 40}, {10, 40, 30, 80},
                                        {10, 20, 60, 80}, {10, 20, 60, 80}, {10, 40, 90, 160}};
  const std::vector<Floats> sums = {{11, 12, 13, 14}, {11, 12, 13, 14}, {11, 22, 13, 24},
                                    {11, 12, 23, 24}, {11, 12, 23, 24}, {11, 22, 33, 44}};
  for (std::size_t i = 0; i < constants.size(); ++i) {
    for (const bool constant_first : {false, true}) {
      for (const Op op : {Op::mul, Op::add}) {
        Builder b({2, 1, 2});
        const ValueId c = b.constant(constants[i].first, constants[i].second);
        b.node(op, constant_first ? std::vector<ValueId>{c, 0} : std::vector<ValueId>{0, c});
        EXPECT_EQ(run(b, image), op == Op::mul ? products[i] : sums[i])
            << to_string(op) << " of " << to_string(constants[i].first);
      }
    }
  }
}

TEST(Reference, MulAndAddOfTwoValuesGoElementByElementOrStretchOne) {
  Builder square({1, 1, 3});
  square.node(Op::mul, {0, 0});
  EXPECT_THAT(run(square, {1, -2, 3}), ElementsAre(1, 4, 9));

  Builder gate({2, 1, 2});
  gate.node(Op::mul, {gate.node(Op::global_average_pool, {0}), 0});
  EXPECT_THAT(run(gate, {1, 3, 2, 4}), ElementsAre(2, 6, 6, 12));
}

TEST(Reference, PowRaisesToAConstantExponent) {
  Builder b({1, 1, 3});
  b.node(Op::pow, {0, b.constant({}, {3})});
  EXPECT_THAT(run(b, {2, -3, 0.5F}), ElementsAre(8, -27, 0.125F));
}

/// f of each number, where the graph is one node.
Floats apply(Kind kind, const Floats& numbers) {
  Builder b({1, 1, static_cast<std::int64_t>(numbers.size())});
  b.function(kind, 0);
  return run(b, numbers);
}

TEST(Reference, ReluAndItsLeakyFormTurnAtZero) {
  EXPECT_THAT(apply(Kind::relu, {-2, -0.5F, 0, 3}), ElementsAre(0, 0, 0, 3));
  Builder leaky({1, 1, 3});
  Attributes slope = function_of(Kind::leaky_relu);
  slope.function.alpha = 0.25;
  leaky.node(Op::function, {0}, slope);
  EXPECT_THAT(run(leaky, {-2, 0, 3}), ElementsAre(-0.5F, 0, 3));
}

TEST(Reference, SmoothActivationsHaveTheirTabulatedValues) {
  using testing::FloatEq;
  // From tables of e: e = 2.718281828, erf(1) = 0.8427007929, tanh(1) = 0.7615941560, log 2 = 0.6931471806.
  EXPECT_THAT(apply(Kind::sigmoid, {0, 1, -1}), ElementsAre(0.5F, FloatEq(0.731058579F), FloatEq(0.268941421F)));
  EXPECT_THAT(apply(Kind::tanh, {0, 1, -1}), ElementsAre(0, FloatEq(0.761594156F), FloatEq(-0.761594156F)));
  EXPECT_THAT(apply(Kind::softplus, {0, 1, -1}),
              ElementsAre(FloatEq(0.693147181F), FloatEq(1.313261688F), FloatEq(0.313261688F)));
  EXPECT_THAT(apply(Kind::swish, {0, 1, -1}), ElementsAre(0, FloatEq(0.731058579F), FloatEq(-0.268941421F)));
  EXPECT_THAT(apply(Kind::gelu, {0, 1.41421356F}), ElementsAre(0, FloatEq(1.41421356F * 0.92135039647F)));
  // softplus(0) = log 2, tanh(log 2) = (2 - 1/2) / (2 + 1/2) = 0.6; softplus(log(e - 1)) = 1
  EXPECT_THAT(apply(Kind::mish, {0, 0.541324855F}), ElementsAre(0, FloatEq(0.541324855F * 0.761594156F)));
}

TEST(Reference, SmoothActivationsDoNotOverflow) {
  const Floats far = {-1e4F, 1e4F};
  EXPECT_THAT(apply(Kind::sigmoid, far), ElementsAre(0, 1));
  EXPECT_THAT(apply(Kind::softplus, far), ElementsAre(0, 1e4F));
  EXPECT_THAT(apply(Kind::swish, far), ElementsAre(0, 1e4F));
  EXPECT_THAT(apply(Kind::gelu, far), ElementsAre(0, 1e4F));
  EXPECT_THAT(apply(Kind::mish, far), ElementsAre(0, 1e4F));
}

TEST(Reference, MaxPoolTakesTheLargestInsideAndNeverThePadding) {
  Builder b({1, 2, 3});
  b.node(Op::max_pool, {0}, {.kernel = {2, 2}, .strides = {1, 2}, .pads = {1, 0, 0, 1}});
  EXPECT_THAT(run(b, {-1, -2, -3, -4, -5, -6}), ElementsAre(-1, -3, -1, -3));
  EXPECT_EQ(output_shape(b), (Shape{1, 2, 2}));
}

TEST(Reference, MaxPoolDilates) {
  Builder b({1, 1, 5});
  b.node(Op::max_pool, {0}, {.kernel = {1, 3}, .dilations = {1, 2}, .pads = {0, 1, 0, 1}});
  // over - 1 9 2 8 3 -: taps 9 8 | 1 2 3 | 9 8
  EXPECT_THAT(run(b, {1, 9, 2, 8, 3}), ElementsAre(9, 3, 9));
}

TEST(Reference, ConcatPutsTheChannelsOneAfterTheOther) {
  Builder b({1, 1, 2});
  const ValueId square = b.node(Op::mul, {0, 0});
  const ValueId wide = b.node(Op::concat, {0, square, 0});
  EXPECT_THAT(run(b, {2, 3}), ElementsAre(2, 3, 4, 9, 2, 3));
  EXPECT_EQ(output_shape(b), (Shape{3, 1, 2}));
  const ValueId flat = b.reshape(wide, {6});
  b.node(Op::concat, {flat, flat});
  EXPECT_THAT(run(b, {2, 3}), ElementsAre(2, 3, 4, 9, 2, 3, 2, 3, 4, 9, 2, 3));
}

TEST(Reference, SliceTakesEveryStepthElementOfEachAxis) {
  Builder b({3, 2, 4});
  b.node(Op::slice, {0}, {.starts = {0, 1, 1}, .steps = {2, 1, 2}, .sizes = {2, 1, 2}});
  // channel 0 is 1..8 in rows of 4, channel 2 is 17..24
  EXPECT_THAT(run(b, counting(24)), ElementsAre(6, 8, 22, 24));
  EXPECT_EQ(output_shape(b), (Shape{2, 1, 2}));
}

TEST(Reference, PadPutsZerosAroundEachAxis) {
  Builder b({1, 1, 2});
  b.node(Op::pad, {0}, {.pads_before = {1, 0, 0}, .pads_after = {0, 1, 2}});
  EXPECT_THAT(run(b, {5, 7}), ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 5, 7, 0, 0, 0, 0, 0, 0));
  EXPECT_EQ(output_shape(b), (Shape{2, 2, 4}));
}

TEST(Reference, LocalResponseNormalizationSumsOverTheChannelsAround) {
  Builder b({4, 1, 1});
  b.node(Op::lrn, {0}, {.alpha = 6, .beta = 1, .size = 2, .bias = 1});
  // of 2 channels: none before, one after; x / (1 + 3 (x^2 + next^2))
  EXPECT_THAT(run(b, {1, 0, 2, 1}), ElementsAre(1.0F / 4, 0, 2.0F / 16, 1.0F / 4));
  Builder wide({3, 1, 1});
  wide.node(Op::lrn, {0}, {.alpha = 3, .beta = 0.5F, .size = 3, .bias = 2});
  // x / sqrt(2 + sum of squares of the three around)
  EXPECT_THAT(run(wide, {1, 1, -5}),
              ElementsAre(0.5F, testing::FloatEq(1 / std::sqrt(29.0F)), testing::FloatEq(-5 / std::sqrt(28.0F))));
}

TEST(Reference, SumsInDoublePrecision) {
  Builder b({1, 1, 3});
  b.node(Op::conv, {0, b.constant({1, 1, 1, 3}, {1, 1, 1})}, {.kernel = {1, 3}});
  // In floats 2^30 + 1 is 2^30, and the answer would be 0.
  EXPECT_THAT(run(b, {1073741824.0F, 1, -1073741824.0F}), ElementsAre(1));
}

TEST(Reference, EachImageHasItsOwnAnswerWhateverTheirNumber) {
  Builder b({1, 1, 2});
  b.node(Op::add, {b.node(Op::mul, {0, 0}), b.constant({2}, {1, 2})});
  for (const std::size_t count : {0U, 1U, 15U, 16U, 17U, 100U}) {
    const Floats images = counting(2 * count);
    const Floats answers = run(b, images, count);
    ASSERT_EQ(answers.size(), images.size());
    for (std::size_t i = 0; i < images.size(); ++i) {
      EXPECT_EQ(answers[i], images[i] * images[i] + static_cast<float>(1 + i % 2)) << i << " of " << count;
    }
  }
}

TEST(Reference, ImagesOfTheWrongSizeAreABrokenContract) {
  Builder b({1, 1, 2});
  b.reshape(0, {2});
  ASSERT_TRUE(infer_shapes(b.graph()).ok());
  EXPECT_THROW(run_reference(b.graph(), counting(3), 1), ContractError);
  EXPECT_THROW(run_reference(b.graph(), counting(4), 1), ContractError);
}

/// The sentence that refuses one node of an image {2, 4, 4}.
std::string refusal(Op op, const Attributes& attributes) {
  Builder b({2, 4, 4});
  b.node(op, {0}, attributes);
  const auto inferred = infer_shapes(b.graph());
  EXPECT_FALSE(inferred.ok()) << to_string(op);
  return inferred.ok() ? "" : inferred.error().message;
}

TEST(InferShapes, RefusesWhatLeavesTheImage) {
  using testing::HasSubstr;
  EXPECT_THAT(refusal(Op::slice, {.starts = {0, 0, 3}, .steps = {1, 1, 1}, .sizes = {2, 4, 2}}),
              HasSubstr("axis 2, which has 4"));
  EXPECT_THAT(refusal(Op::slice, {.starts = {0, 0, 0}, .steps = {1, 3, 1}, .sizes = {2, 3, 4}}),
              HasSubstr("axis 1, which has 4"));
  EXPECT_THAT(refusal(Op::slice, {.starts = {-1, 0, 0}, .steps = {1, 1, 1}, .sizes = {1, 4, 4}}),
              HasSubstr("1 elements from -1"));
  EXPECT_THAT(refusal(Op::slice, {.starts = {0, 0, 0}, .steps = {1, 1, 1}, .sizes = {0, 4, 4}}),
              HasSubstr("0 elements"));
  EXPECT_THAT(refusal(Op::pad, {.pads_before = {0, 0, 0}, .pads_after = {0, -1, 0}}), HasSubstr("a pad of -1"));
  EXPECT_THAT(refusal(Op::transpose, {.permutation = {0, 1, 1}}), HasSubstr("each axis once"));
  EXPECT_THAT(refusal(Op::transpose, {.permutation = {0, 1}}), HasSubstr("each axis once"));
  EXPECT_THAT(refusal(Op::gather, {.axis = 1, .indices = {0, 4}}), HasSubstr("element 4 of 4"));
  EXPECT_THAT(refusal(Op::gather, {.axis = 3, .indices = {0}}), HasSubstr("axis 3"));
  EXPECT_THAT(refusal(Op::gather, {.axis = 1}), HasSubstr("0 elements"));
  EXPECT_THAT(refusal(Op::reshape, {.shape = {2, 4, 5}}), HasSubstr("2x4x5"));
  EXPECT_THAT(refusal(Op::lrn, {.size = 0}), HasSubstr("size 0"));
  EXPECT_THAT(refusal(Op::lrn, {.bias = 0}), HasSubstr("bias 0"));
  EXPECT_THAT(refusal(Op::max_pool, {.kernel = {2, 2}, .pads = {2, 0, 0, 0}}), HasSubstr("without one element"));
  EXPECT_THAT(refusal(Op::max_pool, {.kernel = {2, 2}, .pads = {0, 0, 0, 2}}), HasSubstr("without one element"));
  EXPECT_THAT(refusal(Op::max_pool, {.kernel = {2, 1}, .dilations = {5, 1}, .pads = {4, 0, 4, 0}}),
              HasSubstr("without one element"));
}

TEST(InferShapes, RefusesAConcatOfOtherSizesAndNamesBoth) {
  Builder b({2, 4, 4});
  const ValueId smaller = b.node(Op::max_pool, {0}, {.kernel = {2, 2}, .strides = {2, 2}});
  b.node(Op::concat, {0, smaller});
  const auto inferred = infer_shapes(b.graph());
  ASSERT_FALSE(inferred.ok());
  EXPECT_THAT(inferred.error().message, testing::AllOf(testing::HasSubstr("2x4x4"), testing::HasSubstr("2x2x2")));
}

TEST(InferShapes, NamesTheNodeAndBothShapes) {
  Builder b({1, 1, 3});
  const ValueId flat = b.reshape(0, {3});
  b.node(Op::gemm, {flat, b.constant({4, 2}, Floats(8))});
  const auto inferred = infer_shapes(b.graph());
  ASSERT_FALSE(inferred.ok());
  const std::string& message = inferred.error().message;
  for (const char* part : {"node 'n1'", "4x2", "3"}) EXPECT_NE(message.find(part), std::string::npos) << message;
}

}  // namespace
}  // namespace obscura::nn
