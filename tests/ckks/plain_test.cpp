// SPDX-License-Identifier: Apache-2.0
#include "ckks/plain.h"

#include "tests/ckks/fixture.h"

namespace obscura::ckks {
namespace {

class Plain : public testing::Test {
 protected:
  World world_{make_params(13, 48, 3, 1, 1)};
  const Context& context_ = *world_.context;
  std::vector<double> a_ = world_.random_slots(1, 1), b_ = world_.random_slots(1, 2);
  double scale_ = 0x1p40;
  Ciphertext x_ = world_.encrypt(a_, scale_, 3);
  double fresh_ = noise_of_encryption(context_.params()) / scale_;
};

TEST_F(Plain, ProductsWithRealSlotsAreSlotBySlot) {
  const Ciphertext y = multiply_plain(context_, x_, make_plaintext(context_, b_, 0x1p45, 3));
  EXPECT_EQ(y.scale, 0x1p85);
  EXPECT_EQ(y.limbs(), 3U);
  expect_predicted(world_.error(y, [&](std::size_t j) { return a_[j] * b_[j]; }), fresh_ / std::sqrt(3.0));
}

TEST_F(Plain, ProductsWithComplexSlotsAreSlotBySlot) {
  // Twice by a complex number whose square is real.
  const std::vector<std::complex<double>> root(a_.size(), std::complex<double>(0, 0.5));
  const Plaintext p = make_plaintext(context_, root, 0x1p45, 3);
  const Ciphertext y = multiply_plain(context_, multiply_plain(context_, x_, p), p);
  expect_predicted(world_.error(y, [&](std::size_t j) { return -0.25 * a_[j]; }), 0.25 * fresh_);
}

TEST_F(Plain, ProductsKeepThreeParts) {
  const Ciphertext z = multiply(context_, x_, x_);
  const Ciphertext y =
      multiply_plain(context_, z, make_plaintext(context_, std::vector<double>(a_.size(), 2), 0x1p20, 3));
  EXPECT_EQ(y.parts.size(), 3U);
  expect_predicted(world_.error(y, [&](std::size_t j) { return 2 * a_[j] * a_[j]; }), 2 * 2 * fresh_ / std::sqrt(3.0));
}

TEST_F(Plain, SumsKeepTheErrorOfTheCiphertext) {
  const Ciphertext y = add_plain(context_, x_, make_plaintext(context_, b_, scale_, 3));
  EXPECT_EQ(y.scale, scale_);
  expect_predicted(world_.error(y, [&](std::size_t j) { return a_[j] + b_[j]; }), fresh_);
}

TEST_F(Plain, OtherScalesAndTooFewLimbsThrow) {
  EXPECT_THROW(add_plain(context_, x_, make_plaintext(context_, b_, 0x1p41, 3)), ContractError);
  EXPECT_THROW(add_plain(context_, x_, make_plaintext(context_, b_, scale_, 2)), ContractError);
  EXPECT_THROW(multiply_plain(context_, x_, make_plaintext(context_, b_, scale_, 2)), ContractError);
}

}  // namespace
}  // namespace obscura::ckks
