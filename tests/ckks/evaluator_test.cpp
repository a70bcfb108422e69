// SPDX-License-Identifier: Apache-2.0
#include "ckks/evaluator.h"

#include <algorithm>

#include "tests/ckks/fixture.h"

namespace obscura::ckks {
namespace {

struct Case {
  int log2_degree, bits;
  std::size_t limbs, special;
  int digit_limbs;
  RingType ring = RingType::standard;
};

class Evaluator : public testing::TestWithParam<Case> {
 protected:
  World world_{make_params(GetParam().log2_degree, GetParam().bits, GetParam().limbs, GetParam().special,
                           GetParam().digit_limbs, GetParam().ring)};
  const Context& context_ = *world_.context;
  const Params& params_ = context_.params();
  double scale_ = std::exp2(GetParam().bits - 8);
  std::vector<double> a_ = world_.random_slots(1, 1), b_ = world_.random_slots(1, 2);
  Ciphertext x_ = world_.encrypt(a_, scale_, GetParam().limbs);
  Ciphertext y_ = world_.encrypt(b_, scale_, GetParam().limbs);
  /// Each factor is uniform in [-1, 1]: its mean square is 1/3.
  double product_error_ = std::sqrt(2.0 / 3.0) * noise_of_encryption(params_) / scale_;
  double product(std::size_t j) const { return a_[j] * b_[j]; }
};

TEST_P(Evaluator, FreshErrorsAreAsPredicted) {
  expect_predicted(world_.error(x_, [&](std::size_t j) { return a_[j]; }), noise_of_encryption(params_) / scale_);
}

TEST_P(Evaluator, ProductsOfThreePartsDecrypt) {
  const Ciphertext z = multiply(context_, x_, y_);
  EXPECT_EQ(z.parts.size(), 3U);
  expect_predicted(world_.error(z, [&](std::size_t j) { return product(j); }), product_error_);
}

TEST_P(Evaluator, RelinearizationKeepsTheProductAtEveryLevelAndRescale) {
  for (std::size_t limbs = 2; limbs <= x_.limbs(); ++limbs) {
    Ciphertext u = x_, v = y_;
    for (auto* c : {&u, &v}) {
      for (auto& part : c->parts) part.drop_to(limbs);
    }
    const Ciphertext z = multiply(context_, u, v);
    for (std::size_t drop = 0; drop < std::min<std::size_t>(limbs, 2); ++drop) {
      if (limbs - drop < 2 && drop == 0) continue;
      const Ciphertext w = relinearize(context_, world_.keys, z, drop);
      EXPECT_EQ(w.parts.size(), 2U);
      EXPECT_EQ(w.limbs(), limbs - drop);
      const double dropped = z.scale / w.scale;
      const double switched = std::hypot(noise_of_switch(params_, limbs) / dropped, noise_of_rounding(params_, 2));
      expect_predicted(world_.error(w, [&](std::size_t j) { return product(j); }),
                       std::hypot(product_error_, switched / w.scale));
    }
  }
}

TEST_P(Evaluator, RescaleDividesTheScaleAndRounds) {
  const Ciphertext z = multiply(context_, x_, y_);
  for (const Ciphertext& w :
       {rescale(context_, z, 1), rescale(context_, relinearize(context_, world_.keys, z, 0), 1)}) {
    EXPECT_EQ(w.limbs(), z.limbs() - 1);
    EXPECT_DOUBLE_EQ(w.scale * static_cast<double>(context_.basis().prime(z.limbs() - 1)), z.scale);
    expect_predicted(world_.error(w, [&](std::size_t j) { return product(j); }),
                     std::hypot(product_error_, noise_of_rounding(params_, w.parts.size()) / w.scale));
  }
}

TEST_P(Evaluator, CombineLandsOnTheScaleOfItsFirstTerm) {
  const Ciphertext z = multiply(context_, x_, y_);
  const CombineTerm terms[] = {{&z, 1}, {&x_, -248.5}, {&y_, 0.375}};
  const Ciphertext w = combine(context_, terms, 36.5);
  EXPECT_EQ(w.parts.size(), 3U);
  EXPECT_EQ(w.scale, z.scale);
  const double fresh = noise_of_encryption(params_) / scale_;
  expect_predicted(world_.error(w, [&](std::size_t j) { return product(j) - 248.5 * a_[j] + 0.375 * b_[j] + 36.5; }),
                   248.5 * fresh);
}

TEST_P(Evaluator, RelinearizingManyIsRelinearizingEach) {
  const std::vector<Ciphertext> products = {multiply(context_, x_, y_), multiply(context_, x_, x_)};
  const auto many = relinearize_many(context_, world_.keys, products, 1);
  for (std::size_t k = 0; k < products.size(); ++k) {
    const Ciphertext one = relinearize(context_, world_.keys, products[k], 1);
    EXPECT_EQ(many[k].scale, one.scale);
    for (std::size_t part = 0; part < 2; ++part) {
      for (std::size_t i = 0; i < one.limbs(); ++i) {
        EXPECT_TRUE(std::ranges::equal(many[k].parts[part].residues(i), one.parts[part].residues(i)));
      }
    }
  }
}

TEST_P(Evaluator, RotateMovesSlotsLeft) {
  const std::vector<std::int64_t> steps = {1, -3, 0, 100};
  for (const std::int64_t step : steps) {
    const std::uint64_t element = context_.galois_element(step);
    world_.keys.galois.emplace(element, secret::make_galois_key(context_, world_.secret, element));
  }
  const auto slots = static_cast<std::int64_t>(a_.size());
  const double predicted = std::hypot(noise_of_encryption(params_),
                                      std::hypot(noise_of_switch(params_, x_.limbs()), noise_of_rounding(params_, 2)));
  const auto rotated = rotate_many(context_, world_.keys, x_, steps);
  for (std::size_t k = 0; k < steps.size(); ++k) {
    const auto expected = [&](std::size_t j) {
      return a_[static_cast<std::size_t>((static_cast<std::int64_t>(j) + steps[k] + slots) % slots)];
    };
    expect_predicted(world_.error(rotated[k], expected),
                     (steps[k] == 0 ? noise_of_encryption(params_) : predicted) / scale_);
    expect_predicted(world_.error(rotate(context_, world_.keys, x_, steps[k]), expected),
                     (steps[k] == 0 ? noise_of_encryption(params_) : predicted) / scale_);
  }
  EXPECT_THROW(rotate(context_, world_.keys, x_, 7), ContractError);
}

TEST_P(Evaluator, ConjugateKeepsRealSlots) {
  if (params_.ring() != RingType::standard) {
    EXPECT_THROW(conjugate(context_, world_.keys, x_), ContractError);
    return;
  }
  const std::uint64_t conjugation = conjugation_element(context_.degree());
  world_.keys.galois.emplace(conjugation, secret::make_galois_key(context_, world_.secret, conjugation));
  const double predicted = std::hypot(noise_of_encryption(params_),
                                      std::hypot(noise_of_switch(params_, x_.limbs()), noise_of_rounding(params_, 2)));
  expect_predicted(world_.error(conjugate(context_, world_.keys, x_), [&](std::size_t j) { return a_[j]; }),
                   predicted / scale_);
}

TEST_P(Evaluator, MultiplyByITurnsEverySlot) {
  if (params_.ring() != RingType::standard) {
    EXPECT_THROW(multiply_by_i(context_, x_), ContractError);
    return;
  }
  const Ciphertext once = multiply_by_i(context_, x_), twice = multiply_by_i(context_, once);
  expect_predicted(world_.error(twice, [&](std::size_t j) { return -a_[j]; }), noise_of_encryption(params_) / scale_);
  expect_predicted(world_.error(once, [](std::size_t) { return 0.0; }), noise_of_encryption(params_) / scale_);
}

TEST_P(Evaluator, PublicKeyEncryptionsDecrypt) {
  const PublicKey key = secret::make_public_key(context_, world_.secret);
  const Ciphertext z = secret::encrypt_public(context_, key, a_, scale_, x_.limbs());
  expect_predicted(world_.error(z, [&](std::size_t j) { return a_[j]; }), noise_of_public_encryption(params_) / scale_);
}

TEST_P(Evaluator, ContractsThrow) {
  const Ciphertext z = multiply(context_, x_, y_);
  EXPECT_THROW(multiply(context_, z, x_), ContractError);
  EXPECT_THROW(relinearize(context_, world_.keys, x_, 0), ContractError);
  EXPECT_THROW(relinearize(context_, EvalKeys{}, z, 0), ContractError);
  EXPECT_THROW(rescale(context_, x_, x_.limbs()), ContractError);
}

TEST_P(Evaluator, AProductOfUnequalLimbsHasTheFewer) {
  Ciphertext low = x_, lower = y_;
  for (auto& part : low.parts) part.drop_to(1);
  for (auto& part : lower.parts) part.drop_to(1);
  const Ciphertext expected = multiply(context_, low, lower);
  for (const Ciphertext& product : {multiply(context_, low, y_), multiply(context_, x_, lower)}) {
    ASSERT_EQ(product.limbs(), 1U);
    EXPECT_EQ(product.scale, expected.scale);
    for (std::size_t part = 0; part < 3; ++part) {
      std::vector<std::uint64_t> actual(context_.degree()), wanted(context_.degree());
      context_.basis().export_limb(product.parts[part].residues(0), 0, actual);
      context_.basis().export_limb(expected.parts[part].residues(0), 0, wanted);
      EXPECT_EQ(actual, wanted) << "part " << part;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Params, Evaluator,
                         testing::Values(Case{12, 35, 2, 1, 1}, Case{13, 48, 3, 1, 1}, Case{13, 36, 3, 2, 2},
                                         Case{14, 48, 5, 2, 2}, Case{15, 49, 7, 3, 3}, Case{16, 48, 4, 1, 1},
                                         Case{12, 35, 2, 1, 1, RingType::conjugate_invariant},
                                         Case{13, 36, 3, 2, 2, RingType::conjugate_invariant},
                                         Case{14, 48, 5, 2, 2, RingType::conjugate_invariant}),
                         [](const auto& test) {
                           return "N" + std::to_string(test.param.log2_degree) + "Digits" +
                                  std::to_string(test.param.digit_limbs) + "Bits" + std::to_string(test.param.bits) +
                                  (test.param.ring == RingType::standard ? "" : "Invariant");
                         });

TEST(EvaluatorTables, AllKernelTablesComputeTheSameCiphertext) {
  for (const RingType ring : {RingType::standard, RingType::conjugate_invariant}) {
    const Params params = make_params(13, 48, 3, 1, 1, ring);
    const World world(params);
    const auto a = world.random_slots(1, 5);
    const Ciphertext x = world.encrypt(a, 0x1p40, 3);
    std::vector<std::vector<std::uint64_t>> results;
    for (const kernels::Kernels* kernels : kernels::available()) {
      const auto context = Context::make(params, Resources::make(*kernels));
      const Ciphertext y = relinearize(*context, world.keys, multiply(*context, x, x), 1);
      auto& residues = results.emplace_back(y.parts[0].degree());
      world.context->basis().export_limb(y.parts[1].residues(0), 0, residues);
      EXPECT_EQ(residues, results.front()) << kernels->name;
    }
  }
}

}  // namespace
}  // namespace obscura::ckks
