// SPDX-License-Identifier: Apache-2.0
#include "plan/verify.h"

#include <gmock/gmock.h>

#include <functional>
#include <limits>

#include "sample_plan.h"

namespace obscura::plan {
namespace {

using ::testing::HasSubstr;

TEST(Verify, AcceptsASoundPlan) {
  for (const ckks::RingType ring : {ckks::RingType::standard, ckks::RingType::conjugate_invariant}) {
    const auto result = verify(sample_plan(ring));
    EXPECT_TRUE(result.ok()) << result.error().message;
  }
}

/// One way to break the sample plan, and what the refusal must say.
struct Damage {
  const char* name;
  std::function<void(Plan&)> apply;
  const char* sentence;
};

const double kNaN = std::numeric_limits<double>::quiet_NaN();
const double kInfinity = std::numeric_limits<double>::infinity();

std::vector<Damage> damages_of_the_frame() {
  return {
      {"InsecureParameters", [](Plan& p) { p.params.log2_degree = 12; }, "not 128-bit secure"},
      {"AnUnknownRing", [](Plan& p) { p.params.ring = static_cast<ckks::RingType>(2); }, "ring 2, 0 (standard)"},
      {"PrimesOfTheOtherRing", [](Plan& p) { p.params.ring = ckks::RingType::conjugate_invariant; },
       "not a prime = 1 mod 2^15"},
      {"NoBatch", [](Plan& p) { p.batch = 0; }, "a batch of 0"},
      {"NoSteps", [](Plan& p) { p.steps.clear(); }, "no steps"},
      {"EmptyImage", [](Plan& p) { p.input.width = 0; }, "an image of 1x2x0"},
      {"HugeImage", [](Plan& p) { p.input.width = p.input.height = 1U << 20; }, "at most"},
      {"ImageWhoseSizeWrapsAround", [](Plan& p) { p.input.width = p.input.height = 1U << 16; }, "at most"},
      {"MissingMean", [](Plan& p) { p.input.mean.clear(); }, "0 means and 1 standard deviations for 1 channels"},
      {"ZeroDeviation", [](Plan& p) { p.input.std = {0}; }, "deviation 0"},
      {"MeanThatIsNotANumber", [](Plan& p) { p.input.mean = {kNaN}; }, "mean nan"},
      {"InputWithMoreLimbsThanTheChain", [](Plan& p) { p.input.limbs = 4; }, "4 limbs; 1 to 3 are allowed"},
      {"StandardisedWithoutAClip",
       [](Plan& p) {
         p.input.standardise = {0.25, 0};
       },
       "clipped at 0"},
      {"InputWithoutLimbs", [](Plan& p) { p.input.limbs = 0; }, "0 limbs"},
      {"NegativeInputScale", [](Plan& p) { p.input.scale = -1; }, "a scale of -1"},
      {"InputAboveTheModulus", [](Plan& p) { p.input.scale = 0x1p119; }, "the largest input"},
  };
}

std::vector<Damage> damages_of_linear_steps() {
  return {
      {"LinearReadsTheFuture", [](Plan& p) { step<Linear>(p, 0).input = 1; }, "reads value 1, 1 are defined"},
      {"MapOfOtherInputs", [](Plan& p) { step<Linear>(p, 0).map.inputs = 5; }, "5 inputs reads 4 elements"},
      {"MapWithoutOutputs", [](Plan& p) { step<Linear>(p, 0).map.outputs = 0; }, "without outputs"},
      {"BlockOfAnAbsentMatrix", [](Plan& p) { step<Linear>(p, 0).map.blocks[0].matrix = 2; }, "names matrix 2 of 2"},
      {"BlockOfAnotherShape", [](Plan& p) { step<Linear>(p, 0).map.blocks[0].inputs.push_back(3); },
       "maps 3 inputs to 1 outputs with a matrix of 1 x 2"},
      {"MatrixWithMissingWeights", [](Plan& p) { step<Linear>(p, 0).map.matrices[0].data.pop_back(); },
       "matrix 0 of 1 x 2 has 1 weights"},
      {"BlockReadsBeyondTheInputs", [](Plan& p) { step<Linear>(p, 0).map.blocks[0].inputs[0] = 4; }, "input 4 of 4"},
      {"BlockWritesBeyondTheOutputs", [](Plan& p) { step<Linear>(p, 0).map.blocks[0].outputs[0] = 3; },
       "output 3 of 3"},
      {"OutputInTwoBlocks", [](Plan& p) { step<Linear>(p, 0).map.blocks[0].outputs[0] = 1; },
       "output 1 stands in two blocks"},
      {"OutputInNoBlock", [](Plan& p) { step<Linear>(p, 0).map.blocks.pop_back(); }, "list 2 outputs, the map has 3"},
      {"RowAboveTheNormBound",
       [](Plan& p) {
         step<Linear>(p, 0).map.matrices[0].data = {1 << 27, -(1 << 27)};
       },
       "the bound is 268435456"},
      {"SmallestWeightThatExists",
       [](Plan& p) { step<Linear>(p, 0).map.matrices[0].data[0] = std::numeric_limits<std::int32_t>::min(); },
       "add up to 2147483653"},
      {"WeightScaleOfZero", [](Plan& p) { step<Linear>(p, 0).weight_scale = 0; }, "a weight scale of 0"},
      {"MissingBias", [](Plan& p) { step<Linear>(p, 0).bias.pop_back(); }, "2 biases for 3 outputs"},
      {"BiasThatIsNotFinite", [](Plan& p) { step<Linear>(p, 0).bias[1] = kInfinity; }, "a bias is not finite"},
      {"BiasAboveWhatCanBeEncoded", [](Plan& p) { step<Linear>(p, 0).bias[1] = 0x1p76; }, "2^100 is the bound"},
      {"BiasAboveTheModulus", [](Plan& p) { step<Linear>(p, 4).bias[1] = 0x1p32; }, "half of the modulus of 2 limbs"},
  };
}

std::vector<Damage> damages_of_other_steps() {
  return {
      {"ProductOfOtherSizes", [](Plan& p) { step<Multiply>(p, 1).a = 0; }, "values of 4 and 3 elements"},
      {"RelinearizationOfTwoParts", [](Plan& p) { step<Relinearize>(p, 3).input = 1; }, "a value of 2 parts"},
      {"RelinearizationWithoutKey", [](Plan& p) { p.keys.relinearization = false; }, "does not request"},
      {"RelinearizationThatLeavesNoLimb", [](Plan& p) { step<Relinearize>(p, 3).rescale = 3; }, "drops 3 of 3 limbs"},
      {"RescaleOfNothing", [](Plan& p) { step<Rescale>(p, 5).limbs = 0; }, "drops 0 of 2 limbs"},
      {"RescaleThatLeavesNoLimb", [](Plan& p) { step<Rescale>(p, 5).limbs = 2; }, "drops 2 of 2 limbs"},
      {"CombinationOfNothing", [](Plan& p) { step<Combine>(p, 2).terms.clear(); }, "combines nothing"},
      {"FirstTermWithACoefficient", [](Plan& p) { step<Combine>(p, 2).terms[0].coefficients = {2}; },
       "coefficient 2; 1 is expected"},
      {"CombinationOfOtherSizes", [](Plan& p) { step<Combine>(p, 2).terms[1].input = 0; }, "3 and 4 elements"},
      {"CoefficientsOfAnotherCount",
       [](Plan& p) {
         step<Combine>(p, 2).terms[1].coefficients = {1, 2};
       },
       "2 coefficients for 3 elements"},
      {"CoefficientThatIsNotFinite", [](Plan& p) { step<Combine>(p, 2).terms[1].coefficients = {kNaN}; },
       "a coefficient is not finite"},
      {"CoefficientAboveTheBound", [](Plan& p) { step<Combine>(p, 2).terms[1].coefficients = {0x1p77}; },
       "2^100 is the bound"},
      {"ConstantsOfAnotherCount",
       [](Plan& p) {
         step<Combine>(p, 2).constants = {1, 2};
       },
       "2 constants for 3 elements"},
      {"ConstantThatIsNotFinite", [](Plan& p) { step<Combine>(p, 2).constants = {kInfinity}; }, "not finite"},
  };
}

std::vector<Damage> damages_of_values() {
  return {
      {"WorkThatNoMemoryHolds", [](Plan& p) { p.steps[1].bytes = 1ULL << 51; }, "plan step 2: 2251799813685248 bytes"},
      {"MemoryThatDoesNotAddUp", [](Plan& p) { p.predicted_bytes = 9, p.value_bytes = 5, p.kept_bytes = 5; },
       "9 bytes of memory, 5 of them of values and 5 of diagonals"},
      {"OtherElements", [](Plan& p) { p.steps[0].output.elements = 4; }, "says 4 elements, 3 follow"},
      {"OtherLimbs", [](Plan& p) { p.steps[3].output.limbs = 3; }, "says 3 limbs, 2 follow"},
      {"OtherParts", [](Plan& p) { p.steps[1].output.parts = 2; }, "says 2 parts, 3 follow"},
      {"OtherScale", [](Plan& p) { p.steps[1].output.scale *= 1 + 1e-8; }, "says the scale"},
      {"ScaleThatIsNotANumber", [](Plan& p) { p.steps[1].output.scale = kNaN; }, "a scale of nan"},
      {"NegativeRange", [](Plan& p) { p.steps[1].output.max_abs = -1; }, "a largest value of -1"},
      {"ErrorThatIsNotANumber", [](Plan& p) { p.steps[1].output.error_std = kNaN; }, "an error of nan"},
      {"OutputOfOtherClasses", [](Plan& p) { p.output.classes = 3; }, "for 3 classes"},
      {"OutputOfOtherScale", [](Plan& p) { p.output.scale *= 2; }, "the last step has"},
      {"OutputOfOtherLimbs", [](Plan& p) { p.output.limbs = 2; }, "says 2 ciphertexts, 2 limbs"},
      {"OutputOfOtherError", [](Plan& p) { p.output.error_std = 0; }, "the last step has"},
      {"OutputWithoutNoise", [](Plan& p) { p.output.noise_std = 0; }, "an encryption noise of 0"},
      {"OutputOfNegativeNoise", [](Plan& p) { p.output.noise_std = -0x1p-8; }, "an encryption noise of -0.0"},
      {"OutputNoiseThatIsNotANumber", [](Plan& p) { p.output.noise_std = kNaN; }, "an encryption noise of nan"},
      {"OutputOfMoreNoiseThanError", [](Plan& p) { p.output.noise_std = 0x1.001p-7; }, "at most the error, 0.0078125"},
      {"OutputAboveTheModulus", [](Plan& p) { p.steps[5].output.max_abs = 0x1p32; }, "the largest output"},
  };
}

void expect_refusals(const std::vector<Damage>& damages) {
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.name);
    Plan plan = sample_plan();
    damage.apply(plan);
    const auto result = verify(plan);
    ASSERT_FALSE(result.ok());
    EXPECT_THAT(result.error().message, HasSubstr(damage.sentence));
  }
}

TEST(Verify, RefusesEachDamageOfParametersInputAndOutput) { expect_refusals(damages_of_the_frame()); }
TEST(Verify, RefusesEachDamageOfLinearSteps) { expect_refusals(damages_of_linear_steps()); }
TEST(Verify, RefusesEachDamageOfOtherSteps) { expect_refusals(damages_of_other_steps()); }
TEST(Verify, RefusesEachDamageOfPredictedValues) { expect_refusals(damages_of_values()); }

TEST(Verify, AProductHasTheFewerLimbsOfItsFactors) {
  Plan plan = sample_plan();
  plan.steps.resize(4);
  plan.steps.push_back({Multiply{4, 1}, {3, 3, 3, 0x1p48, 1, 0}, ""});
  const auto result = verify(plan);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("says 3 limbs, 2 follow"));
}

TEST(Verify, RefusesAProductOfThreeParts) {
  Plan plan = sample_plan();
  plan.steps.resize(2);
  plan.steps.push_back({Multiply{2, 2}, {3, 3, 3, 0x1p96, 1, 0}, ""});
  const auto result = verify(plan);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("values of 3 and 3 parts"));
}

TEST(Verify, RefusesLogitsOfThreeParts) {
  Plan plan = sample_plan();
  plan.steps.resize(2);
  plan.output = {3, 3, 0x1p48, 0x1p-10, 0x1p-10, batch_layout(3, slots(plan))};
  const auto result = verify(plan);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("3 parts; 2 are expected"));
}

}  // namespace
}  // namespace obscura::plan
