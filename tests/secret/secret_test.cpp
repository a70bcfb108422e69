// SPDX-License-Identifier: Apache-2.0
#include "tests/ckks/fixture.h"

namespace obscura::secret {
namespace {

using ckks::make_params;
using ckks::RingType;
using ckks::World;

class Secret : public testing::TestWithParam<RingType> {};

INSTANTIATE_TEST_SUITE_P(Rings, Secret, testing::Values(RingType::standard, RingType::conjugate_invariant),
                         [](const auto& test) { return test.param == RingType::standard ? "Standard" : "Invariant"; });

TEST_P(Secret, AKeyIsItsSeed) {
  const World world(make_params(12, 35, 2, 1, 1, GetParam()));
  const SecretKey again = SecretKey::from_seed(*world.context, world.secret.secret_seed());
  const auto slots = world.random_slots(1, 1);
  const auto got = decrypt(*world.context, again, world.encrypt(slots, 0x1p30, 2));
  for (std::size_t j = 0; j < slots.size(); ++j) ASSERT_NEAR(got[j], slots[j], 1e-5);
}

TEST_P(Secret, AnotherKeyDecryptsToNoise) {
  const World world(make_params(12, 35, 2, 1, 1, GetParam())), other(make_params(12, 35, 2, 1, 1, GetParam()));
  const std::vector<double> slots(world.context->params().slots(), 1.0);
  const auto got = decrypt(*other.context, other.secret, world.encrypt(slots, 0x1p30, 2));
  double sum = 0;
  for (const double x : got) sum += x * x;
  EXPECT_GT(sum / static_cast<double>(got.size()), 1e6);
}

TEST_P(Secret, EncryptionsOfTheSameImageDiffer) {
  const World world(make_params(12, 35, 2, 1, 1, GetParam()));
  const std::vector<double> slots(8, 1.0);
  const auto a = encrypt(*world.context, world.secret, slots, 0x1p30, 2);
  const auto b = encrypt(*world.context, world.secret, slots, 0x1p30, 2);
  EXPECT_NE(a.seed, b.seed);
  EXPECT_NE(a.body.limb(0)[0], b.body.limb(0)[0]);
}

TEST_P(Secret, GaloisKeysAreMadeForExactlyTheStepsOfAList) {
  World world(make_params(12, 35, 2, 1, 1, GetParam()));
  const auto slots = static_cast<std::int64_t>(world.context->params().slots());
  // 0 and the number of slots move nothing; 3 stands twice.
  const std::vector<std::int64_t> steps = {3, -1, 0, slots, 3 - slots};
  world.keys.galois = make_galois_keys(*world.context, world.secret, steps);
  EXPECT_EQ(world.keys.galois.size(), 2U);
  const auto values = world.random_slots(1, 1);
  const auto got = decrypt(*world.context, world.secret,
                           ckks::rotate(*world.context, world.keys, world.encrypt(values, 0x1p30, 2), 3));
  for (std::size_t j = 0; j + 3 < values.size(); ++j) ASSERT_NEAR(got[j], values[j + 3], 1e-4);
  EXPECT_THROW(ckks::rotate(*world.context, world.keys, world.encrypt(values, 0x1p30, 2), 2), ContractError);
}

TEST_P(Secret, CiphertextsLookUniform) {
  // A body that leaked the message or a small error would not fill [-q/2, q/2]: its mean square is q^2 / 12.
  const World world(make_params(12, 35, 2, 1, 1, GetParam()));
  const auto fresh = encrypt(*world.context, world.secret, std::vector<double>(8, 1.0), 0x1p30, 2);
  const auto q = static_cast<double>(world.context->basis().prime(0));
  double sum = 0;
  for (const double x : fresh.body.residues(0)) sum += x * x;
  // Relative deviation of the mean of 4096 squares of uniform numbers: sqrt(0.8 / 4096) = 1.4 %; six of those.
  EXPECT_NEAR(sum / 4096 / (q * q / 12), 1.0, 0.084);
}

TEST_P(Secret, ThePartsOfAPublicKeyEncryptionHaveTheirOwnErrors) {
  // Under a key with equal halves, c0 - c1 = m + e0 - e1: reused errors would cancel.
  const World world(make_params(12, 35, 2, 1, 1, GetParam()));
  const ckks::Context& context = *world.context;
  ckks::PublicKey key = make_public_key(context, world.secret);
  key.body = key.uniform;
  const ckks::Ciphertext x = encrypt_public(context, key, std::vector<double>{}, 0x1p30, 1);
  ring::NttPoly difference(context.resources(), context.degree(), 1);
  context.kernels().subtract(difference.limb(0), x.parts[0].limb(0), x.parts[1].limb(0), context.degree(),
                             context.basis().modulus(0));
  context.basis().inverse(difference.limb(0), 0);
  double sum = 0;
  for (const double e : difference.residues(0)) sum += e * e;
  // Twice the variance of 10.5; the mean of 4096 squares deviates by 2.2 %, six of those are allowed.
  EXPECT_NEAR(sum / 4096, 21.0, 0.14 * 21.0);
}

TEST_P(Secret, KeysOfOneSecretDiffer) {
  const World world(make_params(12, 35, 2, 1, 1, GetParam()));
  const auto key = make_relinearization_key(*world.context, world.secret);
  EXPECT_NE(key.seed, world.keys.relinearization.front().seed);
  EXPECT_EQ(key.body.size(), world.context->digits(2));
}

}  // namespace
}  // namespace obscura::secret
