// SPDX-License-Identifier: Apache-2.0
#include "ckks/bootstrap.h"

#include <algorithm>

#include "tests/ckks/boot_fixture.h"
#include "tests/ckks/toy_sets.h"

namespace obscura::ckks {
namespace {

/// One set of keys for all tests that only read.
const Booted& world() {
  static const Booted booted(BootstrapParams::insecure_for_tests(full_toy()).value());
  return booted;
}

class Bootstrapping : public testing::TestWithParam<BootstrapLiteral> {};

TEST_P(Bootstrapping, GivesTheSameSlotsWithinThePredictedError) {
  const Booted booted(BootstrapParams::insecure_for_tests(GetParam()).value());
  const std::vector<double> slots = booted.random_slots();
  const Ciphertext out = booted.bootstrapper->run(booted.keys, booted.own, booted.encrypt(slots));
  EXPECT_EQ(out.limbs(), booted.params.limbs().output);
  EXPECT_EQ(out.scale, booted.scale);
  const auto errors = booted.errors(out, slots);
  // n slots only, all under one secret: half a bit.
  EXPECT_NEAR(std::log2(errors.deviation), std::log2(booted.bootstrapper->predict(slots).total()), 0.5);
}

INSTANTIATE_TEST_SUITE_P(Toy, Bootstrapping, testing::Values(small_toy(), full_toy(), sparse_toy()));

TEST(Bootstrap, EqualSlotsAreAsPreciseAsAnyOthers) {
  const std::vector<double> slots(world().params.params().slots(), 1.0);
  const Ciphertext out = world().bootstrapper->run(world().keys, world().own, world().encrypt(slots));
  EXPECT_LT(world().errors(out, slots).largest, kFar * world().bootstrapper->predict(slots).total());
}

TEST(Bootstrap, ABootstrappedCiphertextCanBeBootstrapped) {
  const std::vector<double> slots = world().random_slots();
  Ciphertext x = world().encrypt(slots);
  for (int round = 0; round < 2; ++round) x = world().bootstrapper->run(world().keys, world().own, x);
  const double once = world().bootstrapper->predict(slots).total();
  EXPECT_LT(world().errors(x, slots).largest, 2 * kFar * once);
}

TEST(Bootstrap, WholeNumbersVanishOnAllOfTheRange) {
  const BootstrapLiteral& literal = world().params.literal();
  const std::vector<double> slots = world().random_slots();
  std::vector<double> x;
  for (int i = -literal.range; i <= literal.range; ++i) x.push_back(i);
  const double sine = std::exp2(literal.log2_ratio) / (2 * M_PI);
  for (const double y : evaluate_clear(world().bootstrapper->eval_mod_plan(), x)) {
    EXPECT_LT(std::fabs(y) * sine, kFar * world().bootstrapper->predict(slots).total());
  }
}

TEST(Bootstrap, KeysUnderTheSparseSecretExistAtTheLowestLevelOnly) {
  EXPECT_EQ(world().params.sparse_params().chain_limbs(), 1U);
  EXPECT_EQ(world().params.sparse_params().special_limbs(), 1U);
  EXPECT_EQ(world().params.sparse_params().literal().chain[0], world().params.params().literal().chain[0]);
  ASSERT_EQ(world().own.to_sparse.body.size(), 1U);
  EXPECT_EQ(world().own.to_sparse.body[0].limbs(), 2U);
}

TEST(Bootstrap, KeysOutOfTheSparseSecretHaveOneDigitOfTheFirstPrimes) {
  const ParamsLiteral &raise = world().params.raise_params().literal(), &all = world().params.params().literal();
  EXPECT_EQ(raise.chain, all.chain);
  ASSERT_LT(raise.special.size(), all.special.size());
  EXPECT_TRUE(std::equal(raise.special.begin(), raise.special.end(), all.special.begin()));
  ASSERT_EQ(world().own.to_dense.size(), world().params.gap());
  EXPECT_EQ(world().own.to_dense[0].body.size(), 1U);
  EXPECT_EQ(world().own.to_dense[0].body[0].limbs(), raise.chain.size() + raise.special.size());
  // A whole polynomial is larger than that digit: none is cut into it.
  EXPECT_THROW((void)world().bootstrapper->raise_context().digit_conversion(0, 1), ContractError);
}

TEST(Bootstrap, AbsentKeysAreRefused) {
  const Ciphertext x = world().encrypt(world().random_slots());
  const Bootstrapper& bootstrapper = *world().bootstrapper;
  const Ciphertext low = bootstrapper.encapsulate(world().own, bootstrapper.slot_to_coeff(world().keys, x));
  const Ciphertext raised = bootstrapper.mod_raise(world().own, low);
  EXPECT_THROW((void)bootstrapper.slot_to_coeff(EvalKeys{}, x), ContractError);
  EXPECT_THROW((void)bootstrapper.mod_raise(BootstrapKeys{}, low), ContractError);
  EXPECT_THROW((void)bootstrapper.coeff_to_slot(EvalKeys{}, raised), ContractError);
  Ciphertext in_slots = bootstrapper.coeff_to_slot(world().keys, raised);
  EXPECT_THROW((void)bootstrapper.eval_mod(EvalKeys{}, in_slots), ContractError);
}

TEST(Bootstrap, KeysMadeForFewerLimbsAreRefused) {
  const Context& context = *world().bootstrapper->context();
  EvalKeys few;
  few.galois.emplace(context.galois_element(1),
                     secret::make_galois_key(context, world().secret, context.galois_element(1), 3));
  const auto encrypt = [&](std::size_t limbs) {
    return expand(context, secret::encrypt(context, world().secret, world().random_slots(), world().scale, limbs));
  };
  EXPECT_NO_THROW((void)rotate(context, few, encrypt(3), 1));
  EXPECT_THROW((void)rotate(context, few, encrypt(4), 1), ContractError);
  EXPECT_THROW((void)rotate(context, few, encrypt(context.chain_limbs()), 1), ContractError);
}

TEST(Bootstrap, InputsOfAnotherScaleOrLevelAreRefused) {
  Ciphertext x = world().encrypt(world().random_slots());
  x.scale *= 2;
  EXPECT_THROW((void)world().bootstrapper->slot_to_coeff(world().keys, x), ContractError);
  x.scale /= 2;
  for (ring::NttPoly& part : x.parts) part.drop_to(1);
  EXPECT_THROW((void)world().bootstrapper->slot_to_coeff(world().keys, x), ContractError);
}

TEST(BootstrapParams, SetsThatNoTestHasShownRightAreRefused) {
  for (const BootstrapLiteral& literal : BootstrapParams::demonstrated()) {
    EXPECT_TRUE(BootstrapParams::make(literal).ok());
    BootstrapLiteral other = literal;
    other.range -= 4;
    EXPECT_EQ(BootstrapParams::make(other).error().code, Code::wrong_params);
  }
}

TEST(BootstrapParams, DemonstratedSetsAreSecureAndRarelyFail) {
  for (const BootstrapLiteral& literal : BootstrapParams::demonstrated()) {
    const BootstrapParams params = BootstrapParams::make(literal).value();
    EXPECT_LE(params.params().log2_qp(), max_log2_qp(literal.log2_degree));
    EXPECT_LE(params.sparse_params().log2_qp(), max_log2_qp_sparse(literal.log2_degree, literal.weight));
    EXPECT_LT(params.log2_failure(), -50);
    EXPECT_EQ(params.limbs().output, params.limbs().input + static_cast<std::size_t>(literal.levels));
  }
}

TEST(BootstrapParams, FieldsOutOfRangeAreRefused) {
  const auto code = [](auto change) {
    BootstrapLiteral literal = full_toy();
    change(literal);
    return BootstrapParams::insecure_for_tests(literal).error().code;
  };
  EXPECT_EQ(code([](auto& l) { l.log2_slots = 12; }), Code::wrong_params);
  EXPECT_EQ(code([](auto& l) { l.coeff_to_slot = {4, 4}; }), Code::wrong_params);
  EXPECT_EQ(code([](auto& l) { l.slot_to_coeff = {11, 0}; }), Code::wrong_params);
  EXPECT_EQ(code([](auto& l) { l.cosine_degree = 31; }), Code::wrong_params);
  EXPECT_EQ(code([](auto& l) { l.wide_angles = 4; }), Code::wrong_params);
  EXPECT_EQ(code([](auto& l) { l.base_bits = 51; }), Code::wrong_params);
  EXPECT_EQ(code([](auto& l) { l.log2_ratio = 45; }), Code::wrong_params);
  EXPECT_EQ(code([](auto& l) { l.special_bits = 40; }), Code::wrong_params);  // less than a digit
}

TEST(BootstrapParams, TheFailureBoundHoldsWhereItCanBeCounted) {
  // A sum of 33 uniform numbers beyond 4: about 1.5 in a hundred.
  std::mt19937_64 generator(1);
  std::uniform_real_distribution<double> uniform(-0.5, 0.5);
  constexpr int kTries = 100000;
  int beyond = 0;
  for (int k = 0; k < kTries; ++k) {
    double sum = 0;
    for (int i = 0; i < 33; ++i) sum += uniform(generator);
    beyond += std::fabs(sum) > 4 ? 1 : 0;
  }
  const double counted = std::log2(static_cast<double>(beyond) / kTries), bound = log2_failure(32, 4, 1);
  EXPECT_LT(counted, bound);
  EXPECT_GT(counted, bound - 4);
  // The largest sum is 16.5.
  EXPECT_LT(log2_failure(32, 16, 1 << 15), -100);
}

TEST(BootstrapParams, NobodyVouchesForOtherSparseSecrets) {
  EXPECT_EQ(max_log2_qp_sparse(15, 32), 0);
  EXPECT_EQ(max_log2_qp_sparse(16, 31), 0);
}

}  // namespace
}  // namespace obscura::ckks
