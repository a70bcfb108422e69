// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "plan/schedule.h"
#include "sample_plan.h"

namespace obscura::plan {
namespace {

using ::testing::HasSubstr;

TEST(Plan, InputValueFollowsFromTheInputSpec) {
  const ValueInfo value = sample_plan().value(0);
  EXPECT_EQ(value.elements, 4u);
  EXPECT_EQ(value.limbs, 3u);
  EXPECT_EQ(value.parts, 2u);
  EXPECT_EQ(value.scale, 0x1p20);
  EXPECT_EQ(value.max_abs, 2.0) << "(0 - 0.5) / 0.25 and (1 - 0.5) / 0.25";
}

TEST(Plan, ValueBeyondTheLastStepIsABrokenContract) { EXPECT_THROW((void)sample_plan().value(7), ContractError); }

TEST(Plan, OfferCarriesWhatTheClientNeedsAndTheDigest) {
  const Plan plan = sample_plan();
  const Offer offer = make_offer(plan, {1, 2, 3});
  EXPECT_EQ(offer.name, "sample");
  EXPECT_EQ(offer.plan_digest[2], 3);
  EXPECT_EQ(offer.params, plan.params);
  EXPECT_EQ(offer.input, plan.input);
  EXPECT_EQ(offer.output, plan.output);
  EXPECT_EQ(offer.keys, plan.keys);
}

TEST(Plan, TextNamesEveryStepAndNoWeight) {
  const std::string text = to_text(sample_plan());
  EXPECT_THAT(text, HasSubstr("N = 2^13, log2(QP) = 160.0 of at most 214"));
  EXPECT_THAT(text, HasSubstr("linear 3 <- 0: 8 multiplications in 3 blocks of 2 matrices, 6 weights of 3 bits"));
  EXPECT_THAT(text, HasSubstr("square <- 1"));
  EXPECT_THAT(text, HasSubstr("combine <- 2 + 0.5 * 1 + 1"));
  EXPECT_THAT(text, HasSubstr("relinearize <- 3: rescale by 1 limb"));
  EXPECT_THAT(text, HasSubstr("rescale <- 5: by 1"));
  EXPECT_THAT(text, HasSubstr("- Because it is small."));
}

TEST(Plan, TextChangesWithASingleWeight) {
  Plan plan = sample_plan();
  const std::string before = to_text(plan);
  std::get<Linear>(plan.steps[0].operation).map.matrices[0].data[0] = 2;
  EXPECT_NE(to_text(plan), before);
}

TEST(Plan, PeakHoldsTheLargerOfInputsAndOutputsOfAStretch) {
  const Plan plan = sample_plan();
  const std::uint64_t limb = 8ULL << 13;
  // Last linear step and rescale are small; the run square .. relinearize holds value 1 (3 elements, 2 parts, 3 limbs),
  // which gives way to value 4 (3 elements, 2 parts, 2 limbs), and two temporaries of 3 parts and 3 limbs for its 3
  // elements.
  const std::uint64_t elementwise = (3 * 2 * 3 + 2 * 3 * 3 * 3) * limb;
  EXPECT_EQ(make_schedule(plan).peak_bytes, elementwise);
}

}  // namespace
}  // namespace obscura::plan
