// SPDX-License-Identifier: Apache-2.0
#include "plan/replay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "../ckks/toy_sets.h"
#include "../flow/boot_plan.h"
#include "../flow/tiny_plan.h"

namespace obscura::plan {
namespace {

/// Transform, bootstrapping, polynomial, fold, transform: a task each. A second of predicted time each.
Plan five_seconds() {
  Plan plan = testing::boot_plan(ckks::BootstrapParams::insecure_for_tests(ckks::small_toy()).value());
  for (Step& step : plan.steps) step.seconds = 1;
  plan.predicted_seconds = 5;
  return plan;
}

using Tasks = std::vector<std::size_t>;

TEST(Replay, EndsWithTheOutputAndAllWorkDone) {
  for (const Plan& plan : {testing::square_plan(), testing::quartic_plan(), five_seconds()}) {
    for (const std::size_t wave : {1, 2, 128}) {
      const Schedule schedule = make_schedule(plan, wave);
      Replay replay(plan, schedule);
      EXPECT_TRUE(replay.live().empty());
      while (!replay.ended()) replay.take();
      EXPECT_EQ(replay.tasks(), schedule.tasks.size());
      EXPECT_EQ(replay.steps(), plan.steps.size());
      EXPECT_EQ(replay.work(), schedule.total_work);
      EXPECT_NEAR(replay.seconds(), plan.predicted_seconds, 1e-9);
      ASSERT_EQ(replay.live().size(), plan.steps.back().output.elements);
      for (const Element& at : replay.live()) EXPECT_EQ(at.value, plan.steps.size());
      EXPECT_THROW(replay.take(), ContractError);
    }
  }
}

TEST(Replay, LiveElementsFitIntoTheMemoryOfTheSchedule) {
  for (const Plan& plan : {testing::square_plan(), testing::quartic_plan(), five_seconds()}) {
    const Schedule schedule = make_schedule(plan, 1);
    Replay replay(plan, schedule);
    while (!replay.ended()) {
      replay.take();
      EXPECT_LE(replay.bytes(), schedule.peak_bytes);
      std::uint64_t bytes = 0;
      for (const Element& at : replay.live()) {
        const ValueInfo info = plan.value(at.value);
        bytes += (std::uint64_t{info.limbs} * info.parts << plan.params.log2_degree) * 8;
        EXPECT_GT(replay.left()[at.value][at.index], 0U);
      }
      EXPECT_EQ(replay.bytes(), bytes);
    }
  }
}

TEST(SavePoints, OfNoTimeBetweenThemAreAfterEveryTaskButTheLast) {
  const Plan plan = testing::quartic_plan();
  const Schedule schedule = make_schedule(plan, 1);
  Tasks every(schedule.tasks.size() - 1);
  std::iota(every.begin(), every.end(), 1);
  EXPECT_EQ(save_points(plan, schedule, 0), every);
}

TEST(SavePoints, AreBeforeABootstrappingRatherThanAfterIt) {
  const Plan plan = five_seconds();
  const Schedule schedule = make_schedule(plan);
  ASSERT_EQ(schedule.tasks.size(), 5U);
  EXPECT_EQ(save_points(plan, schedule, 1), (Tasks{1, 3, 4}));
}

TEST(SavePoints, AreTheTimeApartThatIsAskedFor) {
  Plan plan = five_seconds();
  const Schedule schedule = make_schedule(plan);
  EXPECT_EQ(save_points(plan, schedule, 2), Tasks{3}) << "after task 4 there is a second left alone";
  EXPECT_EQ(save_points(plan, schedule, 6), Tasks{});
  plan.steps[1].seconds = 100;  // no point in its time: the first one after it
  plan.predicted_seconds = 104;
  EXPECT_EQ(save_points(plan, schedule, 2), Tasks{2});
}

}  // namespace
}  // namespace obscura::plan
