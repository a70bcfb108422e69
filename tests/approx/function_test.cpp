// SPDX-License-Identifier: Apache-2.0
/// What holds of every row of the table of functions; a new row is tested by being there.
#include "approx/function.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <numbers>
#include <set>

#include "approx/big.h"
#include "approx/fit.h"
#include "approx/remez.h"
#include "tests/approx/grid.h"

namespace obscura::approx {
namespace {

using ::testing::HasSubstr;

/// The function of a row with its defaults, and with every parameter moved by a quarter.
std::vector<Function> variants(const FunctionRow& one) {
  std::vector<Function> out = {default_of(one.kind)};
  if (one.parameters.empty()) return out;
  out.push_back(out.front());
  for (const Parameter& parameter : one.parameters) out.back().*parameter.field += 0.25;
  return out;
}

/// Those of a few ranges on which f is defined.
std::vector<std::pair<double, double>> ranges(const Function& function) {
  std::vector<std::pair<double, double>> out;
  for (const auto& range : {std::pair(-8.0, 8.0), {-200.0, 40.0}, {0.5, 8.0}}) {
    if (check_domain(function, range.first, range.second).ok()) out.push_back(range);
  }
  return out;
}

std::string text_of(const Function& function) {
  std::string out = name(function);
  for (const Parameter& parameter : row(function.kind).parameters) {
    out += fmt::format(" {} {}", parameter.name, function.*parameter.field);
  }
  return out;
}

class FunctionOf : public testing::TestWithParam<FunctionRow> {};

TEST_P(FunctionOf, IsFoundByItsNames) {
  const FunctionRow& one = GetParam();
  EXPECT_EQ(&row(one.kind) - functions().data(), static_cast<std::ptrdiff_t>(one.kind));
  EXPECT_STREQ(row(one.kind).name, one.name);
  const Function function = default_of(one.kind);
  EXPECT_EQ(name(function), one.name);
  EXPECT_EQ(*function_named(one.name), function);
  for (const char* alias : one.aliases) EXPECT_EQ(*function_named(alias), function);
  for (const char letter : std::string(one.name)) EXPECT_TRUE(std::islower(letter) || letter == '_') << one.name;
  EXPECT_EQ(one.onnx != nullptr, one.since > 0);
}

TEST_P(FunctionOf, IsDefinedOnARangeForItsParameters) {
  for (const Function& function : variants(GetParam())) EXPECT_FALSE(ranges(function).empty()) << text_of(function);
}

TEST_P(FunctionOf, HasTheSameValueInDoublesAndInSixtyDigits) {
  for (const Function& function : variants(GetParam())) {
    for (const auto& [low, high] : ranges(function)) {
      for (const double x : grid(low, high, 4000)) {
        const Big exact = formula<Big>(function, Big(x));
        // Waves and powers near their zeros: an absolute error of an argument that was rounded.
        const double tolerance = 0x1p-49 * std::max(std::abs(static_cast<double>(exact)), 0x1p-3 * std::abs(x));
        EXPECT_LE(std::abs(static_cast<double>(Big(value(function, x) - exact))), tolerance)
            << text_of(function) << " at " << x;
      }
    }
  }
}

/// How much f' jumps at x: from difference quotients over 10^-20.
double jump_of_slope(const Function& function, double x) {
  const Big step("1e-20");
  const auto f = [&](const Big& at) { return formula<Big>(function, at); };
  return static_cast<double>(Big((f(x + step) - 2 * f(x) + f(x - step)) / step));
}

TEST_P(FunctionOf, HasItsKinksWhereTheRowSays) {
  for (const Function& function : variants(GetParam())) {
    for (const auto& [low, high] : ranges(function)) {
      const std::vector<double> at = kinks(function, low, high);
      for (const double x : at) EXPECT_GT(std::abs(jump_of_slope(function, x)), 1e-3) << text_of(function) << " " << x;
      std::vector<double> points = grid(low, high, 1000);
      for (int k = 4 * static_cast<int>(low); k < 4 * high; ++k) points.push_back(k / 4.0);
      for (const double x : points) {
        if (x <= low || x >= high || std::find(at.begin(), at.end(), x) != at.end()) continue;
        const double size = std::abs(value(function, x)) + 1;
        EXPECT_LT(std::abs(jump_of_slope(function, x)), 1e-12 * size) << text_of(function) << " " << x;
      }
    }
  }
}

TEST_P(FunctionOf, IsAffineOrBentAsTheRowSays) {
  for (const Function& function : variants(GetParam())) {
    const auto line = bent_line(function);
    for (const double x : {-7.25, -3.0, -1.5, 0.0, 2.0, 3.5, 9.0}) {
      if (!line) break;
      double y = line->shift + line->slope * x;
      for (const auto& bend : line->bends) y += bend.change * std::max(x - bend.at, 0.0);
      EXPECT_NEAR(value(function, x), line->times_input ? x * y : y, 1e-14) << text_of(function) << " " << x;
    }
    const auto [low, high] = ranges(function).front();
    EXPECT_EQ(is_affine(function), minimax(function, 1, low, high).error < 1e-12) << text_of(function);
  }
}

/// Jackson: of polynomials of degree n, the best is within pi / 2 L (high - low) / 2 / (n + 1) of what has the
/// Lipschitz constant L on [low, high]; one that jumps by d is within d / 2 of one that does not.
double jackson(const Function& function, int degree, double low, double high) {
  std::vector<double> points = grid(low, high, 40000);
  double jumps = 0;
  for (const double kink : kinks(function, low, high)) {
    const double above = std::nextafter(kink, high);
    points.insert(points.end(), {kink, above});
    jumps += std::abs(value(function, above) - value(function, kink));
  }
  std::sort(points.begin(), points.end());
  double slope = 0;
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const double step = points[i + 1] - points[i];
    if (step < 1e-6) continue;
    slope = std::max(slope, std::abs(value(function, points[i + 1]) - value(function, points[i])) / step);
  }
  return jumps / 2 + std::numbers::pi / 2 * slope * (high - low) / 2 / (degree + 1);
}

TEST_P(FunctionOf, IsApproximatedWithinItsCertificateAndJacksonsBound) {
  for (const Function& function : variants(GetParam())) {
    for (const auto& [low, high] : ranges(function)) {
      std::vector<double> points = grid(low, high, 8000);
      for (const double kink : kinks(function, low, high))
        points.insert(points.end(), {kink, std::nextafter(kink, high)});
      const auto exact = [&](double x) { return value(function, x); };
      for (const Method method : {Method::minimax, Method::chebyshev, Method::least_squares}) {
        for (const int degree : {3, 12}) {
          const Result<Activation> y = approximate(function, method, degree, low, high);
          ASSERT_TRUE(y.ok()) << y.error().message;
          const double seen = largest_difference([&](double x) { return by_cosines(*y, x); }, exact, points);
          EXPECT_LE(seen, y->certificate.max_error) << text_of(function) << " " << low << " " << high;
          if (method != Method::minimax) continue;
          EXPECT_LE(seen, jackson(function, degree, low, high)) << text_of(function);
        }
      }
    }
  }
}

TEST_P(FunctionOf, RefusesParametersThatAreNoNumbers) {
  for (const Parameter& parameter : GetParam().parameters) {
    Function function = default_of(GetParam().kind);
    function.*parameter.field = std::nan("");
    const auto refused = check_domain(function, 0.5, 1);
    ASSERT_FALSE(refused.ok());
    EXPECT_THAT(refused.error().message, HasSubstr(fmt::format("parameter {} is nan", parameter.name)));
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, FunctionOf, testing::ValuesIn(functions().begin(), functions().end()),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(Functions, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  std::size_t count = 0;
  for (const FunctionRow& one : functions()) {
    names.insert(one.name);
    names.insert(one.aliases.begin(), one.aliases.end());
    count += 1 + one.aliases.size();
  }
  EXPECT_EQ(names.size(), count);
}

TEST(Functions, RefuseRangesWhereTheyAreNotDefined) {
  const auto message = [](Function::Kind kind, double low, double high) {
    return check_domain(default_of(kind), low, high).error().message;
  };
  EXPECT_THAT(message(Function::Kind::log, 0, 3), HasSubstr("log: on [0, 3] x falls to 0; it must stay above 0"));
  EXPECT_THAT(message(Function::Kind::sqrt, -1, 3), HasSubstr("must not be below 0"));
  EXPECT_TRUE(check_domain(default_of(Function::Kind::sqrt), 0, 3).ok());
  EXPECT_THAT(message(Function::Kind::reciprocal, -1, 3), HasSubstr("one side of 0"));
  EXPECT_TRUE(check_domain(default_of(Function::Kind::reciprocal), -3, -1).ok());
  EXPECT_THAT(message(Function::Kind::sin, -1, 300), HasSubstr("beyond 256"));
  EXPECT_THAT(message(Function::Kind::exp, 0, 1000), HasSubstr("its value at 1000 is inf"));
  Function clip{Function::Kind::clip};
  clip.low = 7;
  EXPECT_THAT(check_domain(clip, 0, 1).error().message, HasSubstr("low must not be above high"));
  Function celu{Function::Kind::celu};
  celu.alpha = 0;
  EXPECT_THAT(check_domain(celu, 0, 1).error().message, HasSubstr("alpha 0"));
}

TEST(Functions, OfAClipMayHaveOneEnd) {
  Function clip{Function::Kind::clip};
  clip.low = -HUGE_VAL;
  EXPECT_EQ(value(clip, -1e5), -1e5);
  EXPECT_EQ(value(clip, 7), 6);
  EXPECT_EQ(kinks(clip, -10, 10), std::vector<double>{6});
  EXPECT_TRUE(approximate(clip, Method::minimax, 9, -10, 10).ok());
  EXPECT_FALSE(is_affine(clip));
  clip.high = HUGE_VAL;
  EXPECT_TRUE(is_affine(clip));
}

TEST(Minimax, OfAWaveConvergesWhereNoPolynomialOfItsDegreeFollows) {
  const Minimax best = minimax(Function{Function::Kind::cos}, 36, -71.800571733309042, 71.800571733309042);
  EXPECT_NEAR(best.error, 1, 1e-3);
}

}  // namespace
}  // namespace obscura::approx
