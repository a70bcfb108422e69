// SPDX-License-Identifier: Apache-2.0
#include "ckks/slot_fft.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <numbers>
#include <random>

#include "kernels/integers.h"

namespace obscura::ckks {
namespace {

using Slots = std::vector<std::complex<double>>;

Slots multiply(const std::vector<FftFactor>& factors, Slots x) {
  for (const FftFactor& factor : factors) {
    Slots y(x.size());
    for (const auto& [step, diagonal] : factor.matrix()) {
      for (std::size_t j = 0; j < x.size(); ++j) {
        y[j] += diagonal[j] * x[(j + static_cast<std::size_t>(step)) % x.size()];
      }
    }
    x = y;
  }
  return x;
}

Slots random_slots(std::size_t count) {
  std::mt19937_64 generator(1);
  std::uniform_real_distribution<double> uniform(-1, 1);
  Slots out(count);
  for (auto& x : out) x = {uniform(generator), uniform(generator)};
  return out;
}

TEST(SlotFft, BitReversedCoefficientsBecomeValuesAtTheRoots) {
  constexpr std::size_t kSlots = 64;
  const Slots coefficients = random_slots(kSlots);
  Slots reversed(kSlots);
  for (std::size_t j = 0; j < kSlots; ++j) reversed[j] = coefficients[kernels::reverse_bits(j, 6)];
  const std::vector<int> levels = {1, 3, 2};
  const Slots slots = multiply(coefficients_to_slots(kSlots, levels), reversed);
  std::size_t power = 1;  // 5^k mod 4 n: slot k is the value at exp(2 pi i 5^k / 4 n)
  for (std::size_t k = 0; k < kSlots; ++k, power = power * 5 % (4 * kSlots)) {
    std::complex<double> value = 0;
    for (std::size_t j = 0; j < kSlots; ++j) {
      value +=
          coefficients[j] * std::polar(1.0, 2 * std::numbers::pi * static_cast<double>(power * j) / (4.0 * kSlots));
    }
    EXPECT_LT(std::abs(slots[k] - value), 1e-11) << k;
  }
}

TEST(SlotFft, TheTwoDirectionsAreInverse) {
  const Slots x = random_slots(256);
  const Slots y = multiply(slots_to_coefficients(256, std::vector<int>{4, 4}), x);
  const Slots z = multiply(coefficients_to_slots(256, std::vector<int>{3, 2, 3}), y);
  for (std::size_t j = 0; j < x.size(); ++j) EXPECT_LT(std::abs(z[j] - x[j]), 1e-13) << j;
}

TEST(SlotFft, AFactorOfKLevelsHasAsManyDiagonalsAsSaid) {
  const auto factors = slots_to_coefficients(1024, std::vector<int>{4, 3, 3});
  EXPECT_EQ(factors[0].steps().size(), 16U);  // the widest level wraps around: steps of both signs are the same
  EXPECT_EQ(factors[1].steps().size(), 15U);
  EXPECT_EQ(factors[2].steps().size(), 15U);
}

/// Whether x[j] is x[j mod period] everywhere.
bool repeats(const Slots& x, std::size_t period) {
  for (std::size_t j = period; j < x.size(); ++j) {
    if (x[j] != x[j - period]) return false;
  }
  return true;
}

TEST(SlotFft, StepsAndPeriodsThatAreKnownWithoutTheNumbersAreThoseOfTheNumbers) {
  const std::vector<int> levels = {4, 3, 3};
  for (const auto& factors : {slots_to_coefficients(1024, levels), coefficients_to_slots(1024, levels)}) {
    for (const FftFactor& factor : factors) {
      std::vector<std::int64_t> steps;
      bool shorter = true;
      for (const auto& [step, diagonal] : factor.matrix()) {
        steps.push_back(step);
        EXPECT_TRUE(repeats(diagonal, factor.period())) << step;
        shorter &= repeats(diagonal, factor.period() / 2);
      }
      EXPECT_EQ(factor.steps(), steps);
      EXPECT_FALSE(shorter);
    }
  }
}

}  // namespace
}  // namespace obscura::ckks
