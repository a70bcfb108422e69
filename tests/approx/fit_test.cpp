// SPDX-License-Identifier: Apache-2.0
#include "approx/fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "approx/remez.h"
#include "tests/approx/grid.h"

namespace obscura::approx {
namespace {

using ::testing::HasSubstr;

const Function kRelu{Function::Kind::relu};
const Function kSwish{Function::Kind::swish};
const Function kTanh{Function::Kind::tanh};

/// The functions by their textbook formulas, in extended precision.
double reference(const std::string& name, long double x) {
  const long double softplus = std::max(x, 0.0L) + std::log1p(std::exp(-std::abs(x)));
  long double y = 0;
  if (name == "relu") y = std::max(x, 0.0L);
  if (name == "leaky_relu") y = x < 0 ? 0.01F * x : x;
  if (name == "clip") y = std::clamp(x, 0.0L, 6.0L);
  if (name == "hard_swish") y = x * std::max(0.0L, std::min(1.0L, x / 6 + 0.5L));
  if (name == "elu" || name == "celu") y = std::max(x, 0.0L) + std::min(0.0L, std::exp(x) - 1);
  if (name == "selu") y = 1.05070102214813232421875L * (x > 0 ? x : 1.67326319217681884765625L * (std::exp(x) - 1));
  if (name == "swish" || name == "silu") y = x / (1 + std::exp(-x));
  if (name == "gelu") y = x * (1 + std::erf(x / std::sqrt(2.0L))) / 2;
  if (name == "gelu_tanh") y = x * (1 + std::tanh(0.797884560802865355880L * (x + 0.044715L * x * x * x))) / 2;
  if (name == "sigmoid") y = 1 / (1 + std::exp(-x));
  if (name == "tanh") y = std::tanh(x);
  if (name == "softplus") y = softplus;
  if (name == "softsign") y = x < 0 ? x / (1 - x) : x / (1 + x);
  if (name == "mish") y = x * std::tanh(softplus);
  if (name == "erf") y = std::erf(x);
  if (name == "abs") y = x < 0 ? -x : x;
  if (name == "sin") y = std::sin(x);
  if (name == "cos") y = std::cos(x);
  if (name == "exp") y = std::exp(x);
  if (name == "log") y = std::log(x);
  if (name == "sqrt") y = std::sqrt(x);
  if (name == "reciprocal") y = 1 / x;
  if (name == "power") y = std::pow(1 + x, -1.0L);
  return static_cast<double>(y);
}

struct Case {
  const char* function;
  Method method;
  int degree;
  double low, high;
};

class FitOf : public testing::TestWithParam<Case> {};

TEST_P(FitOf, IsWithinItsCertificateOnADenseGrid) {
  const Case& c = GetParam();
  const Result<Activation> y = approximate(*function_named(c.function), c.method, c.degree, c.low, c.high);
  ASSERT_TRUE(y.ok()) << y.error().message;
  const double seen = largest_difference([&](double x) { return by_cosines(*y, x); },
                                         [&](double x) { return reference(c.function, x); }, grid(c.low, c.high, 8000));
  EXPECT_LE(seen, y->certificate.max_error);
  EXPECT_GE(seen, 0.99 * y->certificate.max_error - 1e-12) << "a certificate that says little";
  EXPECT_LE(y->certificate.depth, 7);
}

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const char* function :
       {"relu",      "leaky_relu", "clip", "hard_swish", "elu",      "selu", "celu", "swish", "silu", "gelu",
        "gelu_tanh", "sigmoid",    "tanh", "softplus",   "softsign", "mish", "erf",  "abs",   "sin",  "cos"}) {
    for (const Method method : {Method::minimax, Method::chebyshev, Method::least_squares}) {
      for (const int degree : {1, 4, 9, 30}) out.push_back({function, method, degree, -7.5, 7.5});
      out.push_back({function, method, 5, -100, 20});
      out.push_back({function, method, 3, 1, 1.5});
    }
  }
  for (const Method method : {Method::minimax, Method::chebyshev, Method::least_squares}) {
    out.push_back({"power", method, 6, 0, 500});
    out.push_back({"relu", method, 63, -1, 1});
    for (const char* function : {"exp", "log", "sqrt", "reciprocal"}) out.push_back({function, method, 9, 0.25, 8});
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(Functions, FitOf, testing::ValuesIn(cases()), [](const auto& c) {
  return std::string(c.param.function) + "_" + std::to_string(static_cast<int>(c.param.method)) + "_" +
         std::to_string(c.param.degree) + "_" + std::to_string(c.index);
});

TEST(Fit, OfLeastSquaresHasTheClosedFormOfTheRelu) {
  // On [-1, 1]: 3/32 + x/2 + 15/32 x^2.
  const Activation y = *approximate(kRelu, Method::least_squares, 2, -1, 1);
  const std::vector<double>& c = y.composite.stages.front().coefficients;
  ASSERT_EQ(c.size(), 3U);
  EXPECT_NEAR(c[0], 3.0 / 32 + 15.0 / 64, 1e-14);
  EXPECT_NEAR(c[1], 0.5, 1e-14);
  EXPECT_NEAR(c[2], 15.0 / 64, 1e-14);
}

TEST(Fit, OfLeastSquaresLeavesAnErrorOrthogonalToEveryPolynomial) {
  const Activation y = *approximate(kSwish, Method::least_squares, 6, -5, 3);
  for (int k = 0; k <= 6; ++k) {
    double sum = 0;
    constexpr int kPoints = 200000;  // of the midpoint rule: error ~ 1 / points^2
    for (int i = 0; i < kPoints; ++i) {
      const double x = -5 + 8 * (i + 0.5) / kPoints;
      sum += (evaluate(y, x) - value(kSwish, x)) * std::pow(x / 5, k) / kPoints;
    }
    EXPECT_NEAR(sum, 0, 1e-9) << k;
  }
}

TEST(Fit, OfAHistogramIsBestWhereTheInputsWere) {
  Histogram inputs{-8, 8, std::vector<std::uint64_t>(64, 0)};
  for (std::size_t i = 24; i < 40; ++i) inputs.counts[i] = 1000;  // nearly all in [-2, 2]
  for (std::uint64_t& count : inputs.counts) count += 1;
  const Activation weighted = *approximate(kSwish, inputs, 4, -8, 8);
  const Activation uniform = *approximate(kSwish, Method::least_squares, 4, -8, 8);
  const auto error_near_zero = [&](const Activation& y) {
    return largest_difference([&](double x) { return evaluate(y, x); }, [&](double x) { return value(kSwish, x); },
                              grid(-2, 2, 400));
  };
  EXPECT_LT(error_near_zero(weighted), error_near_zero(uniform) / 3);
  EXPECT_GT(weighted.certificate.max_error, uniform.certificate.max_error);
}

TEST(Fit, OfSeveralDegreesAreThoseOfEach) {
  Histogram inputs{-8, 8, std::vector<std::uint64_t>(64, 1)};
  for (std::size_t i = 24; i < 40; ++i) inputs.counts[i] = 1000;
  const std::vector<int> degrees{2, 4, 4, 11};
  const std::vector<Activation> together = *approximate(kSwish, inputs, degrees, -8, 8);
  ASSERT_EQ(together.size(), degrees.size());
  for (std::size_t i = 0; i < degrees.size(); ++i) {
    const Activation alone = *approximate(kSwish, inputs, degrees[i], -8, 8);
    EXPECT_EQ(together[i].composite.stages[0].coefficients, alone.composite.stages[0].coefficients);
    EXPECT_EQ(together[i].certificate.max_error, alone.certificate.max_error);
  }
  EXPECT_THROW((void)approximate(kSwish, inputs, std::vector<int>{4, 2}, -8, 8), ContractError);
}

TEST(Fit, OfAnEvenHistogramIsThatOfTheRange) {
  const Activation a = *approximate(kTanh, Histogram{-3, 3, std::vector<std::uint64_t>(37, 5)}, 5, -3, 3);
  const Activation b = *approximate(kTanh, Method::least_squares, 5, -3, 3);
  for (std::size_t k = 0; k < 6; ++k) {
    EXPECT_NEAR(a.composite.stages[0].coefficients[k], b.composite.stages[0].coefficients[k], 1e-12);
  }
}

TEST(Fit, OfChebyshevGoesThroughTheFunctionAtTheZeros) {
  const Activation y = *approximate(kSwish, Method::chebyshev, 7, -2, 6);
  for (int i = 0; i < 8; ++i) {
    const double x = 2 + 4 * std::cos(std::acos(-1.0) * (2 * i + 1) / 16);
    EXPECT_NEAR(evaluate(y, x), value(kSwish, x), 1e-13);
  }
}

TEST(Fit, DropsCoefficientsThatAreZeroButForRounding) {
  for (const Method method : {Method::minimax, Method::chebyshev, Method::least_squares}) {
    const Activation y = *approximate(kTanh, method, 4, -2, 2);
    const std::vector<double>& c = y.composite.stages.front().coefficients;
    ASSERT_EQ(c.size(), 4U);
    EXPECT_EQ(c[0], 0);
    EXPECT_EQ(c[2], 0);
    EXPECT_EQ(y.certificate.multiplications, 2);
    EXPECT_EQ(y.certificate.depth, 2);
  }
}

TEST(Fit, OfTheLeastDegreeHasNoneBelow) {
  for (const Method method : {Method::minimax, Method::chebyshev, Method::least_squares}) {
    for (const double error : {0.2, 1e-3, 1e-7}) {
      const Activation y = *approximate_within(kSwish, method, error, -6, 6);
      EXPECT_LE(y.certificate.max_error, error);
      const int degree = y.composite.stages.front().degree();
      ASSERT_GT(degree, 1);
      EXPECT_GT(approximate(kSwish, method, degree - 1, -6, 6)->certificate.max_error, error);
    }
  }
}

TEST(Fit, KnowsItsFunctionsParameters) {
  Function swish = kSwish;
  swish.beta = 3;
  EXPECT_NEAR(value(swish, 0.7), 0.7 / (1 + std::exp(-2.1)), 1e-15);
  Function power{Function::Kind::power};
  power.bias = 2;
  power.scale = 0.5;
  power.beta = 0.75;
  const Activation y = *approximate(power, Method::minimax, 5, 0, 100);
  const double seen = largest_difference([&](double x) { return evaluate(y, x); },
                                         [](double x) { return std::pow(2 + 0.5 * x, -0.75); }, grid(0, 100, 2000));
  EXPECT_LE(seen, y.certificate.max_error);
}

TEST(Fit, RefusesWhatIsOutOfBounds) {
  const auto message = [](const Result<Activation>& result) { return result.error().message; };
  EXPECT_THAT(message(approximate(kSwish, Method::minimax, 4, 3, 2)), HasSubstr("swish: the range [3, 2] is empty"));
  EXPECT_THAT(message(approximate(kSwish, Method::minimax, 4, 2, 2)), HasSubstr("empty"));
  EXPECT_THAT(message(approximate(kSwish, Method::minimax, 4, 0, std::nan(""))), HasSubstr("empty"));
  EXPECT_THAT(message(approximate(kSwish, Method::minimax, 4, 0, 1e9)), HasSubstr("beyond"));
  EXPECT_THAT(message(approximate(kSwish, Method::minimax, 0, 0, 1)), HasSubstr("degree 0; it lies between 1 and 127"));
  EXPECT_THAT(message(approximate(kSwish, Method::chebyshev, 128, 0, 1)), HasSubstr("degree 128"));
  EXPECT_THAT(message(approximate_within(kSwish, Method::minimax, 0, 0, 1)), HasSubstr("error of 0"));
  EXPECT_THAT(message(approximate_within(kRelu, Method::minimax, 1e-6, -1, 1)), HasSubstr("degree 127 gives"));
  EXPECT_THAT(message(approximate(Function{Function::Kind::power}, Method::minimax, 3, -2, 1)), HasSubstr("above 0"));
  EXPECT_THAT(function_named("step").error().message, HasSubstr("softplus"));
  const auto weighted = [&](Histogram inputs, int degree) { return approximate(kSwish, inputs, degree, -4, 4); };
  EXPECT_THAT(message(weighted({-1, 1, {}}, 3)), HasSubstr("0 parts"));
  EXPECT_THAT(message(weighted({-1, 1, {0, 0}}, 3)), HasSubstr("counted no inputs"));
  EXPECT_THAT(message(weighted({-5, 1, {1, 2}}, 3)), HasSubstr("inside of [-4, 4]"));
  EXPECT_THAT(message(weighted({1, 1, {1}}, 3)), HasSubstr("covers"));
  std::vector<std::uint64_t> one(1000, 0);
  one[500] = 3;
  EXPECT_THAT(message(weighted({-4, 4, one}, 20)), HasSubstr("do not determine"));
}

}  // namespace
}  // namespace obscura::approx
