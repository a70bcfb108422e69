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

}  // namespace
}  // namespace obscura::kernels
