// SPDX-License-Identifier: Apache-2.0
#include "wire/plan_frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "../flow/tiny_plan.h"

namespace obscura::wire {
namespace {

using ::testing::HasSubstr;

/// What reading a plan changed like this says.
std::string refusal(const std::function<void(plan::Plan&)>& change) {
  plan::Plan plan = testing::quartic_plan();
  change(plan);
  const auto read = read_plan(write_plan(plan), "X");
  return read.ok() ? "" : read.error().message;
}

TEST(PlanFrame, APlanComesBackAsItWas) {
  const plan::Plan plan = testing::quartic_plan();
  const base::Bytes frame = write_plan(plan);
  const auto read = read_plan(frame, "X");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(write_plan(read.value().plan), frame);
  EXPECT_EQ(read.value().digest, frame_digest(frame));
  EXPECT_EQ(plan::to_text(read.value().plan), plan::to_text(plan));
  const auto& linear = std::get<plan::Linear>(read.value().plan.steps[0].operation);
  EXPECT_EQ(linear.map, std::get<plan::Linear>(plan.steps[0].operation).map);
}

TEST(PlanFrame, OtherWeightsAreAnotherDigest) {
  EXPECT_NE(frame_digest(write_plan(testing::square_plan(1))), frame_digest(write_plan(testing::square_plan(2))));
}

TEST(PlanFrame, AnOfferHasNoWeightsAndComesBackAsItWas) {
  const NamedPlan plan = read_plan(write_plan(testing::square_plan()), "X").value();
  const plan::Offer offer = make_offer(plan);
  const base::Bytes frame = write_offer(offer);
  const std::size_t layouts = 8 * (offer.input.layout.units.size() + offer.output.layout.units.size());
  EXPECT_LT(frame.size(), 400 + layouts);
  const auto read = read_offer(frame, "X");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read.value().plan_digest, plan.digest);
  EXPECT_EQ(read.value().params, offer.params);
  EXPECT_EQ(read.value().input, offer.input);
  EXPECT_EQ(read.value().output, offer.output);
  EXPECT_EQ(read.value().keys, offer.keys);
  EXPECT_EQ(read.value().name, "tiny-square");
}

TEST(PlanFrame, AnAnswerOfEachKindComesBackAsItWas) {
  using plan::AnswerFunction;
  using plan::AnswerKind;
  plan::Plan plan = testing::square_plan();
  const std::uint32_t outputs = plan.output.classes;
  ASSERT_GT(outputs, 1U);
  const std::vector<std::string> names(outputs, "na\xC3\xAFve");
  for (const auto& answer : {plan::AnswerSpec{AnswerKind::one, AnswerFunction::argmax, {}},
                             plan::AnswerSpec{AnswerKind::several, AnswerFunction::sigmoid, names},
                             plan::AnswerSpec{AnswerKind::values, AnswerFunction::log_softmax, names}}) {
    plan.output.answer = answer;
    const auto read = read_plan(write_plan(plan), "X");
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(read.value().plan.output.answer, answer);
    EXPECT_EQ(read_offer(write_offer(make_offer(read.value())), "X").value().output.answer, answer);
  }
}

TEST(PlanFrame, RefusesAnAnswerThatTheOutputsCannotGive) {
  using plan::AnswerFunction;
  using plan::AnswerKind;
  const auto refusal_of = [](const plan::AnswerSpec& answer) {
    plan::Offer offer = plan::make_offer(testing::square_plan(), {});
    offer.output.answer = answer;
    const auto read = read_offer(write_offer(offer), "X");
    return read.ok() ? "" : read.error().message;
  };
  EXPECT_THAT(refusal_of({AnswerKind::binary, AnswerFunction::none, {}}), HasSubstr("X: the answer 'binary' with"));
  EXPECT_THAT(refusal_of({static_cast<AnswerKind>(200), AnswerFunction::none, {}}), HasSubstr("X: kind 200"));
  EXPECT_THAT(refusal_of({AnswerKind::one, static_cast<AnswerFunction>(9), {}}), HasSubstr("function 9"));
  EXPECT_THAT(refusal_of({AnswerKind::one, AnswerFunction::none, {"alone"}}), HasSubstr("X: 1 class names for"));
  EXPECT_THAT(refusal_of({AnswerKind::one, AnswerFunction::none, {std::string(300, 'x')}}), HasSubstr("does not fit"));
}

TEST(PlanFrame, RefusesAnOfferWhoseNoiseIsNoneOrMoreThanTheError) {
  const auto refusal_of = [](double noise) {
    plan::Offer offer = plan::make_offer(testing::square_plan(), {});
    offer.output.noise_std = noise;
    const auto read = read_offer(write_offer(offer), "X");
    return read.ok() ? "" : read.error().message;
  };
  EXPECT_EQ(refusal_of(0x1p-10), "");
  for (const double noise : {0.0, -0x1p-11, 0x1p-9, HUGE_VAL, std::nan("")}) {
    EXPECT_THAT(refusal_of(noise), HasSubstr("X: an encryption noise of")) << noise;
  }
}

TEST(PlanFrame, RefusesPlansThatWouldSurpriseTheRuntime) {
  EXPECT_EQ(refusal([](plan::Plan&) {}), "");
  EXPECT_THAT(refusal([](plan::Plan& p) { p.params.log2_degree = 12; }), HasSubstr("X: "));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.params.chain[0] += 2; }), HasSubstr("X: "));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.input.channels = 0; }), HasSubstr("0x6x6"));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.input.height = p.input.width = p.input.channels = 65536; }),
              HasSubstr("65536x65536x65536"));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.input.mean = {}; }), HasSubstr("normalisation"));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.input.mean = {NAN}; }), HasSubstr("normalisation"));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.input.std = {0}; }), HasSubstr("deviation of 0"));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.input.standardise = {NAN, 3}; }), HasSubstr("standardised"));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.input.standardise = {0.25, 0}; }), HasSubstr("standardised"));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.input.standardise = {0.25, 1e300}; }), HasSubstr("pixels reach"));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.input.limbs = 9; }), HasSubstr("9"));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.input.scale = INFINITY; }), HasSubstr("scale"));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.input.scale = 0x1p62; }), HasSubstr("pixels reach 2^62.6"));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.input.std = {1e-300}; }), HasSubstr("pixels reach"));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.output.classes = 0; }), HasSubstr("0 classes"));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.steps[2].output.scale *= 1.5; }), HasSubstr("scale"));
  EXPECT_THAT(refusal([](plan::Plan& p) { std::get<plan::Relinearize>(p.steps[2].operation).rescale = 4; }),
              HasSubstr("X: "));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.steps.resize(1001, p.steps[3]); }), HasSubstr("does not fit"));
  EXPECT_THAT(refusal([](plan::Plan& p) { p.name.assign(5000, 'x'); }), HasSubstr("does not fit"));
}

TEST(PlanFrame, RefusesToDropMoreLimbsAtOnceThanTheEngineCan) {
  const auto chain = testing::primes(13, 30, 5);
  const auto special = testing::primes(13, 50, 1);
  testing::PlanBuilder builder(testing::plan_head("deep", {13, chain, special, 1}, 0x1p60));
  builder.relinearize(builder.multiply(0, 0), 4);
  const auto read = read_plan(write_plan(builder.finish()), "X");
  ASSERT_FALSE(read.ok());
  EXPECT_THAT(read.error().message, HasSubstr("drops 4 limbs at once, at most 3"));
}

/// Bytes inside of a frame whose digest is right again: what the parser alone must withstand.
TEST(PlanFrame, RandomDamageUnderARightDigestIsRefusedOrHarmless) {
  const base::Bytes frame = write_plan(testing::quartic_plan());
  const base::ByteView whole(frame);
  const auto payload = whole.subspan(kHeaderBytes, frame.size() - kHeaderBytes - kDigestBytes);
  std::mt19937 engine(3);
  int accepted = 0;
  for (int round = 0; round < 3000; ++round) {
    base::Bytes bytes(payload.begin(), payload.end());
    for (int flips = 0; flips < 1 + round % 4; ++flips) bytes[engine() % bytes.size()] ^= std::byte(engine() & 255U);
    if (round % 5 == 0) bytes.resize(engine() % bytes.size());
    accepted += read_plan(make_frame(Kind::plan, bytes), "X").ok() ? 1 : 0;
  }
  // Most of a plan is weights, where damage gives another valid plan; structure is damaged often enough all the same.
  EXPECT_LT(accepted, 2500);
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace obscura::wire
