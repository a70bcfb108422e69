// SPDX-License-Identifier: Apache-2.0
#include "kernels/lanes.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <vector>

namespace obscura::kernels {
namespace {

TEST(LaneProduct, GivesTheBitsOfThePlainLoopWhateverTheNumberOfRows) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  constexpr std::size_t kCols = 13, kElements = 40;
  std::vector<double> x(kElements * kVectors);
  for (double& v : x) v = normal(random);
  for (std::size_t rows = 1; rows <= 19; ++rows) {
    std::vector<double> weights(rows * kCols), y(kElements * kVectors);
    for (double& w : weights) w = normal(random);
    for (double& v : y) v = normal(random);
    std::vector<std::uint32_t> places(kElements);
    std::iota(places.begin(), places.end(), 0);
    std::shuffle(places.begin(), places.end(), random);
    const LaneProduct job{weights.data(), rows, kCols, places.data(), places.data() + kCols};
    std::vector<double> expected = y;
    lane_product_portable(job, x.data(), expected.data());
    lane_product(job, x.data(), y.data());
    EXPECT_EQ(y, expected) << rows << " rows";
  }
}

TEST(ChebyshevSum, GivesTheBitsOfThePlainLoopAndTheDerivative) {
  std::mt19937 random(6);
  std::uniform_real_distribution<double> uniform(-2, 3);
  for (std::size_t count = 1; count <= 33; count += 4) {
    std::vector<double> coefficients(count), x(kVectors), slope(kVectors, 1), step(kVectors, 1);
    for (double& c : coefficients) c = uniform(random);
    for (double& v : x) v = uniform(random);
    const ChebyshevSum job{coefficients.data(), count, -2, 3};
    std::vector<double> value = x, expected = x, expected_slope = slope, near = x;
    chebyshev_sum_portable(job, expected.data(), expected_slope.data());
    chebyshev_sum(job, value.data(), slope.data());
    EXPECT_EQ(value, expected) << count;
    EXPECT_EQ(slope, expected_slope) << count;
    for (double& v : near) v += 1e-7;
    chebyshev_sum(job, near.data(), step.data());
    for (std::size_t i = 0; i < kVectors; ++i) {
      EXPECT_NEAR((near[i] - value[i]) / 1e-7, slope[i], 1e-4 * (1 + std::abs(slope[i])) * static_cast<double>(count));
    }
  }
}

}  // namespace
}  // namespace obscura::kernels
