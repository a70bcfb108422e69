// SPDX-License-Identifier: Apache-2.0
#include "client/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "../flow/tiny_plan.h"
#include "ckks/evaluator.h"
#include "ckks/noise.h"
#include "client/secret_file.h"

namespace obscura::client {
namespace {

using ::testing::HasSubstr;

/// An offer whose output is its input: what is encrypted comes straight back.
plan::Offer mirror_offer() {
  plan::Plan plan = testing::plan_head("mirror", testing::square_plan().params, 0x1p30);
  plan.output = {plan.input.elements(), plan.input.limbs, plan.input.scale, 0x1p-20, 0x1p-20, plan.input.layout};
  plan.keys.relinearization = true;
  plan::Offer offer = plan::make_offer(plan, {});
  offer.plan_digest.fill(42);
  return offer;
}

TEST(Normalise, MapsPixelsChannelByChannel) {
  plan::InputSpec input;
  input.channels = 2;
  input.height = 1;
  input.width = 2;
  input.mean = {0, 0.5};
  input.deviation = {1, 0.25};
  const std::vector<float> pixels = {0, 1, 0, 1, 0.2F, 0.2F, 0.2F, 0.2F};
  const std::vector<float> expected = {0, 1, -2, 2, 0.2F, 0.2F, -1.2F, -1.2F};
  const auto actual = normalise(input, pixels);
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_FLOAT_EQ(actual[i], expected[i]) << i;
}

TEST(Normalise, RefusesPartsOfImages) {
  EXPECT_THROW((void)normalise(mirror_offer().input, std::vector<float>(35)), ContractError);
}

TEST(Client, DecryptsWhatItEncrypted) {
  const Client client = Client::generate(mirror_offer()).value();
  const std::size_t images = 100;
  const auto pixels = testing::random_pixels(images);
  const auto fresh = client.encrypt(pixels).value();
  ASSERT_EQ(fresh.size(), 36U);
  std::vector<ckks::Ciphertext> expanded;
  for (const auto& x : fresh) expanded.push_back(ckks::expand(*client.context(), x));
  const auto back = client.decrypt(expanded, images);
  const auto expected = normalise(client.offer().input, pixels);
  ASSERT_EQ(back.size(), expected.size());
  // 3600 numbers within 6 deviations of encryption noise, and the rounding to floats.
  const double bound = 6 * ckks::noise_of_encryption(client.context()->params()) / 0x1p30 + 1e-7;
  for (std::size_t i = 0; i < back.size(); ++i) ASSERT_NEAR(back[i], expected[i], bound) << i;
}

TEST(Client, GivesNoLogitsWhereValuesOverflowed) {
  const Client client = Client::generate(mirror_offer()).value();
  const auto fresh = client.encrypt(testing::random_pixels(100)).value();
  std::vector<ckks::Ciphertext> answer;
  for (const auto& x : fresh) answer.push_back(ckks::expand(*client.context(), x));
  // Residues that are anything, as after a value that did not fit the modulus.
  const std::size_t overflowing = 5;
  for (auto& part : answer[overflowing].parts) {
    for (std::size_t i = 0; i < part.limbs(); ++i) {
      for (double& r : part.residues(i))
        r = std::fmod(r * 1048573, static_cast<double>(client.offer().params.chain[i]));
    }
  }
  const auto logits = client.decrypt(answer, 100);
  for (std::size_t j = 0; j < 100; ++j) {
    for (std::size_t c = 0; c < 36; ++c) EXPECT_EQ(std::isnan(logits[j * 36 + c]), c == overflowing) << j << " " << c;
  }
}

TEST(Client, TwoEncryptionsOfOneImageDiffer) {
  const Client client = Client::generate(mirror_offer()).value();
  const auto pixels = testing::random_pixels(1);
  const auto a = client.encrypt(pixels).value();
  const auto b = client.encrypt(pixels).value();
  EXPECT_NE(a[0].seed, b[0].seed);
  EXPECT_NE(a[0].seed, a[1].seed);
}

TEST(Client, RefusesNoImagePartsOfImagesAndTooMany) {
  const Client client = Client::generate(mirror_offer()).value();
  EXPECT_FALSE(client.encrypt({}).ok());
  EXPECT_FALSE(client.encrypt(std::vector<float>(37)).ok());
  const auto many = client.encrypt(std::vector<float>(36 * 2049));
  ASSERT_FALSE(many.ok());
  EXPECT_THAT(many.error().message, HasSubstr("1 to 2048 images"));
}

TEST(Client, TwoKeysHaveTwoNames) {
  const auto offer = mirror_offer();
  EXPECT_NE(Client::generate(offer).value().binding().key, Client::generate(offer).value().binding().key);
  EXPECT_EQ(Client::generate(offer).value().binding().plan, offer.plan_digest);
}

TEST(Client, RefusesAnOfferWithInsecureParameters) {
  auto offer = mirror_offer();
  offer.params.chain = testing::primes(12, 40, 2);
  offer.params.special = testing::primes(12, 50, 1);
  const auto client = Client::generate(offer);
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().code, Code::wrong_params);
}

TEST(Client, MakesOnlyTheKeysThatTheOfferAsksFor) {
  auto offer = mirror_offer();
  EXPECT_EQ(Client::generate(offer).value().make_eval_keys().relinearization.size(), 1U);
  offer.keys.relinearization = false;
  EXPECT_TRUE(Client::generate(offer).value().make_eval_keys().relinearization.empty());
}

TEST(SecretFile, ComesBackAndIsHeldToItsSize) {
  SecretFile file;
  file.seed.fill(7);
  file.binding.plan.fill(1);
  file.binding.key.fill(2);
  const auto read = read_secret(write_secret(file), "S");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read.value().seed, file.seed);
  EXPECT_EQ(read.value().binding, file.binding);
  const base::Bytes longer(81);
  const auto refused = read_secret(wire::make_frame(wire::Kind::secret_key, longer), "S");
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("81 bytes, expected 80"));
}

}  // namespace
}  // namespace obscura::client
