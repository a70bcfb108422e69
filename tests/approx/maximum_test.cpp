// SPDX-License-Identifier: Apache-2.0
#include "approx/maximum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace obscura::approx {
namespace {

using ::testing::HasSubstr;

struct Window {
  int rows, columns, levels;
};

class MaxPoolOf : public testing::TestWithParam<Window> {};

TEST_P(MaxPoolOf, IsWithinItsCertificateOnRandomWindowsAndOnEqualNumbers) {
  const Window window = GetParam();
  const MaxPool pool = *max_pool(8, -3, 5, window.rows, window.columns);
  std::mt19937 generator(1);
  std::uniform_real_distribution<double> uniform(-3, 5);
  std::vector<double> numbers(static_cast<std::size_t>(window.rows * window.columns));
  double largest = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    for (double& number : numbers) number = uniform(generator);
    if (trial % 3 == 1) std::fill(numbers.begin() + 1, numbers.end(), numbers.front());  // all equal
    if (trial % 3 == 2) {  // nearly equal, where the sign is least certain
      for (double& number : numbers) number = numbers.front() + (number - numbers.front()) * 0.01;
    }
    const double exact = *std::max_element(numbers.begin(), numbers.end());
    largest = std::max(largest, std::abs(evaluate(pool, numbers) - exact));
  }
  EXPECT_LE(largest, pool.certificate.max_error);
  EXPECT_GE(largest, pool.certificate.max_error / (2.0 * pool.levels)) << "a certificate that says little";
}

TEST_P(MaxPoolOf, CountsItsTree) {
  const Window window = GetParam();
  const MaxPool pool = *max_pool(SignChoice{{15, 15, 27}}, 0, 1, window.rows, window.columns);
  EXPECT_EQ(pool.levels, window.levels);
  EXPECT_EQ(pool.maxima, window.rows * window.columns - 1);
  EXPECT_EQ(pool.certificate.depth, 14 * window.levels);
  EXPECT_EQ(pool.certificate.multiplications, 27 * pool.maxima);
}

INSTANTIATE_TEST_SUITE_P(Windows, MaxPoolOf,
                         testing::Values(Window{1, 2, 1}, Window{2, 2, 2}, Window{3, 3, 4}, Window{2, 5, 4},
                                         Window{5, 1, 3}),
                         [](const auto& window) {
                           return std::to_string(window.param.rows) + "x" + std::to_string(window.param.columns);
                         });

TEST(MaxPooling, LeavesRoomForTheErrorsOfEarlierLevels) {
  const MaxPool pool = *max_pool(7, -1, 1, 3, 3);
  const double eta = pool.relu.certificate.max_error / pool.relu.bound;
  EXPECT_NEAR(pool.relu.bound, 2 + 2 * 3 * pool.relu.bound * eta, 1e-12);
  EXPECT_EQ(max_pool(7, -1, 1, 1, 2)->relu.bound, 2);
}

TEST(MaxPooling, OfTwoNumbersIsSymmetricUpToTheError) {
  const Activation y = *relu(10, 4);
  for (const double a : {-2.0, -0.01, 0.0, 0.3, 2.0}) {
    for (const double b : {-2.0, 0.0, 0.31, 2.0}) {
      EXPECT_NEAR(maximum(y, a, b), std::max(a, b), y.certificate.max_error);
    }
  }
}

TEST(MaxPooling, RefusesWhatIsOutOfBounds) {
  EXPECT_THAT(max_pool(7, 0, 1, 1, 1).error().message, HasSubstr("window of 1x1"));
  EXPECT_THAT(max_pool(7, 0, 1, 17, 2).error().message, HasSubstr("17x2"));
  EXPECT_THAT(max_pool(7, 0, 1, 0, 2).error().message, HasSubstr("0x2"));
  EXPECT_THAT(max_pool(7, 1, 1, 2, 2).error().message, HasSubstr("empty"));
  EXPECT_THAT(max_pool(7, 0, std::nan(""), 2, 2).error().message, HasSubstr("empty"));
  EXPECT_THAT(max_pool(0, 0, 1, 2, 2).error().message, HasSubstr("alpha 0"));
  EXPECT_THAT(max_pool(7, 0, 1e9, 2, 2).error().message, HasSubstr("wider"));
  EXPECT_THAT(max_pool(SignChoice{{3}, 0.9}, 0, 1, 16, 16).error().message, HasSubstr("8 levels"));
  const MaxPool pool = *max_pool(4, 0, 1, 2, 2);
  EXPECT_THROW(evaluate(pool, std::vector<double>(3)), ContractError);
}

}  // namespace
}  // namespace obscura::approx
