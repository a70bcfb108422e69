// SPDX-License-Identifier: Apache-2.0
#include "approx/polynomial.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "approx/prepared.h"
#include "base/check.h"
#include "tests/approx/grid.h"

namespace obscura::approx {
namespace {

Polynomial random_polynomial(int degree, double low, double high, bool odd, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  Polynomial p{low, high, {}};
  for (int k = 0; k <= degree; ++k) p.coefficients.push_back(odd && k % 2 == 0 ? 0.0 : uniform(generator));
  return p;
}

Activation direct(Polynomial p) {
  Activation out;
  out.composite.stages.push_back(std::move(p));
  return out;
}

std::vector<float> inputs(double low, double high, std::size_t count) {
  std::vector<float> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = static_cast<float>(low + (high - low) * static_cast<double>(i) / static_cast<double>(count));
  }
  return out;
}

TEST(PolynomialValue, IsTheSumOfItsDefinition) {
  for (const int degree : {0, 1, 2, 5, 30, 63}) {
    const Polynomial p = random_polynomial(degree, -3, 7, false, 1);
    // Clenshaw's rounding: about 2 n^2 u sum |c| at worst.
    const double tolerance = 4e-16 * (degree + 1) * (degree + 1);
    for (const double x : grid(-3, 7, 400))
      EXPECT_NEAR(evaluate(p, x), static_cast<double>(by_cosines(p, x)), tolerance);
  }
}

TEST(PolynomialValue, GoesOnOutsideOfTheInterval) {
  const Polynomial square{-1, 1, {0.5, 0, 0.5}};  // x^2
  EXPECT_DOUBLE_EQ(evaluate(square, 10), 100);
}

TEST(CompositeValue, AppliesTheFirstStageFirst) {
  const Composite p{{{-1, 1, {0, 2}}, {-2, 2, {1, 2}}}, {}};  // x -> 2x -> 1 + 2x
  EXPECT_DOUBLE_EQ(evaluate(p, 0.25), 1.5);
}

TEST(ActivationValue, OfTheReluFormScalesByItsBound) {
  Activation y;
  y.form = Activation::Form::relu;
  y.bound = 10;
  y.composite.stages = {{-1, 1, {0, 1}}};  // sign(x) ~ x
  EXPECT_DOUBLE_EQ(evaluate(y, 4), 4 * (1 + 0.4) / 2);
  std::vector<double> several(33, -3);
  several[32] = 4;
  evaluate(y, several);
  EXPECT_EQ(several[0], evaluate(y, -3));
  EXPECT_EQ(several[32], evaluate(y, 4));
}

struct Shape {
  int degree;
  bool odd;
};

class OnSpans : public testing::TestWithParam<Shape> {};

TEST_P(OnSpans, GivesWhatOneValueGives) {
  const Activation y = direct(random_polynomial(GetParam().degree, -2, 2, GetParam().odd, 7));
  double sum = 0;
  for (const double c : y.composite.stages.front().coefficients) sum += std::abs(c);
  // Every size around the width of the vectors: remainders are values like the others.
  for (const std::size_t size : {0U, 1U, 3U, 15U, 16U, 17U, 31U, 32U, 33U, 64U, 1001U}) {
    const std::vector<float> in = inputs(-2, 2, size);
    std::vector<float> out(size + 1, 42.0F);
    evaluate(y, in, std::span(out).first(size));
    for (std::size_t i = 0; i < size; ++i) {
      // Half a unit of the float that carries it, and kHornerLimit's 2^-25.
      EXPECT_NEAR(out[i], evaluate(y, in[i]), 0x1p-24 * sum + 0x1p-25) << size << " " << i;
    }
    std::vector<double> doubles(in.begin(), in.end());
    evaluate(y, doubles);
    for (std::size_t i = 0; i < size; ++i) EXPECT_EQ(doubles[i], evaluate(y, double{in[i]})) << size << " " << i;
    EXPECT_EQ(out[size], 42.0F);
  }
}

INSTANTIATE_TEST_SUITE_P(Degrees, OnSpans,
                         testing::Values(Shape{0, false}, Shape{1, false}, Shape{1, true}, Shape{4, false},
                                         Shape{7, true}, Shape{15, true}, Shape{31, true}, Shape{31, false},
                                         Shape{63, true}, Shape{63, false}),
                         [](const auto& shape) {
                           return (shape.param.odd ? "Odd" : "General") + std::to_string(shape.param.degree);
                         });

TEST(OnSpans, WorksInPlace) {
  const Activation y = direct(random_polynomial(9, -1, 1, true, 3));
  std::vector<float> values = inputs(-1, 1, 100);
  const std::vector<float> in = values;
  std::vector<float> out(100);
  evaluate(y, in, out);
  evaluate(y, values, values);
  EXPECT_EQ(values, out);
}

TEST(OnSpans, CarriesInfinityAndNanToThoseValuesOnly) {
  Activation y = direct(random_polynomial(7, -1, 1, true, 4));
  y.form = Activation::Form::relu;
  const std::vector<float> in = {0.5F, std::numeric_limits<float>::infinity(), std::nanf(""), -0.5F};
  std::vector<float> out(4);
  evaluate(y, in, out);
  EXPECT_TRUE(std::isfinite(out[0]));
  EXPECT_FALSE(std::isfinite(out[1]));
  EXPECT_TRUE(std::isnan(out[2]));
  EXPECT_TRUE(std::isfinite(out[3]));
}

TEST(OnSpans, RefusesSpansOfDifferentSizesAndPolynomialsOfNothing) {
  std::vector<float> three(3);
  std::vector<float> four(4);
  EXPECT_THROW(evaluate(direct({-1, 1, {1}}), three, four), ContractError);
  EXPECT_THROW(evaluate(direct({-1, 1, {}}), three, three), ContractError);
  EXPECT_THROW(evaluate(direct({1, 1, {1}}), three, three), ContractError);
}

TEST(PreparedStages, UseMonomialsOnlyWhereTheyStaySmall) {
  // Odd ones have half the terms in s = 2 t^2 - 1; T_127 has 64 of them.
  Polynomial p{-1, 1, std::vector<double>(16, 0.0)};
  p.coefficients[15] = 1;
  EXPECT_TRUE(prepare(p).odd);
  EXPECT_TRUE(prepare(p).horner);
  EXPECT_EQ(prepare(p).coefficients.size(), 8U);
  p.coefficients.assign(128, 0.0);
  p.coefficients[127] = 1;
  EXPECT_FALSE(prepare(p).horner);
  p.high = 2;
  EXPECT_FALSE(prepare(p).odd) << "about another centre";
}

TEST(PreparedStages, HaveTheMonomialsOfChebyshevPolynomials) {
  EXPECT_EQ(to_monomials({0, 0, 0, 1}), (std::vector<double>{0, -3, 0, 4}));
  EXPECT_EQ(to_monomials({1, 2, 4}), (std::vector<double>{-3, 2, 8}));
}

}  // namespace
}  // namespace obscura::approx
