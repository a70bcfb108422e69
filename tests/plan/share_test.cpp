// SPDX-License-Identifier: Apache-2.0
/// One batch on several ranks: every unit once, every message both sent and taken, and an order that ends.
#include "plan/share.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "tests/flow/tiny_plan.h"

namespace obscura::plan {
namespace {

using Message = std::tuple<std::uint32_t, std::uint32_t, Element>;  // from, to

std::vector<Share> shares_of(const Distribution& distribution, std::uint32_t ranks) {
  std::vector<Share> shares;
  for (std::uint32_t r = 0; r < ranks; ++r) shares.push_back(distribution.share(r));
  return shares;
}

/// [output][input], as numbers.
std::map<std::pair<std::uint32_t, std::uint32_t>, std::int64_t> dense(const ckks::IntegerMap& map) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::int64_t> out;
  for (const ckks::IntegerBlock& block : map.blocks) {
    const ckks::IntegerMatrix& matrix = map.matrices.at(block.matrix);
    EXPECT_EQ(block.outputs.size(), matrix.rows);
    for (std::size_t r = 0; r < block.outputs.size(); ++r) {
      for (std::size_t c = 0; c < block.inputs.size(); ++c) {
        out[{block.outputs[r], block.inputs[c]}] += matrix.data[r * matrix.cols + c];
      }
    }
  }
  return out;
}

class Distributions : public ::testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(OfRanks, Distributions, ::testing::Values(1, 2, 3, 5, 16));

TEST_P(Distributions, CutMapsAreTheSameMaps) {
  const Plan plan = testing::quartic_plan();
  const Distribution distribution(plan, GetParam());
  for (std::size_t s = 0; s < plan.steps.size(); ++s) {
    const auto* before = std::get_if<Linear>(&plan.steps[s].operation);
    if (before == nullptr) continue;
    const auto& after = std::get<Linear>(distribution.plan().steps[s].operation);
    EXPECT_EQ(dense(after.map), dense(before->map));
    EXPECT_EQ(after.map.multiplications(), before->map.multiplications());
  }
}

TEST_P(Distributions, DealEveryUnitOnce) {
  const Distribution distribution(testing::quartic_plan(), GetParam());
  const Schedule whole = make_schedule(distribution.plan());
  std::multiset<std::pair<std::uint32_t, std::uint32_t>> expected, dealt;
  std::uint64_t work = 0;
  for (const Task& task : whole.tasks) {
    for (const std::uint32_t u : task.units) expected.emplace(task.stage, u);
  }
  for (const Share& share : shares_of(distribution, GetParam())) {
    EXPECT_EQ(share.exchanges.size(), share.schedule.tasks.size() + 1);
    for (const Task& task : share.schedule.tasks) {
      for (const std::uint32_t u : task.units) dealt.emplace(task.stage, u);
    }
    work += share.schedule.total_work;
  }
  EXPECT_EQ(dealt, expected);
  EXPECT_EQ(work, whole.total_work);
}

TEST_P(Distributions, SendWhatIsTaken) {
  const Distribution distribution(testing::quartic_plan(), GetParam());
  std::multiset<Message> sent, taken;
  std::set<std::uint32_t> read;
  std::uint32_t r = 0;
  for (const Share& share : shares_of(distribution, GetParam())) {
    for (const Exchange& exchange : share.exchanges) {
      for (const Transfer& to : exchange.sends) sent.emplace(r, to.rank, to.element);
      for (const Transfer& from : exchange.receives) taken.emplace(from.rank, r, from.element);
    }
    for (const std::uint32_t i : share.inputs) EXPECT_TRUE(read.insert(i).second) << "input " << i << " is read twice";
    ++r;
  }
  EXPECT_EQ(sent, taken);
  for (const Message& message : sent) EXPECT_EQ(sent.count(message), 1U) << "an element is sent once to a rank";
  EXPECT_EQ(sent.empty(), GetParam() == 1);
}

/// Runs all ranks in turn, each until it waits: all end.
TEST_P(Distributions, DoNotLock) {
  const auto shares = shares_of(Distribution(testing::quartic_plan(), GetParam()), GetParam());
  std::set<Message> under_way;
  std::vector<std::size_t> at(shares.size());
  std::vector<bool> has_sent(shares.size());
  const auto ended = [&](std::size_t r) { return at[r] == shares[r].exchanges.size(); };
  for (bool moved = true; moved;) {
    moved = false;
    for (std::uint32_t r = 0; r < shares.size(); ++r) {
      while (!ended(r)) {
        const Exchange& exchange = shares[r].exchanges[at[r]];
        if (!has_sent[r]) {
          for (const Transfer& to : exchange.sends) under_way.emplace(r, to.rank, to.element);
        }
        has_sent[r] = true;
        const auto is_there = [&](const Transfer& x) { return under_way.contains({x.rank, r, x.element}); };
        if (!std::all_of(exchange.receives.begin(), exchange.receives.end(), is_there)) break;
        has_sent[r] = false;
        moved = true;
        ++at[r];
      }
    }
  }
  for (std::uint32_t r = 0; r < shares.size(); ++r) EXPECT_TRUE(ended(r)) << "rank " << r << " waits at " << at[r];
}

TEST(Distribution, PredictsLessTimeAndMemoryForMoreRanks) {
  const Plan plan = testing::square_plan();
  const Link link{1e18, 0};
  const Distribution one(plan, 1, link), two(plan, 2, link);
  EXPECT_LT(two.seconds(), 0.8 * one.seconds());
  EXPECT_LT(two.peak_bytes(), one.peak_bytes());
  EXPECT_GE(two.seconds(), 0.5 * one.seconds());
}

TEST(Distribution, SlowLinksTakeLonger) {
  const Plan plan = testing::square_plan();
  const Distribution fast(plan, 3, {1e12, 0}), slow(plan, 3, {1e3, 0});
  EXPECT_GT(slow.seconds(), fast.seconds());
  std::uint64_t bytes = 0;
  for (const Distribution::Layer& layer : slow.layers()) bytes += layer.most_bytes;
  EXPECT_GE(slow.seconds(), static_cast<double>(bytes) / 1e3 / 3);
}

}  // namespace
}  // namespace obscura::plan
