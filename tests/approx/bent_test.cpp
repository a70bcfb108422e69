// SPDX-License-Identifier: Apache-2.0
// Functions that a few ReLUs compute.
#include "approx/bent.h"

#include <gtest/gtest.h>

#include "approx/sign.h"
#include "grid.h"

namespace obscura::approx {
namespace {

using Kind = Function::Kind;

Function clip(double low, double high) {
  Function out = default_of(Kind::clip);
  out.low = low;
  out.high = high;
  return out;
}

/// Every kind that is a bent line, and clips of one end.
std::vector<Function> bent_functions() {
  std::vector<Function> out;
  for (const FunctionRow& row : functions()) {
    if (bent_line(default_of(row.kind))) out.push_back(default_of(row.kind));
  }
  out.push_back(clip(-1, 1));
  out.push_back(clip(-HUGE_VAL, 2));
  out.push_back(clip(-2, HUGE_VAL));
  return out;
}

TEST(Bent, AreTheFamilyOfTheRelu) {
  std::vector<std::string> names;
  for (const FunctionRow& row : functions()) {
    if (bent_line(default_of(row.kind))) names.emplace_back(row.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"relu", "leaky_relu", "clip", "hard_swish", "abs"}));
  Function jump = default_of(Kind::thresholded_relu);
  EXPECT_FALSE(bent_line(jump)) << "it jumps";
  jump.alpha = 0;
  EXPECT_TRUE(bent_line(jump));
  EXPECT_FALSE(bent_line(clip(2, 2)));
  EXPECT_FALSE(bent_line(clip(-HUGE_VAL, HUGE_VAL)));
}

TEST(Bent, AreWithinTheirCertificatesOnTheirDomains) {
  const Activation unit = relu(8, 1).value();
  for (const Function& function : bent_functions()) {
    const BentLine line = *bent_line(function);
    for (const auto& [low, high] : {std::pair(-8.0, 8.0), std::pair(-1.0, 20.0), std::pair(-12.0, 4.0)}) {
      if (within(line, low, high).bends.empty()) continue;
      const Activation activation = bent(name(function), line, unit, low, high);
      const Certificate& certificate = activation.certificate;
      EXPECT_LE(certificate.low, low);
      EXPECT_GE(certificate.high, high);
      const auto bends = terms_of(line, certificate);
      EXPECT_EQ(bends.size(), within(line, low, high).bends.size()) << name(function);
      EXPECT_EQ(certificate.depth, unit.certificate.depth + (line.times_input ? 1 : 0));
      EXPECT_EQ(certificate.multiplications,
                unit.certificate.multiplications * static_cast<int>(bends.size()) + (line.times_input ? 1 : 0));
      const Replacement replacement(function, activation);
      const auto points = grid(certificate.low, certificate.high, 4000);
      const std::vector<double> together = replacement(points);
      for (std::size_t i = 0; i < points.size(); ++i) ASSERT_EQ(together[i], replacement(points[i])) << points[i];
      const double error = largest_difference([&](double x) { return replacement(x); },
                                              [&](double x) { return value(function, x); }, points);
      EXPECT_LE(error, certificate.max_error * (1 + 1e-9)) << name(function) << " on " << low << " " << high;
      EXPECT_GT(error, certificate.max_error / 64) << name(function) << " on " << low << " " << high;
    }
  }
}

TEST(Bent, TakeABendOnlyWhereTheDomainHasIt) {
  const Activation unit = relu(6, 1).value();
  const BentLine relu6 = *bent_line(default_of(Kind::clip));
  EXPECT_EQ(bent("clip", relu6, unit, -4, 5).certificate.multiplications, unit.certificate.multiplications);
  EXPECT_LE(bent("clip", relu6, unit, -20, 5).certificate.high, 6) << "beyond it, it would be another function";
  const Replacement upper(default_of(Kind::clip), bent("clip", relu6, unit, 1, 8));
  EXPECT_NEAR(upper(1), 1, upper.activation().certificate.max_error);
  EXPECT_NEAR(upper(8), 6, upper.activation().certificate.max_error);
}

TEST(Bent, AreTheSameOnSpans) {
  const Activation unit = relu(7, 1).value();
  for (const Function& function : bent_functions()) {
    const Replacement replacement(function, bent(name(function), *bent_line(function), unit, -9, 7));
    std::vector<float> x, y(200);
    for (std::size_t i = 0; i < y.size(); ++i) x.push_back(static_cast<float>(-9 + 0.08 * static_cast<double>(i)));
    replacement(x, y);
    for (std::size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], replacement(x[i]), 2e-5) << name(function);
  }
}

TEST(Bent, ADirectPolynomialStandsForAllOfTheFunction) {
  Activation square;
  square.composite.stages.push_back({-1, 1, {0.5, 0, 0.5}});
  EXPECT_EQ(Replacement(default_of(Kind::leaky_relu), square)(0.5), 0.25);
}

}  // namespace
}  // namespace obscura::approx
