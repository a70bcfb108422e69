// SPDX-License-Identifier: Apache-2.0
#include "plan/schedule.h"

#include <gtest/gtest.h>

#include <set>

#include "../flow/tiny_plan.h"

namespace obscura::plan {
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

/// Every unit once, none before its inputs are there, and readers that count what reads.
void expect_sound(const Plan& plan, const Schedule& schedule) {
  std::vector<std::vector<std::uint32_t>> left = schedule.readers;
  std::vector<std::vector<bool>> made(plan.steps.size() + 1);
  for (std::size_t id = 0; id < made.size(); ++id) made[id].assign(left[id].size(), id == 0);
  const auto read = [&](ValueId id, std::uint32_t i) {
    ASSERT_TRUE(made[id].at(i)) << "value " << id << " element " << i << " is not there";
    ASSERT_GT(left[id].at(i)--, 0U);
  };
  for (const Task& task : schedule.tasks) {
    const Stage& stage = schedule.stages[task.stage];
    for (const std::uint32_t unit : task.units) {
      if (stage.elementwise) {
        std::set<ValueId> outer;
        for (std::size_t s = stage.first; s < stage.end; ++s) {
          for (const ValueId id : inputs_of(plan.steps[s].operation)) {
            if (id <= stage.first) outer.insert(id);
          }
        }
        for (const ValueId id : outer) read(id, unit);
      } else {
        const auto& linear = std::get<Linear>(plan.steps[stage.first].operation);
        for (const std::uint32_t i : linear.map.blocks[unit].inputs) read(linear.input, i);
      }
    }
    for (const std::uint32_t unit : task.units) {
      for (std::size_t s = stage.first; s < stage.end; ++s) {
        if (made[s + 1].empty()) continue;
        std::vector<std::uint32_t> outputs{unit};
        if (!stage.elementwise) outputs = std::get<Linear>(plan.steps[s].operation).map.blocks[unit].outputs;
        for (const std::uint32_t o : outputs) {
          EXPECT_FALSE(made[s + 1].at(o)) << "made twice";
          made[s + 1][o] = true;
        }
      }
    }
  }
  for (std::size_t id = 0; id < left.size(); ++id) {
    const std::uint32_t kept = id == plan.steps.size() ? 1 : 0;
    for (const std::uint32_t count : left[id]) EXPECT_EQ(count, kept) << "value " << id;
  }
}

TEST(Schedule, RunsEveryUnitOnceAfterItsInputs) {
  for (const std::size_t wave : {std::size_t{1}, std::size_t{3}, kWave}) {
    for (const Plan& plan : {testing::square_plan(), testing::quartic_plan()}) {
      expect_sound(plan, make_schedule(plan, wave));
    }
  }
}

TEST(Schedule, SmallerTasksNeedNoMoreMemory) {
  const Plan plan = testing::quartic_plan();
  EXPECT_LE(make_schedule(plan, 1).peak_bytes, make_schedule(plan, kWave).peak_bytes);
}

/// Eight ciphertexts that are squared and relinearized.
Plan squares() {
  Plan plan;
  plan.params.log2_degree = 13;
  plan.input.channels = 8;
  plan.input.height = plan.input.width = 1;
  plan.input.limbs = 2;
  plan.input.layout = batch_layout(8, slots(plan));
  plan.steps.push_back({Multiply{0, 0}, {8, 2, 3, 1, 1, 0}, "square"});
  plan.steps.push_back({Relinearize{1, 1}, {8, 1, 2, 1, 1, 0}, "square", 0, 1'000'000});
  return plan;
}

TEST(Schedule, CiphertextsOfOneImageGoThroughActivationsOneByOne) {
  Plan plan = squares();
  const Schedule together = make_schedule(plan);
  EXPECT_EQ(together.tasks.size(), 1U);
  Layout layout;
  layout.channels = 8;
  layout.period = 1 << 12;
  for (std::uint32_t c = 0; c < 8; ++c) layout.units.push_back({c, 0});
  plan.input.layout = layout;
  const Schedule one_by_one = make_schedule(plan);
  EXPECT_EQ(one_by_one.tasks.size(), 8U);
  // A squared ciphertext of three parts, what relinearizing it takes, and the others before or after.
  const std::uint64_t part = 8 << 13;
  EXPECT_EQ(one_by_one.peak_bytes, 8 * 4 * part + (6 + 2) * part + 1'000'000);
  EXPECT_GT(together.peak_bytes, one_by_one.peak_bytes + 7 * 1'000'000);
}

TEST(Schedule, SaysTheLeastMemoryWhereTheBudgetIsSmaller) {
  const Plan plan = testing::quartic_plan();
  const std::uint64_t least = make_schedule(plan, 1).peak_bytes;
  EXPECT_LE(make_schedule_within(plan, least)->peak_bytes, least);
  EXPECT_EQ(make_schedule_within(plan, 1ULL << 40)->tasks.size(), make_schedule(plan).tasks.size());
  const auto refused = make_schedule_within(plan, least - 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::infeasible);
  EXPECT_NE(refused.error().message.find("at least"), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace obscura::plan
