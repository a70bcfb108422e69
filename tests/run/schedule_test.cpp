// SPDX-License-Identifier: Apache-2.0
#include "run/schedule.h"

#include <gtest/gtest.h>

#include "../flow/tiny_plan.h"

namespace obscura::run {
namespace {

TEST(Schedule, ElementwiseStepsBetweenLinearStepsFormOneStage) {
  const Schedule schedule = make_schedule(testing::quartic_plan());
  ASSERT_EQ(schedule.stages.size(), 4U);
  EXPECT_FALSE(schedule.stages[0].elementwise);
  EXPECT_TRUE(schedule.stages[1].elementwise);
  EXPECT_EQ(schedule.stages[1].first, 1U);
  EXPECT_EQ(schedule.stages[1].end, 6U);
  EXPECT_FALSE(schedule.stages[2].elementwise);
  EXPECT_TRUE(schedule.stages[3].elementwise);
}

TEST(Schedule, AnElementwiseRunEndsWhereTheNumberOfElementsChanges) {
  plan::Plan plan = testing::square_plan();
  // A second run over other elements, directly after the first: no plan of the compiler does this, but it is allowed.
  plan.steps.insert(plan.steps.begin() + 3, {plan::Rescale{0, 1}, plan.value(0), "other"});
  const Schedule schedule = make_schedule(plan);
  ASSERT_EQ(schedule.stages.size(), 4U);
  EXPECT_EQ(schedule.stages[1].end, 3U);
  EXPECT_EQ(schedule.stages[2].end, 4U);
  EXPECT_TRUE(schedule.stages[2].elementwise);
}

TEST(Schedule, AValueDiesAtTheLastStepThatReadsIt) {
  const Schedule schedule = make_schedule(testing::quartic_plan());
  EXPECT_EQ(schedule.last_use[0], 0U);  // the image, by the convolution
  EXPECT_EQ(schedule.last_use[1], 5U);  // x, by the combination after the second square
  EXPECT_EQ(schedule.last_use[2], 2U);
  EXPECT_EQ(schedule.last_use[8], 8U);  // the output outlives all 8 steps
}

TEST(Schedule, WorkOfAllStepsAddsUpToTheTotal) {
  const plan::Plan plan = testing::quartic_plan();
  const Schedule schedule = make_schedule(plan);
  std::uint64_t sum = 0;
  for (std::size_t s = 0; s < plan.steps.size(); ++s) {
    const bool linear = std::holds_alternative<plan::Linear>(plan.steps[s].operation);
    EXPECT_GT(schedule.work[s], 0U);
    sum += schedule.work[s] * (linear ? 1 : plan.steps[s].output.elements);
  }
  EXPECT_EQ(sum, schedule.total_work);
}

TEST(Schedule, AStepThatReadsAValueBeforeItIsThereIsRefused) {
  plan::Plan plan = testing::square_plan();
  plan.steps[1].operation = plan::Multiply{1, 3};
  EXPECT_THROW((void)make_schedule(plan), ContractError);
}

TEST(CheckShape, NamesTheStepThatDiffers) {
  const plan::Plan plan = testing::square_plan();
  const plan::ValueInfo info = plan.value(2);
  check_shape(plan, 2, {info.limbs, info.parts, info.scale});
  EXPECT_THROW(check_shape(plan, 2, {info.limbs - 1, info.parts, info.scale}), ContractError);
  EXPECT_THROW(check_shape(plan, 2, {info.limbs, 2, info.scale}), ContractError);
  try {
    check_shape(plan, 2, {info.limbs, info.parts, info.scale * 1.0001});
    FAIL() << "a scale that is 0.01 % off was accepted";
  } catch (const ContractError& e) {
    EXPECT_NE(std::string(e.what()).find("step 1 (square)"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace obscura::run
