// SPDX-License-Identifier: Apache-2.0
/// Keys belong to parameters: what was made for one plan serves another with the same ring and primes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "file_flow.h"

namespace obscura {
namespace {

TEST(KeyReuse, ARecompiledPlanWithTheSameParametersNeedsNoNewKeys) {
  const Flow flow;
  Flow::write(flow.path("other.plan"), wire::write_plan(testing::square_plan(2)));
  const auto plan = wire::read_plan_file(flow.path("other.plan")).value();
  ASSERT_NE(plan.digest, flow.offer.plan_digest);
  const plan::Offer offer = wire::make_offer(plan);
  Flow::require(client::encrypt(offer, flow.path("secret"), flow.pixels, flow.path("other.in")));
  Flow::require(server::run(flow.path("other.plan"), flow.path("eval"), flow.path("other.in"), flow.path("other.out")));
  const auto logits = client::decrypt(offer, flow.path("secret"), flow.path("other.out"), {{}, flow.path("other.in")});
  ASSERT_TRUE(logits.ok()) << logits.error().message;
  EXPECT_EQ(logits->images, kTwoBatches);
}

TEST(KeyReuse, OtherParametersAreNamed) {
  const Flow flow;
  plan::Offer other = flow.offer;
  other.params.chain.back() = ckks::make_primes(12, 35, 8, other.params.chain).value().back();
  const auto client = client::Client::load(other, flow.path("secret"));
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().code, Code::wrong_params);
  EXPECT_THAT(client.error().message,
              ::testing::AllOf(::testing::HasSubstr("a key for parameters"), ::testing::HasSubstr("obscura keygen")));
}

}  // namespace
}  // namespace obscura
