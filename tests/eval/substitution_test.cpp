// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tests/eval/random.h"

namespace obscura::eval {
namespace {

using approx::Activation;
using nn::Attributes;
using nn::Builder;
using nn::Graph;
using nn::Op;
using Kind = approx::Function::Kind;
using ::testing::HasSubstr;

/// Twice p(t) = (3 t - t^3) / 2, which goes towards the sign of t.
Activation relu_form(double bound) {
  Activation out;
  out.form = Activation::Form::relu;
  out.bound = bound;
  out.certificate.low = -bound;
  out.certificate.high = bound;
  out.composite.stages.assign(2, {-1, 1, {0, 1.125, 0, -0.125}});
  return out;
}

/// 0.4 + 0.5 T_1 + 0.1 T_2 on [low, high].
Activation direct_form(double low, double high) {
  Activation out;
  out.composite.stages = {{low, high, {0.4, 0.5, 0.1}}};
  return out;
}

struct One {
  Builder builder;
  std::size_t node = 0;
  std::vector<float> images;
  static constexpr std::size_t kImages = 5;

  /// Node 0 is the operator, on images of uniform numbers in [-2, 2].
  One(nn::Shape shape, const approx::Function& function) : One(shape, Op::function, {.function = function}) {}
  One(nn::Shape shape, Kind kind) : One(shape, approx::default_of(kind)) {}
  One(nn::Shape shape, Op op, const Attributes& attributes) : builder(shape) {
    builder.flatten(builder.node(op, {0}, attributes));
    const auto inferred = nn::infer_shapes(builder.graph());
    EXPECT_TRUE(inferred.ok()) << inferred.error().message;
    images = Numbers(6).uniform(kImages * static_cast<std::size_t>(nn::element_count(shape)), -2, 2);
  }
  Outcome run(const Substitution& substitution, const Options& options = {}) {
    return Network::make(builder.graph(), substitution)->run(images, kImages, options).value();
  }
};

// Polynomials are in double precision, their results in floats of about 1.
constexpr double kFloat = 4e-7;

TEST(Substitution, StandsForRelu) {
  One one({16, 3, 3}, Kind::relu);
  const Activation polynomial = relu_form(2.5);
  const auto logits = one.run({{0, polynomial}}).logits;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    ASSERT_NEAR(logits[i], approx::evaluate(polynomial, one.images[i]), kFloat);
  }
}

TEST(Substitution, StandsForReluInTheDirectFormToo) {
  One one({16, 3, 3}, Kind::relu);
  const Activation polynomial = direct_form(-3, 2);
  const auto logits = one.run({{0, polynomial}}).logits;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    ASSERT_NEAR(logits[i], approx::evaluate(polynomial, one.images[i]), kFloat);
  }
}

TEST(Substitution, StandsForLeakyReluByItsSlope) {
  approx::Function leaky = approx::default_of(Kind::leaky_relu);
  leaky.alpha = 0.25;
  One one({3, 3, 3}, leaky);
  const Activation polynomial = relu_form(2.5);
  const auto logits = one.run({{0, polynomial}}).logits;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double x = one.images[i];
    ASSERT_NEAR(logits[i], 0.25 * x + 0.75 * approx::evaluate(polynomial, x), kFloat);
  }
}

TEST(Substitution, StandsForEveryFunctionAsItIs) {
  for (const approx::FunctionRow& function : approx::functions()) {
    One one({3, 3, 3}, function.kind);
    const Activation polynomial = direct_form(-3, 2);
    const auto logits = one.run({{0, polynomial}}).logits;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      ASSERT_NEAR(logits[i], approx::evaluate(polynomial, one.images[i]), kFloat) << function.name;
    }
  }
}

TEST(Substitution, StandsForTheFactorOfLrn) {
  One one({4, 2, 2}, Op::lrn, {.alpha = 1, .beta = 0.5F, .size = 3, .bias = 1});
  const Activation polynomial = direct_form(0, 12);
  const auto logits = one.run({{0, polynomial}}).logits;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const std::size_t c = i % 16 / 4;
    double sum = 0;
    for (std::size_t k = c == 0 ? 0 : c - 1; k <= std::min<std::size_t>(3, c + 1); ++k) {
      const double x = one.images[i + 4 * k - 4 * c];
      sum += x * x;
    }
    ASSERT_NEAR(logits[i], one.images[i] * approx::evaluate(polynomial, sum), 2e-6);
  }
}

/// The tree as step.h has it, one window at a time.
class Tree {
 public:
  explicit Tree(const Activation* polynomial) : polynomial_(polynomial) {}
  double largest(double a, double b) const {
    return polynomial_ != nullptr ? b + approx::evaluate(*polynomial_, a - b) : std::max(a, b);
  }
  std::optional<double> reduce(std::vector<std::optional<double>> level) const {
    while (level.size() > 1) {
      std::vector<std::optional<double>> next;
      for (std::size_t i = 0; i + 1 < level.size(); i += 2) {
        const auto& a = level[i];
        const auto& b = level[i + 1];
        next.push_back(a && b ? largest(*a, *b) : (a ? a : b));
      }
      if (level.size() % 2 == 1) next.push_back(level.back());
      level = std::move(next);
    }
    return level.front();
  }

 private:
  const Activation* polynomial_;
};

double expected_maximum(const Tree& tree, const Attributes& a, std::span<const float> plane, std::int64_t side,
                        std::int64_t oh, std::int64_t ow) {
  std::vector<std::optional<double>> rows;
  for (std::int64_t kh = 0; kh < a.kernel[0]; ++kh) {
    std::vector<std::optional<double>> row;
    const std::int64_t h = oh * a.strides[0] - a.pads[0] + kh;
    for (std::int64_t kw = 0; kw < a.kernel[1]; ++kw) {
      const std::int64_t w = ow * a.strides[1] - a.pads[1] + kw;
      const bool inside = h >= 0 && h < side && w >= 0 && w < side;
      row.push_back(inside ? std::optional<double>(plane[static_cast<std::size_t>(h * side + w)]) : std::nullopt);
    }
    rows.push_back(tree.reduce(row));
  }
  return tree.reduce(rows).value();
}

class MaxPool : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Channels, MaxPool, testing::Values(3, 16), testing::PrintToStringParamName());

TEST_P(MaxPool, IsATreeOfMaximaAcrossTheColumnsAndThenOverTheRows) {
  constexpr std::int64_t kSide = 6;
  const Activation polynomial = relu_form(7);
  for (const Attributes& a : {Attributes{.kernel = {2, 2}, .strides = {2, 2}},
                              Attributes{.kernel = {3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}},
                              Attributes{.kernel = {3, 3}, .strides = {1, 1}, .pads = {0, 1, 1, 0}},
                              Attributes{.kernel = {5, 3}, .strides = {2, 3}, .pads = {2, 0, 1, 1}}}) {
    One one({GetParam(), kSide, kSide}, Op::max_pool, a);
    const nn::Shape shape = one.builder.graph().values[one.builder.graph().nodes[0].output].shape;
    const auto logits = one.run({{0, polynomial}}).logits;
    std::size_t at = 0;
    for (std::size_t plane = 0; plane < One::kImages * static_cast<std::size_t>(GetParam()); ++plane) {
      const auto x = std::span(one.images).subspan(plane * kSide * kSide, kSide * kSide);
      for (std::int64_t oh = 0; oh < shape[1]; ++oh) {
        for (std::int64_t ow = 0; ow < shape[2]; ++ow) {
          ASSERT_NEAR(logits[at++], expected_maximum(Tree(&polynomial), a, x, kSide, oh, ow), 4 * kFloat);
        }
      }
    }
  }
}

TEST_P(MaxPool, CountsADifferenceOnceThatTwoWindowsShare) {
  const auto channels = static_cast<std::uint64_t>(GetParam());
  One two({GetParam(), 4, 4}, Op::max_pool, {.kernel = {2, 2}, .strides = {2, 2}});
  EXPECT_EQ(two.run({{0, relu_form(7)}}).excess.at(0).count, One::kImages * channels * 4 * 3);
  // 5 rows of 2 maxima of 3, then 2 rows of them; the row that no window reads is left out.
  One three({GetParam(), 6, 5}, Op::max_pool, {.kernel = {3, 3}, .strides = {2, 2}});
  EXPECT_EQ(three.run({{0, relu_form(7)}}).excess.at(0).count, One::kImages * channels * (5 * 2 * 2 + 2 * 2 * 2));
}

TEST_P(MaxPool, ShowsItsDifferencesWithoutChangingTheResult) {
  One one({GetParam(), 6, 6}, Op::max_pool, {.kernel = {3, 3}, .strides = {2, 2}});
  std::vector<float> seen;
  Options options;
  options.observe = [&](std::size_t node, std::span<const float> arguments) {
    EXPECT_EQ(node, 0U);
    seen.insert(seen.end(), arguments.begin(), arguments.end());
  };
  const auto observed = one.run({}, options).logits;
  EXPECT_EQ(observed.size(), one.run({}).logits.size());
  expect_close(observed, one.run({}).logits, 1e-6);  // b + (a - b) rounds twice
  EXPECT_EQ(seen.size(), one.run({{0, relu_form(7)}}).excess.at(0).count);
  EXPECT_GT(largest(seen), 2);
}

TEST(Substitution, CountsArgumentsOutsideOfTheDomainAndDoesNotClampThem) {
  One one({1, 1, 6}, Kind::relu);
  one.images = {0.5F, -1, 1, 1.25F, -3, std::numeric_limits<float>::quiet_NaN()};
  const Activation polynomial = relu_form(1);
  auto network = Network::make(one.builder.graph(), {{0, polynomial}}).value();
  const Outcome outcome = network.run(one.images, 1).value();
  EXPECT_EQ(outcome.excess.at(0).count, 6U);
  EXPECT_EQ(outcome.excess.at(0).outside, 3U);
  EXPECT_EQ(outcome.excess.at(0).largest, 3);
  EXPECT_NEAR(outcome.logits[4], approx::evaluate(polynomial, -3), 1e-6 * std::abs(outcome.logits[4]));
  EXPECT_TRUE(std::isnan(outcome.logits[5]));
  // A second run counts anew; a direct form has the interval of its first stage.
  EXPECT_EQ(network.run(one.images, 1)->excess.at(0).count, 6U);
  One smooth({1, 1, 6}, Kind::swish);
  smooth.images = one.images;
  const Outcome direct = Network::make(smooth.builder.graph(), {{0, direct_form(-1, 0.7)}})->run(one.images, 1).value();
  EXPECT_EQ(direct.excess.at(0).outside, 4U);
}

TEST(Substitution, ObservesArgumentsInTheOrderOfTheImages) {
  One one({16, 2, 2}, Kind::relu);
  one.images = Numbers(9).normal(100 * 64);
  auto network = Network::make(one.builder.graph(), {}).value();
  std::vector<float> seen;
  Options options;
  options.observe = [&](std::size_t, std::span<const float> arguments) {
    seen.insert(seen.end(), arguments.begin(), arguments.end());
  };
  ASSERT_TRUE(network.run(one.images, 100, options).ok());
  ASSERT_EQ(seen.size(), one.images.size());
  for (std::size_t image = 0; image < 100; ++image) {  // the order inside an image is the network's own
    const auto row = [&](std::vector<float>& from) {
      std::vector<float> out(from.begin() + static_cast<std::ptrdiff_t>(64 * image),
                             from.begin() + static_cast<std::ptrdiff_t>(64 * (image + 1)));
      std::sort(out.begin(), out.end());
      return out;
    };
    ASSERT_EQ(row(seen), row(one.images));
  }
}

TEST(Substitution, RefusesWhatDoesNotFit) {
  One one({1, 4, 4}, Kind::relu);
  const auto message = [&](const Substitution& substitution) {
    return Network::make(one.builder.graph(), substitution).error().message;
  };
  EXPECT_THAT(message({{9, relu_form(1)}}), HasSubstr("node 9, but network test has 2 nodes"));
  EXPECT_THAT(message({{1, relu_form(1)}}), HasSubstr("node 'n1'"));
  Activation empty = relu_form(1);
  empty.composite.stages.clear();
  EXPECT_THAT(message({{0, empty}}), HasSubstr("no stages"));
  One smooth({1, 4, 4}, Kind::tanh);
  EXPECT_THAT(Network::make(smooth.builder.graph(), {{0, relu_form(1)}}).error().message, HasSubstr("direct form"));
  approx::Function line = approx::default_of(Kind::leaky_relu);
  line.alpha = 1;
  One straight({1, 4, 4}, line);
  EXPECT_THAT(Network::make(straight.builder.graph(), {{0, relu_form(1)}}).error().message,
              HasSubstr("node 'n0' (LeakyRelu) has no activation"));
}

}  // namespace
}  // namespace obscura::eval
