// SPDX-License-Identifier: Apache-2.0
/// Best approximations: closed forms, and Chebyshev's theorem (the error alternates at enough points).
#include "approx/remez.h"

#include <gtest/gtest.h>

#include "tests/approx/grid.h"

namespace obscura::approx {
namespace {

TEST(MinimaxSign, OfDegreeOneHasTheClosedForm) {
  // c x on [a, 1]: c (1 + a) = 2, error (1 - a) / (1 + a).
  const Minimax best = minimax_sign(1, 0.25, 1);
  EXPECT_NEAR(best.error, 0.6, 1e-15);
  ASSERT_EQ(best.polynomial.coefficients.size(), 2U);
  EXPECT_NEAR(best.polynomial.coefficients[1], 1.6, 1e-15);
}

TEST(MinimaxSign, DependsOnlyOnTheRatioOfTheEnds) {
  const Minimax unit = minimax_sign(9, 0.1, 1);
  const Minimax wide = minimax_sign(9, 0.4, 4);
  EXPECT_NEAR(unit.error, wide.error, 1e-14);
  for (std::size_t k = 0; k < 10; ++k) {
    EXPECT_NEAR(unit.polynomial.coefficients[k], wide.polynomial.coefficients[k], 1e-14);
  }
}

struct SignCase {
  int degree;
  double low;
};

class MinimaxSignOf : public testing::TestWithParam<SignCase> {};

TEST_P(MinimaxSignOf, AlternatesAtOnePointMoreThanItHasTerms) {
  const auto [degree, low] = GetParam();
  const Minimax best = minimax_sign(degree, low, 1);
  const auto terms = static_cast<std::size_t>(degree + 1) / 2;
  ASSERT_EQ(best.reference.size(), terms + 1);
  const double first = static_cast<double>(by_cosines(best.polynomial, best.reference[0])) - 1;
  double sign = first < 0 ? -1 : 1;
  for (const double x : best.reference) {
    // Rounded coefficients of size 1, some 30 of them.
    EXPECT_NEAR(static_cast<double>(by_cosines(best.polynomial, x)) - 1, sign * best.error, 1e-14) << x;
    sign = -sign;
  }
  const double seen = largest_difference([&](double x) { return static_cast<double>(by_cosines(best.polynomial, x)); },
                                         [](double) { return 1.0; }, grid(low, 1, 4000));
  EXPECT_LE(seen, best.error + 1e-14);
}

TEST_P(MinimaxSignOf, IsFoundInDoublePrecisionToo) {
  const auto [degree, low] = GetParam();
  const double exact = minimax_sign(degree, low, 1).error;
  EXPECT_NEAR(quick_minimax_sign(degree, low, 1).error, exact, 1e-9 * exact + 1e-12);
}

TEST_P(MinimaxSignOf, StaysBelowOneBeforeItsInterval) {
  const auto [degree, low] = GetParam();
  const Minimax best = minimax_sign(degree, low, 1);
  double before = 0;
  for (int i = 1; i <= 200; ++i) {
    const double y = evaluate(best.polynomial, low * i / 200);
    EXPECT_GE(y, before) << "it rises from 0, on which the ReLU's certificate rests";
    before = y;
  }
  EXPECT_LE(before, 1);
}

INSTANTIATE_TEST_SUITE_P(Degrees, MinimaxSignOf,
                         testing::Values(SignCase{3, 0.15625}, SignCase{7, 0.0859375}, SignCase{15, 0.001953125},
                                         SignCase{27, 0.4}, SignCase{31, 0.9}, SignCase{63, 0x1p-13},
                                         SignCase{127, 0.01}));

TEST(MinimaxReluSign, GivesTheLeastErrorOfTheRelu) {
  for (const int degree : {3, 5, 15}) {
    const Minimax best = minimax_relu_sign(degree, 1);
    const auto relu_error = [&](const Polynomial& p) {
      return largest_difference([&](double x) { return x * static_cast<double>(by_cosines(p, x)) / 2; },
                                [](double x) { return x / 2; }, grid(0, 1, 8000));
    };
    EXPECT_NEAR(relu_error(best.polynomial), best.error, 1e-5 * best.error);
    ASSERT_EQ(best.reference.size(), static_cast<std::size_t>(degree + 1) / 2 + 1);
    for (std::size_t k = 1; k < best.polynomial.coefficients.size(); k += 2) {
      for (const double change : {-1e-3, 1e-3}) {
        Polynomial other = best.polynomial;
        other.coefficients[k] += change;
        EXPECT_GT(relu_error(other), best.error) << degree << " " << k;
      }
    }
  }
}

TEST(Minimax, OfTheReluOfDegreeTwoHasTheClosedForm) {
  // |x| ~ x^2 + 1/8 with error 1/8, so max(0, x) = (x + |x|) / 2 ~ x^2 / 2 + x / 2 + 1/16.
  const Minimax best = minimax(Function{Function::Kind::relu}, 2, -1, 1);
  EXPECT_NEAR(best.error, 1.0 / 16, 1e-16);
  EXPECT_NEAR(best.polynomial.coefficients[0], 5.0 / 16, 1e-15);
  EXPECT_NEAR(best.polynomial.coefficients[1], 0.5, 1e-15);
  EXPECT_NEAR(best.polynomial.coefficients[2], 0.25, 1e-15);
}

TEST(Minimax, OfDegreeZeroIsTheMiddleOfTheRange) {
  const Minimax best = minimax(Function{Function::Kind::sigmoid}, 0, -2, 5);
  const Function sigmoid{Function::Kind::sigmoid};
  EXPECT_NEAR(best.error, (value(sigmoid, 5) - value(sigmoid, -2)) / 2, 1e-15);
}

TEST(Minimax, OfTheReluTendsToBernsteinsConstant) {
  // n E_n(|x|) -> 0.2801694990...; the ReLU has half of it.
  const double scaled = 2 * 126 * minimax(Function{Function::Kind::relu}, 126, -1, 1).error;
  EXPECT_NEAR(scaled, 0.28017, 1e-4);
}

TEST(Minimax, AlternatesForEveryFunction) {
  for (const FunctionRow& one : functions()) {
    const Function function = default_of(one.kind);
    const char* text = one.name;
    if (function.kind == Function::Kind::thresholded_relu) continue;  // it jumps: its best are not unique
    const double low = check_domain(function, -5, 3).ok() ? -5 : 0.25;
    for (const int degree : {1, 4, 7, 12}) {
      const Minimax best = minimax(function, degree, low, 3);
      const auto terms = static_cast<std::size_t>(degree) + 1;
      ASSERT_EQ(best.reference.size(), terms + 1) << text << degree;
      double sign = 0;
      for (const double x : best.reference) {
        const double error = value(function, x) - static_cast<double>(by_cosines(best.polynomial, x));
        if (sign == 0) sign = error < 0 ? -1 : 1;
        EXPECT_NEAR(error, sign * best.error, 1e-13) << text << degree << " " << x;
        sign = -sign;
      }
    }
  }
}

TEST(Minimax, SeesAnExtremumBesideTheEndOfItsRange) {
  // The largest error lies between the low end and the sample after it, where the end's is larger than that sample's.
  for (const int degree : {3, 12}) {
    const Minimax best = minimax(Function{Function::Kind::cos}, degree, 0.5, 8);
    const double seen =
        largest_difference([&](double x) { return static_cast<double>(by_cosines(best.polynomial, x)); },
                           [](double x) { return std::cos(x); }, grid(0.5, 8, 40000));
    EXPECT_LE(seen, best.error + 1e-14) << degree;
  }
}

TEST(Minimax, SeesTheTurnOfAFunctionOnAWideRange) {
  // On [-10^4, 10^4] a sigmoid is a step; an odd polynomial about 1/2 cannot be nearer than 1/2 to it at its ends of 0.
  const Minimax best = minimax(Function{Function::Kind::sigmoid}, 5, -1e4, 1e4);
  const double seen = largest_difference([&](double x) { return evaluate(best.polynomial, x); },
                                         [](double x) { return 1 / (1 + std::exp(-x)); }, grid(-1e4, 1e4, 40000));
  EXPECT_LE(seen, best.error * (1 + 1e-6));
  EXPECT_GT(best.error, 0.4);
}

}  // namespace
}  // namespace obscura::approx
