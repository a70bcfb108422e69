// SPDX-License-Identifier: Apache-2.0
#include "ckks/rotation_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace obscura::ckks {
namespace {

constexpr std::int64_t kSlots = 1 << 10;

using Steps = std::vector<std::int64_t>;
using Tree = std::vector<ComposedRotation>;

/// Every rotation is one by a key of an earlier one, and all that are wanted are there.
void expect_tree(const Tree& tree, const Steps& wanted, const Steps& keys) {
  std::set<std::int64_t> reached = {0};
  for (std::size_t k = 0; k < tree.size(); ++k) {
    const ComposedRotation& one = tree[k];
    EXPECT_TRUE(std::ranges::count(keys, one.turn) == 1) << one.turn;
    ASSERT_TRUE(one.from == kUnrotated || one.from < k);
    const std::int64_t before = one.from == kUnrotated ? 0 : tree[one.from].step;
    EXPECT_EQ(one.step, centred_step(before + one.turn, kSlots));
    EXPECT_EQ(one.switches, one.from == kUnrotated ? 1 : tree[one.from].switches + 1);
    EXPECT_TRUE(reached.insert(one.step).second) << "step " << one.step << " twice";
  }
  for (const std::int64_t step : wanted) EXPECT_TRUE(reached.contains(centred_step(step, kSlots))) << step;
}

std::uint32_t deepest(const Tree& tree) {
  std::uint32_t out = 0;
  for (const ComposedRotation& one : tree) out = std::max(out, one.switches);
  return out;
}

TEST(RotationTree, StepsThatHaveKeysStayAsTheyAre) {
  const Steps wanted = {-33, -32, -1, 1, 5, 512};
  const Tree tree = rotation_tree(kSlots, wanted, wanted).value();
  EXPECT_EQ(tree.size(), wanted.size());
  for (const ComposedRotation& one : tree) {
    EXPECT_EQ(one.from, kUnrotated);
    EXPECT_EQ(one.turn, one.step);
  }
}

TEST(RotationTree, AWindowComesFromItsRowsAndColumns) {
  Steps wanted;
  for (const std::int64_t y : {-2, -1, 0, 1, 2}) {
    for (const std::int64_t x : {-2, -1, 0, 1, 2}) wanted.push_back(32 * y + x);
  }
  const Steps keys = {-32, -1, 1, 32};
  const Tree tree = rotation_tree(kSlots, wanted, keys).value();
  expect_tree(tree, wanted, keys);
  EXPECT_EQ(tree.size(), 24U);   // none between
  EXPECT_EQ(deepest(tree), 4U);  // two rows and two columns
  expect_tree(rotation_tree(kSlots, wanted, Steps{-1, 1, 32, -64}).value(), wanted, {-1, 1, 32, -64});
}

TEST(RotationTree, WhatLiesBetweenIsMadeOnce) {
  const Steps wanted = {100, 101, 102, -100}, keys = {50, 1, -50};
  const Tree tree = rotation_tree(kSlots, wanted, keys).value();
  expect_tree(tree, wanted, keys);
  EXPECT_EQ(tree.size(), 6U);  // 50 and -50 besides
}

TEST(RotationTree, StepsGoAroundTheSlots) {
  const Tree tree = rotation_tree(kSlots, Steps{-511}, Steps{512, 1}).value();
  expect_tree(tree, {-511}, {512, 1});
  EXPECT_EQ(tree.size(), 2U);
}

TEST(RotationTree, WhatCannotBeReachedIsSaid) {
  EXPECT_FALSE(rotation_tree(kSlots, Steps{3}, Steps{2, 4}).has_value());
  EXPECT_FALSE(rotation_tree(kSlots, Steps{3}, Steps{}).has_value());
  EXPECT_FALSE(rotation_tree(kSlots, Steps{kMostBetween + 1}, Steps{1}).has_value());
  EXPECT_TRUE(rotation_tree(kSlots, Steps{kMostBetween}, Steps{1}).has_value());
  EXPECT_TRUE(rotation_tree(kSlots, Steps{0}, Steps{}).value().empty());
}

TEST(RotationTree, IsTheSameWithoutTheKeysThatItDoesNotUse) {
  std::uint64_t state = 1;
  const auto next = [&](std::int64_t below) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::int64_t>(state >> 33) % below;
  };
  for (int trial = 0; trial < 200; ++trial) {
    Steps wanted, keys = {1};
    for (int k = 0; k < 20; ++k) wanted.push_back(next(kSlots) - kSlots / 2 + 1);
    for (int k = 0; k < 12; ++k)
      keys.push_back(centred_step(next(2) == 0 ? std::int64_t{1} << next(9) : next(kSlots), kSlots));
    const auto tree = rotation_tree(kSlots, wanted, keys);
    if (!tree) continue;
    std::set<std::int64_t> used;
    for (const ComposedRotation& one : *tree) used.insert(one.turn);
    const Tree again = rotation_tree(kSlots, wanted, Steps(used.begin(), used.end())).value();
    ASSERT_EQ(again.size(), tree->size());
    for (std::size_t k = 0; k < again.size(); ++k) {
      EXPECT_EQ(again[k].step, (*tree)[k].step);
      EXPECT_EQ(again[k].from, (*tree)[k].from);
    }
  }
}

}  // namespace
}  // namespace obscura::ckks
