// SPDX-License-Identifier: Apache-2.0
#include "plan/verify_slots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/verify.h"
#include "sample_plan.h"

namespace obscura::plan {
namespace {

using ::testing::HasSubstr;

Layout vector_of(std::uint32_t elements, std::uint32_t period) {
  Layout out;
  out.channels = elements;
  out.period = period;
  for (std::uint32_t e = 0; e < elements; ++e) out.units.push_back({0, e});
  return out;
}

/// Four numbers of one image, in copies four positions apart -> a matrix to two logits, in as many copies.
Plan matrix_plan() {
  Plan plan = sample_plan();
  plan.batch = 1;
  plan.input = {1, 1, 4, {0.0}, {1.0}, 3, 0x1p20, vector_of(4, 4)};
  plan.keys = {};
  plan.steps.clear();
  Transform transform;
  transform.map.inputs = 4;
  transform.map.outputs = 2;
  transform.map.matrices = {{2, 4, {1, 2, 3, 4, 5, 6, 7, 8}}};
  transform.map.blocks = {{0, {0, 1, 2, 3}, {0, 1}}};
  transform.bias = {0.5, -0.5};
  transform.from = vector_of(4, 4);
  transform.to = vector_of(2, 4);
  transform.plain_scale = 0x1p20;
  ValueInfo out{1, 3, 2, 0x1p40, 30, 1e-3};
  plan.steps.push_back({std::move(transform), out, "matrix"});
  plan.output = {2, 3, 0x1p40, 1e-3, 1e-3, vector_of(2, 4)};
  plan.keys = transform_shapes(plan, diagonals_of(plan)).keys;
  return plan;
}

std::string said(const Plan& plan) {
  const auto verified = verify_answer_slots(plan, diagonals_of(plan));
  return verified.ok() ? "sound" : verified.error().message;
}

TEST(VerifySlots, LogitsAndTheirCopiesAloneAreSound) {
  const Plan plan = matrix_plan();
  EXPECT_EQ(said(plan), "sound");
  const auto verified = verify(plan);
  EXPECT_TRUE(verified.ok()) << verified.error().message;
}

TEST(VerifySlots, CopiesThatTheOutputDoesNotNameAreRefused) {
  Plan plan = matrix_plan();
  plan.output.layout = vector_of(2, 4096);
  EXPECT_THAT(said(plan), HasSubstr("position 4 of ciphertext 0 holds an intermediate value"));
  EXPECT_THAT(verify(plan).error().message, HasSubstr("position 4 of ciphertext 0"));
}

TEST(VerifySlots, SumsOfPartsBesideTheLogitsAreRefused) {
  Plan plan = matrix_plan();
  const ValueInfo value = plan.steps.back().output;
  plan.steps.push_back({Fold{1, {{1, 2}}}, value, "sum"});
  EXPECT_THAT(said(plan), HasSubstr("position 3 of ciphertext 0"));
  // Over all four positions nothing is left but sums of all: each of them is a logit where the output says so.
  std::get<Fold>(plan.steps.back().operation).sums = {{1, 2}, {2, 2}};
  plan.output.layout = vector_of(4, 4);
  EXPECT_EQ(said(plan), "sound");
}

TEST(VerifySlots, AnEarlierValueThatIsAddedIsRefused) {
  Plan plan = matrix_plan();
  const ValueInfo value = plan.steps.back().output;
  Combine sum;
  sum.terms = {{1, {1.0}}, {0, {0.25}}};
  plan.steps.push_back({sum, value, "skip"});
  EXPECT_THAT(said(plan), HasSubstr("position 2 of ciphertext 0"));
  // Constants say nothing of the image.
  sum.terms.pop_back();
  sum.constants = {1};
  plan.steps.back().operation = sum;
  EXPECT_EQ(said(plan), "sound");
}

TEST(VerifySlots, ImagesThatShareACiphertextMayNotMeet) {
  Plan plan = matrix_plan();
  for (Layout* layout : {&plan.input.layout, &std::get<Transform>(plan.steps[0].operation).from,
                         &std::get<Transform>(plan.steps[0].operation).to, &plan.output.layout}) {
    layout->sharing.images = 2;
  }
  EXPECT_EQ(said(plan), "sound");
  plan.steps.push_back({Fold{1, {{1, 2}}}, plan.steps.back().output, "mix"});
  EXPECT_THAT(said(plan), HasSubstr("holds an intermediate value"));
}

/// A sum that leads beyond an image's positions adds those of the next image, whichever these are.
TEST(VerifySlots, SumsThatReachTheNextImageAreRefused) {
  Plan plan = matrix_plan();
  const auto positions = static_cast<std::uint32_t>(slots(plan) / 2);
  for (Layout* layout : {&plan.input.layout, &std::get<Transform>(plan.steps[0].operation).from,
                         &std::get<Transform>(plan.steps[0].operation).to, &plan.output.layout}) {
    layout->sharing = {2, positions};
    layout->period = positions;
  }
  EXPECT_EQ(said(plan), "sound");
  plan.steps.push_back({Fold{1, {{positions - 1, 2}}}, plan.steps.back().output, "mix"});
  EXPECT_THAT(said(plan), HasSubstr("holds an intermediate value"));
}

}  // namespace
}  // namespace obscura::plan
