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
    const ValueId flat = b.node(Op::flatten, {0});
    const ValueId weight =
        transposed ? b.constant({3, 2}, {1, 10, 2, 20, 3, 30}) : b.constant({2, 3}, {1, 2, 3, 10, 20, 30});
    b.node(Op::gemm, {flat, weight, b.constant({3}, {1, 2, 3})}, {.transpose_b = transposed, .alpha = 2, .beta = 100});
    EXPECT_THAT(run(b, {1, 2}), ElementsAre(142, 284, 426));
  }
}

TEST(Reference, FlattenAndIdentityKeepTheOrder) {
  Builder b({2, 2, 1});
  b.node(Op::flatten, {b.node(Op::identity, {0})});
  EXPECT_THAT(run(b, {4, 3, 2, 1}), ElementsAre(4, 3, 2, 1));
  EXPECT_EQ(output_shape(b), (Shape{4}));
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
  b.node(Op::identity, {0});
  ASSERT_TRUE(infer_shapes(b.graph()).ok());
  EXPECT_THROW(run_reference(b.graph(), counting(3), 1), ContractError);
  EXPECT_THROW(run_reference(b.graph(), counting(4), 1), ContractError);
}

TEST(InferShapes, NamesTheNodeAndBothShapes) {
  Builder b({1, 1, 3});
  const ValueId flat = b.node(Op::flatten, {0});
  b.node(Op::gemm, {flat, b.constant({4, 2}, Floats(8))});
  const auto inferred = infer_shapes(b.graph());
  ASSERT_FALSE(inferred.ok());
  const std::string& message = inferred.error().message;
  for (const char* part : {"node 'n1'", "4x2", "3"}) EXPECT_NE(message.find(part), std::string::npos) << message;
}

}  // namespace
}  // namespace obscura::nn
