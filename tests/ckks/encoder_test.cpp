// SPDX-License-Identifier: Apache-2.0
#include "ckks/encoder.h"

#include <algorithm>
#include <numbers>

#include "tests/ckks/fixture.h"

namespace obscura::ckks {
namespace {

/// N roundings of at most 1/2 in a slot: deviation sqrt(N / 24), or sqrt(2 N / 12) where all slots are real.
double rounding(RingType ring) { return ring == RingType::standard ? std::sqrt(8192.0 / 24) : std::sqrt(8192.0 / 6); }

class EncoderTest : public testing::Test {
 protected:
  World world_{make_params(13, 48, 3, 1, 1)};
  const Encoder& encoder_ = world_.context->encoder();
};

/// What both rings do.
class RealSlots : public testing::TestWithParam<RingType> {
 protected:
  World world_{make_params(13, 48, 3, 1, 1, GetParam())};
  const Encoder& encoder_ = world_.context->encoder();
  double rounding_ = rounding(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Rings, RealSlots, testing::Values(RingType::standard, RingType::conjugate_invariant),
                         [](const auto& test) { return test.param == RingType::standard ? "Standard" : "Invariant"; });

TEST_P(RealSlots, DecodeUndoesEncodeToTheRoundingOfCoefficients) {
  const auto slots = world_.random_slots(10, 1);
  for (const double scale : {0x1p30, 0x1p45, 0x1p55}) {
    for (const std::size_t limbs : {std::size_t{2}, std::size_t{3}}) {
      const auto back = encoder_.decode(encoder_.encode(slots, scale, limbs), scale);
      double largest = 0;
      for (std::size_t j = 0; j < slots.size(); ++j) largest = std::max(largest, std::fabs(back[j] - slots[j]));
      // 8 deviations cover 2^13 slots. The FFT adds 2^-45.
      EXPECT_LT(largest, 8 * rounding_ / scale + 0x1p-45);
    }
  }
}

TEST_F(EncoderTest, ComplexSlotsComeBackAndMultiplyAsComplexNumbers) {
  const auto re = world_.random_slots(2, 4), im = world_.random_slots(2, 5);
  std::vector<std::complex<double>> slots(re.size());
  for (std::size_t j = 0; j < slots.size(); ++j) slots[j] = {re[j], im[j]};
  ring::NttPoly x = encoder_.encode(slots, 0x1p45, 3);
  const auto back = encoder_.decode_complex(x, 0x1p45);
  for (std::size_t i = 0; i < 3; ++i) {
    world_.context->kernels().multiply(x.limb(i), x.limb(i), x.limb(i), x.degree(), world_.context->basis().modulus(i));
  }
  const auto square = encoder_.decode_complex(x, 0x1p90);
  // As above; a square's error is that of its factors twice, times at most 2 sqrt(2).
  const double bound = 8 * std::sqrt(8192.0 / 24) / 0x1p45 + 0x1p-45;
  for (std::size_t j = 0; j < slots.size(); ++j) {
    EXPECT_LT(std::abs(back[j] - slots[j]), std::sqrt(2.0) * bound);
    EXPECT_LT(std::abs(square[j] - slots[j] * slots[j]), 8 * bound);
  }
}

TEST_P(RealSlots, RepeatedSlotsEmbedToEveryCoefficientThatIsNotZero) {
  const std::size_t slots = world_.context->params().slots();
  const bool complex = GetParam() == RingType::standard;
  for (std::size_t period = encoder_.least_period(); period <= slots; period *= 2) {
    const auto numbers = world_.random_slots(2, 7);
    std::vector<std::complex<double>> whole(slots);
    for (std::size_t j = 0; j < slots; ++j) whole[j] = {numbers[j % period], complex ? numbers[(j + 1) % period] : 0};
    const Embedding all = encoder_.embed(whole, 0x1p45);
    const Embedding some = encoder_.embed_repeated(std::span(whole).first(period), 0x1p45);
    ASSERT_EQ(some.coefficients.degree(), (complex ? 2 : 1) * period);
    const std::size_t gap = slots / period;
    // The two FFTs round differently by some 2^-45 of what the coefficients are.
    for (std::size_t j = 0; j < all.coefficients.degree(); ++j) {
      const double expected = j % gap == 0 ? some.coefficients.limb(0)[j / gap] : 0;
      EXPECT_NEAR(all.coefficients.limb(0)[j], expected, 4) << period << ' ' << j;
    }
  }
}

TEST_P(RealSlots, RealSlotsEncodeAsComplexOnesWithoutImaginaryPart) {
  const auto slots = world_.random_slots(2, 6);
  const std::vector<std::complex<double>> same(slots.begin(), slots.end());
  const ring::NttPoly x = encoder_.encode(slots, 0x1p45, 3), y = encoder_.encode(same, 0x1p45, 3);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(std::ranges::equal(x.residues(i), y.residues(i)));
}

TEST(Encoder, SlotsOfTheConjugateInvariantRingAreValuesAtPowersOfFive) {
  World world{make_params(12, 35, 2, 1, 1, RingType::conjugate_invariant)};
  const std::size_t n = world.context->degree();
  const auto slots = world.random_slots(2, 8);
  ASSERT_EQ(slots.size(), n);
  const std::vector<std::complex<double>> numbers(slots.begin(), slots.end());
  const Embedding embedding = world.context->encoder().embed(numbers, 0x1p45);
  for (const std::size_t slot : {0UL, 1UL, 2UL, 77UL, n / 2, n - 1}) {
    const std::uint64_t power = world.context->galois_element(static_cast<std::int64_t>(slot));  // 5^slot mod 4N
    double value = embedding.coefficients.limb(0)[0];
    for (std::size_t j = 1; j < n; ++j) {
      const double turns = static_cast<double>(power * j % (4 * n)) / static_cast<double>(4 * n);
      value += 2 * embedding.coefficients.limb(0)[j] * std::cos(2 * std::numbers::pi * turns);
    }
    EXPECT_NEAR(value / 0x1p45, slots[slot], 1e-10) << slot;
  }
}

TEST(Encoder, ASlotThatIsNotRealIsRefusedWhereAllAreReal) {
  const World world{make_params(12, 35, 2, 1, 1, RingType::conjugate_invariant)};
  EXPECT_THROW(world.context->encoder().embed(std::vector<std::complex<double>>{{1, 0.5}}, 1), ContractError);
}

TEST_P(RealSlots, ProductsOfPolynomialsAreProductsOfSlots) {
  const auto a = world_.random_slots(2, 2), b = world_.random_slots(2, 3);
  ring::NttPoly x = encoder_.encode(a, 0x1p40, 3);
  const ring::NttPoly y = encoder_.encode(b, 0x1p40, 3);
  for (std::size_t i = 0; i < 3; ++i) {
    world_.context->kernels().multiply(x.limb(i), x.limb(i), y.limb(i), x.degree(), world_.context->basis().modulus(i));
  }
  const auto product = encoder_.decode(x, 0x1p80);
  for (std::size_t j = 0; j < a.size(); ++j) EXPECT_NEAR(product[j], a[j] * b[j], 0x1p-28);
}

TEST_P(RealSlots, ASmallMessageUnderALargeModulusIsComposedExactly) {
  std::vector<double> slots(world_.context->params().slots(), -3.25);  // a constant polynomial
  const auto back = encoder_.decode(encoder_.encode(slots, 0x1p40, 3), 0x1p40);
  for (const double x : back) EXPECT_NEAR(x, -3.25, 1e-12);
}

TEST_P(RealSlots, WhatCannotBeEncodedThrows) {
  std::vector<double> slots(world_.context->params().slots() + 1);
  EXPECT_THROW(encoder_.encode(slots, 1, 1), ContractError);
  slots.resize(1);
  slots[0] = std::nan("");
  EXPECT_THROW(encoder_.encode(slots, 1, 1), ContractError);
  slots[0] = 0x1p40;
  EXPECT_THROW(encoder_.encode(std::vector<double>(world_.context->params().slots(), 0x1p40), 0x1p30, 1),
               ContractError);
}

}  // namespace
}  // namespace obscura::ckks
