// SPDX-License-Identifier: Apache-2.0
#include "approx/sign.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/approx/grid.h"

namespace obscura::approx {
namespace {

using ::testing::HasSubstr;

constexpr int kPublishedDepth[] = {4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15};  ///< of the ReLU, alpha 4 ... 14

class ReluOf : public testing::TestWithParam<int> {};

TEST_P(ReluOf, KeepsItsCertificateAndAlphaAndThePublishedDepth) {
  const int alpha = GetParam();
  const Result<Activation> y = relu(alpha, 1);
  ASSERT_TRUE(y.ok()) << y.error().message;
  const double seen = largest_difference([&](double x) { return by_cosines(*y, x); },
                                         [](double x) { return std::max(x, 0.0); }, grid(-1, 1, 12000));
  EXPECT_LE(y->certificate.max_error, std::exp2(-alpha));
  EXPECT_LE(seen, y->certificate.max_error);
  EXPECT_GE(seen, 0.98 * y->certificate.max_error) << "a certificate that says little";
  if (alpha >= 4 && alpha <= 14) {
    EXPECT_LE(y->certificate.depth, kPublishedDepth[alpha - 4]);
  }

  const Certificate& sign = y->composite.certificate;
  const double seen_sign = largest_difference([&](double x) { return by_cosines(y->composite, x); },
                                              [](double) { return 1.0; }, grid(sign.low, sign.high, 4000));
  EXPECT_LE(seen_sign, sign.max_error * (1 + 1e-12));
  EXPECT_NEAR(by_cosines(y->composite, -0.7), -by_cosines(y->composite, 0.7), 1e-15);
}

INSTANTIATE_TEST_SUITE_P(Alpha, ReluOf, testing::Range(kMinAlpha, kMaxAlpha + 1));

TEST(Relu, ScalesWithItsBound) {
  const Activation unit = *relu(7, 1);
  const Activation wide = *relu(7, 40);
  EXPECT_DOUBLE_EQ(wide.certificate.max_error, 40 * unit.certificate.max_error);
  EXPECT_EQ(wide.certificate.low, -40);
  EXPECT_EQ(wide.certificate.high, 40);
  for (const double x : {-40.0, -3.0, 0.1, 17.0}) EXPECT_NEAR(evaluate(wide, x), 40 * evaluate(unit, x / 40), 1e-13);
}

TEST(Relu, CostsOneMultiplicationMoreThanItsSign) {
  const Activation y = *relu(SignChoice{{15, 15, 27}}, 1);
  EXPECT_EQ(y.composite.certificate.depth, 13);
  EXPECT_EQ(y.certificate.depth, 14);
  EXPECT_EQ(y.composite.certificate.multiplications, 8 + 8 + 10);
  EXPECT_EQ(y.certificate.multiplications, 27);
}

TEST(Relu, HasTheBestEpsilonUnlessOneIsGiven) {
  const SignChoice free{{7, 15}};
  const Activation best = *relu(free, 1);
  for (const double factor : {0.9, 0.99, 1.01, 1.1}) {
    SignChoice other = free;
    other.epsilon = factor * best.composite.certificate.low;
    EXPECT_GT(relu(other, 1)->certificate.max_error, best.certificate.max_error) << factor;
  }
}

TEST(Relu, OfOneStageIsBetterThanOneFromTheSignOfThatDegree) {
  const Activation weighted = *relu(SignChoice{{15}}, 1);
  for (const double epsilon : {0.05, 0.06, 0.07, 0.08}) {
    EXPECT_LT(weighted.certificate.max_error, relu(SignChoice{{15}, epsilon}, 1)->certificate.max_error);
  }
}

TEST(Sign, MapsEachStageIntoTheIntervalOfTheNext) {
  const SignChoice choice{{7, 7, 13}, 0.0126953125};
  const Composite p = *sign(choice);
  ASSERT_EQ(p.stages.size(), 3U);
  for (const double x : grid(choice.epsilon, 1, 20000)) {
    double y = x;
    for (const Polynomial& stage : p.stages) {
      EXPECT_LE(std::abs(y), stage.high);
      y = evaluate(stage, y);
    }
  }
}

TEST(Sign, LeavesTheMarginThatIsAskedFor) {
  SignChoice choice{{7, 7}, 0.1};
  choice.margin = 0;
  const Composite tight = *sign(choice);
  choice.margin = 0.005;
  const Composite wide = *sign(choice);
  EXPECT_NEAR(wide.stages[1].high - tight.stages[1].high, 0.005, 1e-12);
  EXPECT_GT(wide.certificate.max_error, tight.certificate.max_error);
}

TEST(Sign, KeepsItsCertificateWhereErrorsAreBelowDoubles) {
  // Intervals as narrow as these stages could have would need hundreds of digits.
  const std::vector<SignChoice> choices = {{{63}, 0.99},
                                           {{7, 61, 25}, 0.05, 0},
                                           {{15, 41, 51}, 0.34},
                                           {{3, 57, 13, 13, 13, 3, 15, 45, 11, 15, 45, 3}, 0.4, 0},
                                           {{35, 13, 7, 15, 7, 7, 15, 51}}};
  for (const SignChoice& choice : choices) {
    const Result<Activation> y = relu(choice, 1);
    ASSERT_TRUE(y.ok()) << y.error().message;
    const double seen = largest_difference([&](double x) { return by_cosines(*y, x); },
                                           [](double x) { return std::max(x, 0.0); }, grid(-1, 1, 2000));
    EXPECT_LE(seen, y->certificate.max_error) << testing::PrintToString(choice.degrees);
    const Certificate& sign = y->composite.certificate;
    EXPECT_NEAR(by_cosines(y->composite, sign.low), 1, sign.max_error);
    EXPECT_NEAR(by_cosines(y->composite, 1), 1, sign.max_error);
  }
}

TEST(Sign, OfAlphaComparesToAlphaBits) {
  for (const int alpha : {4, 9}) {
    const Result<Composite> p = sign(alpha);
    ASSERT_TRUE(p.ok()) << p.error().message;
    const double seen = largest_difference([&](double x) { return by_cosines(*p, x); }, [](double) { return 1.0; },
                                           grid(std::exp2(-alpha), 1, 20000));
    EXPECT_LE(seen, std::exp2(1 - alpha));
  }
}

TEST(Sign, RefusesWhatIsOutOfBounds) {
  EXPECT_THAT(sign(0).error().message, HasSubstr("alpha 0; it lies between 1 and 16"));
  EXPECT_THAT(relu(17, 1).error().message, HasSubstr("alpha 17"));
  EXPECT_THAT(relu(7, 0).error().message, HasSubstr("bound 0"));
  EXPECT_THAT(relu(7, -1).error().message, HasSubstr("bound -1"));
  EXPECT_FALSE(relu(7, std::nan("")).ok());
  EXPECT_FALSE(relu(7, 1e9).ok());
  EXPECT_THAT(sign(SignChoice{{}}).error().message, HasSubstr("0 stages"));
  EXPECT_THAT(sign(SignChoice{std::vector<int>(13, 3)}).error().message, HasSubstr("13 stages"));
  EXPECT_THAT(sign(SignChoice{{7, 8}}).error().message, HasSubstr("degree 8"));
  EXPECT_THAT(sign(SignChoice{{1}}).error().message, HasSubstr("degree 1;"));
  EXPECT_THAT(sign(SignChoice{{65}}).error().message, HasSubstr("degree 65"));
  EXPECT_THAT(sign(SignChoice{{7}, 1.5}).error().message, HasSubstr("epsilon 1.5"));
  EXPECT_THAT(sign(SignChoice{{7}, -0.1}).error().message, HasSubstr("epsilon -0.1"));
  EXPECT_THAT(sign(SignChoice{{7}, 0.1, 0.5}).error().message, HasSubstr("margin 0.5"));
}

}  // namespace
}  // namespace obscura::approx
