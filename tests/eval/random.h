// SPDX-License-Identifier: Apache-2.0
/// Random numbers and comparisons for the tests of eval.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <vector>

#include "eval/network.h"
#include "nn/reference.h"
#include "tests/nn/graphs.h"

namespace obscura::eval {

class Numbers {
 public:
  explicit Numbers(unsigned seed) : engine_(seed) {}
  std::vector<float> normal(std::size_t count, double deviation = 1) {
    std::normal_distribution<double> distribution(0, deviation);
    std::vector<float> out(count);
    for (float& v : out) v = static_cast<float>(distribution(engine_));
    return out;
  }
  std::vector<float> uniform(std::size_t count, double low, double high) {
    std::uniform_real_distribution<double> distribution(low, high);
    std::vector<float> out(count);
    for (float& v : out) v = static_cast<float>(distribution(engine_));
    return out;
  }

 private:
  std::mt19937 engine_;
};

inline float largest(std::span<const float> values) {
  float out = 0;
  for (const float v : values) out = std::max(out, std::abs(v));
  return out;
}

/// Within `relative` of the largest expected number.
inline void expect_close(std::span<const float> actual, std::span<const float> expected, double relative) {
  ASSERT_EQ(actual.size(), expected.size());
  const double allowed = relative * largest(expected);
  ASSERT_TRUE(allowed > 0 && std::isfinite(allowed)) << "the expected numbers say nothing";
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], allowed) << "at " << i << " of " << actual.size();
  }
}

}  // namespace obscura::eval
