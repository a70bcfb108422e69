// SPDX-License-Identifier: Apache-2.0
/// Plans that bootstrap, at a demonstrated set: what verify accepts and refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "../flow/boot_plan.h"
#include "plan/schedule.h"
#include "plan/verify.h"
#include "sample_plan.h"

namespace obscura::plan {
namespace {

using ::testing::HasSubstr;

const Plan& sound() {
  static const Plan plan =
      testing::boot_plan(ckks::BootstrapParams::make(ckks::BootstrapParams::demonstrated().front()).value());
  return plan;
}

struct BootDamage {
  const char* name;
  std::function<void(Plan&)> apply;
  const char* sentence;
  Code code = Code::bad_format;
};

std::vector<BootDamage> boot_damages() {
  return {
      {"NoParametersOfIt", [](Plan& p) { p.bootstrap.reset(); }, "bootstraps without parameters"},
      {"ParametersThatNoStepUses",
       [](Plan& p) {
         p.steps[1].operation = Combine{{{1, {1}}}, {}};
       },
       "that no step uses"},
      {"ASetThatNobodyHasShown", [](Plan& p) { --p.bootstrap->literal.range; }, "no test has shown",
       Code::wrong_params},
      {"TheRingOfAnotherSet", [](Plan& p) { p.bootstrap->literal = ckks::BootstrapParams::demonstrated().back(); },
       "not those of its bootstrapping", Code::wrong_params},
      {"AnotherInputScale", [](Plan& p) { p.bootstrap->input_scale *= 1 + 0x1p-50; }, "bootstraps a value of scale"},
      {"AnOutputScaleOutOfBounds", [](Plan& p) { p.bootstrap->output_scale = 0x1p61; }, "are allowed"},
      {"AnInputScaleThatIsNoNumber", [](Plan& p) { p.bootstrap->input_scale = -1; }, "are allowed"},
      {"TooFewLimbs",
       [](Plan& p) {
         p.input.limbs -= 1;
         Transform& first = step<Transform>(p, 0);
         first.plain_scale = static_cast<double>(p.params.chain[p.input.limbs - 1]);
         p.steps[0].output.limbs -= 1;
       },
       "at least 4 are needed"},
      {"MoreLimbsOutThanThereAre", [](Plan& p) { p.steps[1].output.limbs += 1; }, "1 to 12 are allowed"},
      {"NoLimbsOut", [](Plan& p) { p.steps[1].output.limbs = 0; }, "1 to 12 are allowed"},
      {"OtherLimbsOutThanTheNextStepReads", [](Plan& p) { p.steps[1].output.limbs -= 1; }, "plan step 3"},
      {"ValuesAboveOne", [](Plan& p) { p.steps[0].output.max_abs = 1.5; }, "at most 1 is allowed"},
      {"NoProducts", [](Plan& p) { p.keys.relinearization = false; }, "needs the relinearization key",
       Code::wrong_params},
      {"ARotationForFewerLimbs", [](Plan& p) { --p.keys.rotations.begin()->second; }, "at other limbs",
       Code::wrong_params},
      {"NoPolynomial", [](Plan& p) { step<Polynomial>(p, 2).stages.clear(); }, "a composition of 0",
       Code::wrong_params},
      {"APolynomialOfAnEmptyInterval", [](Plan& p) { step<Polynomial>(p, 2).stages[0].low = 1; }, "plan step 3",
       Code::wrong_params},
      {"ADegreeAboveTheBound", [](Plan& p) { step<Polynomial>(p, 2).stages[0].coefficients.assign(66, 1); },
       "plan step 3", Code::wrong_params},
      {"APolynomialThatEndsAtAnotherScale", [](Plan& p) { step<Polynomial>(p, 2).output_scale *= 1.001; }, "follows"},
      {"ATransformOfOtherImages",
       [](Plan& p) {
         p.input.layout.sharing.images = 2;
         p.input.layout.period /= 2;
       },
       "layout"},
  };
}

class DamagedBootstrap : public ::testing::TestWithParam<BootDamage> {};

TEST_P(DamagedBootstrap, IsRefusedInASentence) {
  Plan plan = sound();
  GetParam().apply(plan);
  const auto verified = verify(plan);
  ASSERT_FALSE(verified.ok());
  EXPECT_THAT(verified.error().message, HasSubstr(GetParam().sentence));
  EXPECT_EQ(verified.error().code, GetParam().code);
}

INSTANTIATE_TEST_SUITE_P(Plans, DamagedBootstrap, ::testing::ValuesIn(boot_damages()),
                         [](const auto& damage) { return std::string(damage.param.name); });

TEST(VerifyBootstrap, AcceptsASoundPlanAtEachDemonstratedSet) {
  for (const ckks::BootstrapLiteral& literal : ckks::BootstrapParams::demonstrated()) {
    const auto verified = verify(testing::boot_plan(ckks::BootstrapParams::make(literal).value()));
    EXPECT_TRUE(verified.ok()) << verified.error().message;
  }
}

TEST(VerifyBootstrap, AcceptsFewerLimbsThanBootstrappingGives) {
  const auto set = ckks::BootstrapParams::make(ckks::BootstrapParams::demonstrated().front()).value();
  const std::uint32_t fewer = static_cast<std::uint32_t>(set.limbs().output) - 3;
  const auto verified = verify(testing::boot_plan(set, 0x1p-12, fewer));
  EXPECT_TRUE(verified.ok()) << verified.error().message;
}

TEST(BootstrapText, NamesTheSetAndTheSteps) {
  const std::string text = to_text(sound());
  EXPECT_THAT(text, HasSubstr("boot     2^15 slots, 8 levels of 45 bits, from scale 2^45.0 to 2^45.0"));
  EXPECT_THAT(text, HasSubstr("bootstrap <- 1"));
  EXPECT_THAT(text, HasSubstr("relu <- 2: degree 7"));
}

TEST(BootstrapSchedule, StepsThatHoldManyCiphertextsStandAlone) {
  Plan plan = sound();
  const std::uint64_t before = make_schedule(plan).peak_bytes, work = std::uint64_t{1} << 33;
  plan.steps[1].bytes = work;
  const Schedule schedule = make_schedule(plan);
  ASSERT_EQ(schedule.stages.size(), 5U);
  EXPECT_GT(schedule.peak_bytes, work);
  EXPECT_LE(schedule.peak_bytes, work + before);
  EXPECT_EQ(schedule.peak_step, 1U);
}

}  // namespace
}  // namespace obscura::plan
