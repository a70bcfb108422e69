// SPDX-License-Identifier: Apache-2.0
#include "compile/predict.h"

#include <gtest/gtest.h>

#include "ckks/params.h"
#include "kernels/kernels.h"

namespace obscura::compile {
namespace {

/// One linear map of one block, predicted by the planner.
plan::Plan plan_of(std::uint32_t rows, std::uint32_t cols) {
  plan::Plan plan;
  plan.params.log2_degree = 14;
  plan.params.chain = ckks::make_primes(14, 48, 2, {}).value();
  plan::Linear linear;
  linear.map = {cols, rows, {{rows, cols, std::vector<std::int32_t>(std::size_t{rows} * cols, 300)}}, {{}}};
  for (std::uint32_t i = 0; i < cols; ++i) linear.map.blocks[0].inputs.push_back(i);
  for (std::uint32_t i = 0; i < rows; ++i) linear.map.blocks[0].outputs.push_back(i);
  plan::Step step;
  step.operation = linear;
  step.output.limbs = 2;
  step.output.parts = 2;
  plan.steps = {step};
  plan.predicted_seconds = CostModel{}.linear(14, 2, 2, std::uint64_t{rows} * cols, cols, rows) * 1e-9;
  return plan;
}

TEST(Predict, WithoutDigitsIsWhatThePlannerPredicts) {
  const plan::Plan plan = plan_of(64, 576);
  EXPECT_EQ(seconds_here(plan, *kernels::named("portable")), plan.predicted_seconds);
}

TEST(Predict, WithDigitsWideMapsTakeLessAndNarrowOnesTheSame) {
  const kernels::Kernels* tiles = kernels::named("avx512+amx");
  if (tiles == nullptr) GTEST_SKIP() << "no AMX here";
  const plan::Plan wide = plan_of(64, 576);
  EXPECT_LT(seconds_here(wide, *tiles), 0.6 * wide.predicted_seconds);
  EXPECT_GT(seconds_here(wide, *tiles), 0);
  const plan::Plan narrow = plan_of(8, 576);
  EXPECT_EQ(seconds_here(narrow, *tiles), narrow.predicted_seconds);
}

}  // namespace
}  // namespace obscura::compile
