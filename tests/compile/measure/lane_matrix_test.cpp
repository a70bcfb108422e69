// SPDX-License-Identifier: Apache-2.0
#include "compile/measure/lane_matrix.h"

#include <gmock/gmock.h>

#include <cmath>

namespace obscura::compile {
namespace {

constexpr std::size_t kLanes = kernels::kVectors;

/// Two positions of one window with two channels, a row without entries, and one of another width:
/// [[1.5, -2, ., .], [., ., 1.5, -2], [0.25, 3, ., .], [., ., 0.25, 3], [., ., ., .], [., 7, ., .]]
SparseMatrix sample_matrix() {
  SparseMatrix m;
  m.cols = 4;
  for (const auto& [a, b] : {std::pair{1.5, -2.0}, std::pair{0.25, 3.0}}) {
    for (const std::uint32_t first : {0U, 2U}) {
      m.push(first, a);
      m.push(first + 1, b);
      m.end_row();
    }
  }
  m.end_row();
  m.push(1, 7);
  m.end_row();
  return m;
}

/// In lane k element e is (e + 1) (k + 1).
std::vector<double> lanes(std::size_t elements) {
  std::vector<double> out(elements * kLanes);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<double>(i / kLanes + 1) * static_cast<double>(i % kLanes + 1);
  }
  return out;
}

std::vector<double> lane(const std::vector<double>& values, std::size_t k) {
  std::vector<double> out;
  for (std::size_t i = k; i < values.size(); i += kLanes) out.push_back(values[i]);
  return out;
}

TEST(LaneMatrix, AddsTheProductOfTheSparseMatrixInEachLane) {
  const SparseMatrix m = sample_matrix();
  const std::vector<double> x = lanes(m.cols);
  std::vector<double> y(m.rows * kLanes, 100);
  LaneMatrix(m).add_product(x, y);
  for (const std::size_t k : {std::size_t{0}, std::size_t{5}, kLanes - 1}) {
    std::vector<double> expected = multiply(m, lane(x, k));
    for (double& v : expected) v += 100;
    EXPECT_EQ(lane(y, k), expected) << "lane " << k;
  }
}

TEST(LaneMatrix, TransposedSumsOverRows) {
  const SparseMatrix m = sample_matrix();
  const std::vector<double> y = lanes(m.rows);
  std::vector<double> x(m.cols * kLanes, 0);
  LaneMatrix(m).transposed().add_product(y, x);
  EXPECT_THAT(lane(x, 0), ::testing::ElementsAre(1.5 + 0.75, -2 + 9 + 42, 3 + 1, -4 + 12));
}

TEST(LaneMatrix, RoundsItsWeights) {
  SparseMatrix rounded = sample_matrix();
  for (double& w : rounded.value) w = std::round(w * 2) / 2;
  const std::vector<double> x = lanes(4);
  std::vector<double> y(6 * kLanes, 0), expected = y;
  LaneMatrix(sample_matrix()).rounded(2).add_product(x, y);
  LaneMatrix(rounded).add_product(x, expected);
  EXPECT_EQ(y, expected);
}

}  // namespace
}  // namespace obscura::compile
