// SPDX-License-Identifier: Apache-2.0
/// The split of diagonals into pairs, babies and giants, and its cost.
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "ckks/transform.h"
#include "tests/ckks/steps.h"

namespace obscura::ckks {
namespace {

std::vector<Diagonal> diagonals_at(const std::vector<std::int64_t>& steps) {
  std::vector<Diagonal> out;
  for (const std::int64_t step : steps) out.push_back({0, 0, step});
  return out;
}

TransformShape split(const std::vector<std::int64_t>& steps, const SwitchSize& size,
                     std::vector<std::int64_t> keys_there = {}, double key_price = 100) {
  return {1 << 13, 1, 1, diagonals_at(steps), {size, std::move(keys_there), key_price}};
}

constexpr SwitchSize kSize{6, 2, 3};

TEST(TransformShape, EveryDiagonalIsABabyAndAGiant) {
  for (const auto& steps : {range(0, 256), range(-31, 32, 64), convolution(32, 1024, 8), {0, 1, 77, -4000, 4096}}) {
    const TransformShape shape = split(steps, kSize);
    EXPECT_EQ(shape.plaintexts(), steps.size());
    std::set<std::int64_t> used;
    for (const TransformGroup& group : shape.groups()) {
      used.insert(group.giant);
      for (const auto& term : group.terms) {
        const std::int64_t baby = shape.babies()[term.baby].step;
        used.insert(baby);
        EXPECT_EQ((baby + group.giant - term.diagonal.step) % static_cast<std::int64_t>(shape.slots()), 0);
      }
    }
    used.erase(0);
    EXPECT_EQ(std::vector<std::int64_t>(used.begin(), used.end()), shape.rotation_steps());
  }
}

TEST(TransformShape, AGivenSplitIsKept) {
  const TransformShape shape(1 << 13, 1, 1, {{0, 0, 0}, {0, 0, 3}, {0, 0, 7}, {0, 0, -1}}, Split{4, -1});
  EXPECT_EQ(shape.split(), (Split{4, -1}));
  EXPECT_EQ(shape.rotation_steps(), (std::vector<std::int64_t>{-1, 4, 8}));  // 3 = 4 - 1, 7 = 8 - 1
  const TransformShape chosen = split(range(0, 100), kSize);
  EXPECT_EQ(TransformShape(1 << 13, 1, 1, diagonals_at(range(0, 100)), chosen.split()).rotation_steps(),
            chosen.rotation_steps());
}

TEST(TransformShape, PairsTakeTheLowestFirstAndLeaveOthersAlone) {
  const TransformShape shape(1 << 13, 1, 1, diagonals_at({-5, 0, 1, 2, 4, 9}), Split{1 << 13, 0, 2});
  std::map<std::int64_t, bool> paired;
  for (const auto& term : shape.groups().front().terms) paired[term.diagonal.step] = term.paired;
  EXPECT_EQ(paired, (std::map<std::int64_t, bool>{{-5, false}, {0, true}, {1, false}, {4, false}, {9, false}}));
  EXPECT_THAT(shape.rotation_steps(), testing::Contains(2));  // of the input, for its second copy
  // What is beyond the last slot is no partner, though the step there is the same rotation.
  const TransformShape around(1 << 13, 1, 1, diagonals_at({-4095, 4096}), Split{1 << 13, 0, 1});
  EXPECT_EQ(around.plaintexts(), 2U);
}

TEST(TransformShape, PairsAreTakenWhereTheySaveMoreThanTheyCost) {
  const auto pair_of = [](const std::vector<std::int64_t>& steps, bool real) {
    SplitOptions options;
    options.size = kSize;
    options.pairs = real;
    return choose_split(1 << 13, diagonals_at(steps), options).pair;
  };
  EXPECT_NE(pair_of(convolution(32, 512, 16), true), 0);
  EXPECT_EQ(pair_of(convolution(32, 512, 16), false), 0);
  EXPECT_EQ(pair_of({0, 1, 2}, true), 0);
  EXPECT_EQ(pair_of({0, 1, 3, 7, 15, 31, 63, 127, 255, 511}, true), 0);
}

TEST(TransformShape, PairsCostTwoMoreSwitches) {
  const std::vector<Diagonal> diagonals = diagonals_at(range(0, 16));
  const TransformShape alone(1 << 13, 1, 1, diagonals_at(range(0, 8)), Split{4, 0});
  const TransformShape pairs(1 << 13, 1, 1, diagonals, Split{4, 0, 8});
  const TransformCost with = pairs.cost(kSize, 1), without = alone.cost(kSize, 1);
  EXPECT_EQ(with.plaintexts, 8U);
  EXPECT_EQ(with.pair_switches, 2U);
  EXPECT_EQ(with.baby_switches, without.baby_switches);
  EXPECT_EQ(with.giant_switches, without.giant_switches);
  // At 6 limbs and at 5: the digits at all rows, and both divisions.
  EXPECT_EQ(with.ntts, without.ntts + 3 * 8 + 2 * 8 + 3 * 7 + 2 * 7);
}

TEST(TransformShape, DenseDiagonalsTakeAboutTwoRootsOfKeys) {
  EXPECT_LE(split(range(0, 256), kSize).rotation_steps().size(), 32U);
  EXPECT_LE(split(range(-31, 32, 64), kSize).rotation_steps().size(), 15U);
}

TEST(TransformShape, WhereVectorsRepeatBeforeTheRingNoPeriodIsLonger) {
  // Steps without a pattern, whose distances add up to more than the vectors have.
  std::vector<std::int64_t> steps;
  for (std::int64_t k = 0; k < 60; ++k) steps.push_back(k * k * 7919 % 4096 - 2048);
  SplitOptions options;
  options.size = {12, 4, 3};
  options.longest_period = 1 << 12;
  const Split split = choose_split(1 << 15, diagonals_at(steps), options);
  EXPECT_LE(split.period, 1 << 12);
  EXPECT_GT(split.phase, -(1 << 12));
}

TEST(TransformShape, AConvolutionSplitsIntoTapsAndChannels) {
  // 9 taps and 8 channels: with dear keys, 8 steps within a channel and 7 between channels.
  const TransformShape shape = split(convolution(32, 1024, 8), kSize, {}, 1e4);
  EXPECT_LE(shape.rotation_steps().size(), 15U);
}

TEST(TransformShape, KeysThatAreThereAreTaken) {
  const auto steps = range(0, 64);
  const auto there = range(0, 64, 1);
  const TransformShape alone = split(steps, kSize, {}, 1e4), shared = split(steps, kSize, there, 1e4);
  // All keys there: rotations cost only their time, and hoisted ones cost less than giant steps.
  EXPECT_GT(shared.babies().size(), alone.babies().size());
}

TEST(TransformShape, CostCountsWhatApplyDoes) {
  // By hand: babies 0 .. 3, giants 0, 4, 8, 12 of one output.
  const TransformShape shape = split(range(0, 16), kSize, {1, 2, 3, 4, 8, 12}, 1e9);
  const TransformCost cost = shape.cost(kSize, 1);
  EXPECT_EQ(cost.keys, 6U);
  EXPECT_EQ(cost.baby_switches, 3U);
  EXPECT_EQ(cost.giant_switches, 3U);
  EXPECT_EQ(cost.decompositions, 4U);
  EXPECT_EQ(cost.divisions, 5U);
  EXPECT_EQ(cost.plaintexts, 16U);
  // One decomposition: 6 + (3 * 8 - 6) NTTs; a giant step that and a division by P, 2 + 6; two last divisions, 3 + 5.
  EXPECT_EQ(cost.ntts, 24U + 3 * (24 + 8) + 2 * 8);
  EXPECT_EQ(cost.encoded_limbs, 16U * 8);
  EXPECT_EQ(cost.encode_ntts, 16U * 8);
  // A decomposition: 3 digits of 2 limbs to 6 rows each; a division: 2 limbs and their overflow to 6, or 3 to 5.
  EXPECT_EQ(cost.conversions, 4U * 36 + 3 * 3 * 6 + 2 * 4 * 5);
  EXPECT_EQ(cost.permutations, 6U * 2 * 8);
}

TEST(TransformShape, CostCountsWhatComposedRotationsTake) {
  // Babies 1, 2, 3 one from the other, sums of the giants 12, 8, 4 likewise: two babies are decomposed besides.
  const TransformShape direct = split(range(0, 16), kSize, {1, 2, 3, 4, 8, 12}, 1e9);
  const TransformShape shape = direct.composed(std::vector<std::int64_t>{1, 4}).value();
  const TransformCost cost = shape.cost(kSize, 1), before = direct.cost(kSize, 1);
  EXPECT_EQ(cost.keys, 2U);
  EXPECT_EQ(cost.baby_switches, 3U);
  EXPECT_EQ(cost.giant_switches, 3U);
  EXPECT_EQ(cost.between, 2U);
  EXPECT_EQ(cost.decompositions, 6U);
  EXPECT_EQ(cost.divisions, 7U);
  EXPECT_EQ(cost.ntts, before.ntts + 2 * (24 + 8));
  EXPECT_EQ(cost.conversions, before.conversions + 2 * (36 + 3 * 6));
  EXPECT_EQ(cost.plaintexts, before.plaintexts);
  // From all steps it is what it was, whatever it was composed of in between.
  const TransformShape again = shape.composed(direct.rotation_steps()).value();
  EXPECT_EQ(again.rotation_steps(), direct.rotation_steps());
  EXPECT_EQ(again.cost(kSize, 1).ntts, before.ntts);
  EXPECT_EQ(again.babies().size(), direct.babies().size());
  EXPECT_FALSE(direct.composed(std::vector<std::int64_t>{2, 4}).has_value());
}

TEST(TransformShape, RepeatingDiagonalsCostAFractionToEncodeAndToKeep) {
  const TransformShape shape = split(range(0, 16), kSize, {1, 2, 3, 4, 8, 12}, 1e9);
  const TransformCost fourth = shape.cost(kSize, 1, shape.slots() / 4), least = shape.cost(kSize, 1, 1);
  EXPECT_EQ(fourth.encode_ntts, 16U * 8 / 4);
  EXPECT_EQ(fourth.encoded_limbs, 16U * 8 / 4);
  EXPECT_EQ(fourth.fft_values, shape.slots() / 4);
  EXPECT_EQ(fourth.products, shape.cost(kSize, 1).products);
  EXPECT_EQ(least.encode_ntts, 16U * 8 * Encoder::kLeastPeriod / shape.slots());
  EXPECT_EQ(least.encoded_limbs, 16U * 8 / 8);
}
}  // namespace
}  // namespace obscura::ckks
