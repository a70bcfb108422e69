// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/parallel.h"
#include "tests/eval/random.h"

namespace obscura::eval {
namespace {

using nn::Builder;
using nn::Op;

constexpr std::size_t kNoiseImages = 50;

/// Convolution, batch normalisation by factors 2 and -3, flatten: nodes 0, 1, 2, on images that are zero.
struct Folded {
  Builder builder{{1, 20, 20}};
  Folded() {
    const auto weight = builder.constant({2, 1, 1, 1}, {1, 1});
    const auto conv = builder.node(Op::conv, {0, weight});
    const auto scale = builder.constant({2}, {2, -3});
    const auto zero = builder.constant({2}, {0, 0});
    const auto one = builder.constant({2}, {1, 1});
    const auto normal = builder.node(Op::batch_normalization, {conv, scale, zero, zero, one}, {.epsilon = 0});
    builder.flatten(normal);
    EXPECT_TRUE(nn::infer_shapes(builder.graph()).ok());
  }
  std::vector<float> run(const Options& options) {
    const std::vector<float> images(kNoiseImages * 400);
    return Network::make(builder.graph(), {})->run(images, kNoiseImages, options)->logits;
  }
};

struct Moments {
  double mean = 0;
  double deviation = 0;
  double kurtosis = 0;
};

Moments moments(std::span<const float> values) {
  Moments out;
  for (const float v : values) out.mean += v;
  out.mean /= static_cast<double>(values.size());
  double fourth = 0;
  for (const float v : values) {
    const double square = (v - out.mean) * (v - out.mean);
    out.deviation += square;
    fourth += square * square;
  }
  out.deviation = std::sqrt(out.deviation / static_cast<double>(values.size()));
  out.kurtosis = fourth / static_cast<double>(values.size()) / std::pow(out.deviation, 4);
  return out;
}

TEST(Noise, HasTheDeviationThatWasAskedForAndIsNormal) {
  Options options;
  options.noise[2] = 0.5;
  const Moments measured = moments(Folded().run(options));
  // 40,000 numbers: the deviation is known to 0.35 %, the kurtosis to sqrt(24 / 40000) = 0.024; five times that.
  EXPECT_NEAR(measured.mean, 0, 5 * 0.5 / 200);
  EXPECT_NEAR(measured.deviation, 0.5, 5 * 0.0035 * 0.5);
  EXPECT_NEAR(measured.kurtosis, 3, 5 * 0.024);
}

TEST(Noise, OfAConvolutionGoesThroughTheNormalisationThatWasFoldedIntoIt) {
  Options options;
  options.noise[0] = 0.5;
  const std::vector<float> logits = Folded().run(options);
  std::vector<float> first;
  std::vector<float> second;
  for (std::size_t i = 0; i < logits.size(); ++i) (i % 800 < 400 ? first : second).push_back(logits[i]);
  EXPECT_NEAR(moments(first).deviation, 1, 5 * 0.005);
  EXPECT_NEAR(moments(second).deviation, 1.5, 5 * 0.005 * 1.5);
  // Noise of both nodes adds up, independently.
  options.noise[1] = 2;
  EXPECT_NEAR(moments(Folded().run(options)).deviation, std::sqrt(4 + (1 + 2.25) / 2), 5 * 0.0035 * 2.4);
}

TEST(Noise, OfOneNodeAfterTheOtherGivesWhatARunWithEachGives) {
  const std::vector<std::pair<std::size_t, double>> noise{{2, 0.5}, {0, 0.25}, {1, 2}};
  Folded folded;
  const std::vector<float> images(kNoiseImages * 400);
  const auto network = Network::make(folded.builder.graph(), {});
  const auto each = network->run_each(images, kNoiseImages, noise).value();
  ASSERT_EQ(each.size(), noise.size() + 1);
  EXPECT_EQ(each[0], folded.run({}));
  for (std::size_t k = 0; k < noise.size(); ++k) {
    Options alone;
    alone.noise = {noise[k]};
    EXPECT_EQ(each[k + 1], folded.run(alone)) << noise[k].first;
  }
}

TEST(Noise, IsReproducibleByItsSeedWhateverTheThreadsAndBatches) {
  Options options;
  options.noise[0] = 0.5;
  options.noise[2] = 0.1;
  options.noise_seed = 7;
  const std::vector<float> expected = Folded().run(options);
  EXPECT_EQ(Folded().run(options), expected);
  {
    const base::ThreadLimit limit(1);
    Options small = options;
    small.batch = 1;
    EXPECT_EQ(Folded().run(small), expected);
  }
  options.noise_seed = 8;
  const std::vector<float> other = Folded().run(options);
  double product = 0;
  for (std::size_t i = 0; i < other.size(); ++i) product += static_cast<double>(other[i]) * expected[i];
  const double norm = moments(other).deviation * moments(expected).deviation;
  EXPECT_NEAR(product / static_cast<double>(other.size()) / norm, 0, 5.0 / 200);
}

}  // namespace
}  // namespace obscura::eval
