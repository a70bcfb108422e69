// SPDX-License-Identifier: Apache-2.0
#include "compile/measure/intervals.h"
#include "tests/compile/networks.h"

namespace obscura::compile {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

/// An activation between two random maps.
FusedNetwork around(const Coefficients& coefficients, std::uint32_t elements) {
  FusedNetwork network;
  network.input = {1, 1, 2};
  std::mt19937 random(3);
  std::uniform_real_distribution<double> uniform(-1, 1);
  const auto map = [&](std::uint32_t rows, std::uint32_t cols) {
    LinearMap m;
    m.matrix.cols = cols;
    for (std::uint32_t r = 0; r < rows; ++r) {
      for (std::uint32_t c = 0; c < cols; ++c) m.matrix.push(c, uniform(random));
      m.matrix.end_row();
      m.bias.push_back(uniform(random));
    }
    return m;
  };
  network.junctions = {{{{0, 0}}, 0, ""}, {{{1, 1}}, std::nullopt, ""}};
  network.segments = {{map(elements, 2)}, {map(4, elements)}};
  network.activations = {{coefficients, elements, "act"}};
  return network;
}

/// The fused form on one image, straight from its definition.
std::vector<double> straight(const FusedNetwork& network, std::vector<double> x) {
  for (std::size_t s = 0; s < network.segments.size(); ++s) {
    for (const auto& map : network.segments[s]) {
      std::vector<double> y = multiply(map.matrix, x);
      for (std::size_t i = 0; i < y.size(); ++i) y[i] += map.bias[i];
      x = std::move(y);
    }
    if (s == network.activations.size()) break;
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = evaluate(network.activations[s].coefficients, i, x[i]);
  }
  return x;
}

void expect_equal(const FusedNetwork& fused, const MonicNetwork& monic) {
  const std::vector<float> images = {0.1F, -0.7F, 1.0F, 0.3F, -2.5F, 0.0F, 0.9F, 0.8F};
  const std::vector<double> actual = evaluate(monic, {images, 2});
  for (std::size_t i = 0; i < 4; ++i) {
    const std::vector<double> expected = straight(fused, {images[2 * i], images[2 * i + 1]});
    for (std::size_t c = 0; c < 4; ++c) {
      EXPECT_NEAR(actual[i * 4 + c], expected[c], 1e-12 * (1 + std::abs(expected[c])));
    }
  }
}

TEST(Activations, MonicQuadraticIsTheOriginal) {
  const FusedNetwork fused = around({{0.3}, {-0.8}, {0.05}}, 3);
  const MonicNetwork monic = make_monic(fused).value();
  EXPECT_EQ(monic.activations[0].squares, 1);
  expect_equal(fused, monic);
}

TEST(Activations, MonicQuarticIsTheOriginal) {
  const FusedNetwork fused = around({{0.3}, {-0.8}, {0.5}, {0.2}, {-0.04}}, 3);
  const MonicNetwork monic = make_monic(fused).value();
  EXPECT_EQ(monic.activations[0].squares, 2);
  EXPECT_NE(monic.activations[0].p[0], 0);
  expect_equal(fused, monic);
}

TEST(Activations, QuarticWithoutCubicTermNeedsNoInnerX) {
  const MonicNetwork monic = make_monic(around({{0.1198}, {0.5}, {0.1473}, {0}, {-0.002012}}, 3)).value();
  EXPECT_THAT(monic.activations[0].p, Each(0.0));
  EXPECT_NEAR(monic.activations[0].q[0], 0.1473 / -0.002012 / 2, 1e-9);
  EXPECT_NEAR(monic.activations[0].r[0], 0.5 / -0.002012, 1e-9);
}

TEST(Activations, CoefficientsMayDifferByElementInSignAndSize) {
  const FusedNetwork quadratic = around({{0.1, 0.2, 0.3}, {1, -1, 0}, {0.001, -10, 1}}, 3);
  expect_equal(quadratic, make_monic(quadratic).value());
  const FusedNetwork quartic = around({{0.1}, {1, -1, 0}, {0.1}, {0, 0.2, 0}, {0.001, -10, 1}}, 3);
  expect_equal(quartic, make_monic(quartic).value());
}

TEST(Activations, PlainQuarticLosesItsCubicTermToAShift) {
  const FusedNetwork quartic = around({{0.1}, {1, -1, 0}, {0.1}, {0, 0.2, 0}, {0.5, -2, 1}}, 3);
  const MonicNetwork network = make_monic(quartic, Quartics::plain).value();
  EXPECT_THAT(network.activations[0].leading, Each(1.0));
  EXPECT_THAT(network.activations[0].p, Each(0.0));
  expect_equal(quartic, network);
}

TEST(Activations, PlainQuarticStandsWhereLeadingCoefficientsAreZeroOrSmall) {
  for (const double small : {0.0, 1e-9, 0.01}) {
    const FusedNetwork quartic = around({{0.1}, {1, -1, 0}, {0.1}, {0, 0.2, 0}, {small, -2, 1}}, 3);
    const MonicNetwork network = make_monic(quartic, Quartics::plain).value();
    EXPECT_THAT(network.activations[0].leading, ::testing::ElementsAre(small / 2, -1.0, 0.5));
    EXPECT_EQ(network.activations[0].p, (Elements{0, 0.1, 0}));
    expect_equal(quartic, network);
  }
}

TEST(Activations, PlainQuarticsOfOneShapeAreSquares) {
  // k x in place of x, with k = 1, 2 and 3: one polynomial.
  const FusedNetwork quartic = around({{0.3}, {0.7, 1.4, 2.1}, {0.5, 2, 4.5}, {0.2, 1.6, 5.4}, {0.1, 1.6, 8.1}}, 3);
  const MonicNetwork network = make_monic(quartic, Quartics::plain).value();
  EXPECT_TRUE(network.activations[0].leading.empty());
  expect_equal(quartic, network);
}

TEST(Activations, SquaredQuarticWithAZeroLeadingCoefficientIsRefused) {
  const auto result = make_monic(around({{0}, {1}, {0}, {0}, {1, 0, 1}}, 3));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::unsupported);
  EXPECT_THAT(result.error().message, HasSubstr("activation act: degree 4 with a leading coefficient of 0 in some"));
}

TEST(Activations, ZeroLeadingCoefficientOfOneElementIsRefused) {
  const auto result = make_monic(around({{0}, {1}, {1, 0, 1}}, 3));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::unsupported);
  EXPECT_THAT(result.error().message, HasSubstr("activation act: degree 2 with a leading coefficient of 0 in some"));
}

TEST(Activations, ThePolynomialInTheChebyshevBasisIsTheSame) {
  // (2 t)^3 = 8 t^3 = 6 T_1 + 2 T_3.
  EXPECT_EQ(exact_form({0, 0, 0, 1}, 2).terms[0].stages[0].coefficients, (std::vector<double>{0, 6, 0, 2}));
  std::vector<double> coefficients(32);
  std::mt19937 random(5);
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (double& c : coefficients) c = uniform(random);
  const Approximation form = exact_form(coefficients, 1.5);
  for (const double x : {-1.5, -0.7, 0.0, 0.3, 1.1, 1.5, 1.8}) {
    double expected = 0, size = 0;
    for (std::size_t k = 32; k-- > 0;) {
      expected = expected * x + coefficients[k];
      size = size * std::abs(x) + std::abs(coefficients[k]);
    }
    EXPECT_NEAR(evaluate(form, x).value, expected, 1e-11 * size) << x;
  }
}

TEST(Activations, ApproximationsHaveNoCoefficientsAndAnInterval) {
  FusedNetwork network = around({}, 3);
  network.activations[0].approximation = std::make_shared<const Approximation>(exact_form({0, 1, 1}, 2));
  EXPECT_FALSE(has_unbounded(network));
}

TEST(Activations, ApproximationsThatCiphertextsDoNotTakeAreRefusedWithTheWayOut) {
  const auto refused = [](const Approximation& approximation) {
    const auto checked = check(approximation, "node 'n7' (Sigmoid)");
    EXPECT_FALSE(checked.ok());
    return checked.ok() ? "" : checked.error().message;
  };
  Approximation steep = exact_form(std::vector<double>(65, 1), 2);
  EXPECT_THAT(refused(steep), AllOf(HasSubstr("'n7' (Sigmoid)"), HasSubstr("degree 64"), HasSubstr("up to 63"),
                                    HasSubstr("a smaller --alpha")));
  EXPECT_THAT(refused({}), HasSubstr("0 terms"));
  Approximation unbounded = exact_form({0, 1}, 1);
  unbounded.bound = HUGE_VAL;
  EXPECT_THAT(refused(unbounded), HasSubstr("a bound of inf"));
  unbounded = exact_form({0, 1}, 1);
  unbounded.terms[0].stages[0].high = -1;
  EXPECT_THAT(refused(unbounded), HasSubstr("on [-1, -1]"));
}

TEST(Activations, IntervalsReachBeyondTheLargestArgument) {
  FusedNetwork network = around({{1}, {2}, {0}, {0.5}}, 3);
  ASSERT_TRUE(has_unbounded(network));
  const std::vector<float> images{0.5F, 1, -1, 0.25F};
  ASSERT_TRUE(bound_polynomials(network, {images, 2}, 0.25).ok());
  EXPECT_FALSE(has_unbounded(network));
  double most = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    const LinearMap& map = network.segments[0][0];
    const std::vector<double> x = multiply(map.matrix, std::vector<double>{images[2 * i], images[2 * i + 1]});
    for (std::size_t r = 0; r < 3; ++r) most = std::max(most, std::abs(x[r] + map.bias[r]));
  }
  EXPECT_NEAR(network.activations[0].approximation->bound, 1.25 * most, 1e-12);
}

}  // namespace
}  // namespace obscura::compile
