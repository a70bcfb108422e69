// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "../flow/tiny_plan.h"
#include "run/execute.h"

namespace obscura::run {
namespace {

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
