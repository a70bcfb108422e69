// SPDX-License-Identifier: Apache-2.0
/// The search, against trying everything.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "approx/balance.h"
#include "approx/cost.h"
#include "approx/sign.h"

namespace obscura::approx {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const SignSearch& search() {
  static const SignSearch kSearch;
  return kSearch;
}

struct Tried {
  std::vector<int> degrees;
  int depth = 0;
  int multiplications = 0;
  double bits = 0;
};

/// Every sequence of degrees up to this depth, computed.
void try_all(int depth, Tried& prefix, std::vector<Tried>& out) {
  if (!prefix.degrees.empty()) {
    out.push_back(prefix);
    out.back().bits = -std::log2(relu(SignChoice{prefix.degrees}, 1)->certificate.max_error);
  }
  for (int degree = 3; degree <= kMaxStageDegree && depth_of(degree) <= depth; degree += 2) {
    prefix.degrees.push_back(degree);
    prefix.depth += depth_of(degree);
    prefix.multiplications += multiplications_of(degree, Parity::odd);
    try_all(depth - depth_of(degree), prefix, out);
    prefix.degrees.pop_back();
    prefix.depth -= depth_of(degree);
    prefix.multiplications -= multiplications_of(degree, Parity::odd);
  }
}

std::vector<Tried> all_up_to(int depth) {
  std::vector<Tried> out;
  Tried prefix;
  try_all(depth, prefix, out);
  return out;
}

TEST(SignFront, IsThatOfAllSequencesTried) {
  constexpr int kDepth = 7;
  std::map<std::pair<int, int>, double> best;
  for (const Tried& one : all_up_to(kDepth)) {
    double& bits = best[{one.depth, one.multiplications}];
    bits = std::max(bits, one.bits);
  }
  SearchOptions options;
  options.max_depth = kDepth;
  const std::vector<SignCandidate> front = *search().front(options);
  for (const auto& [cost, bits] : best) {
    double offered = 0;
    for (const SignCandidate& one : front) {
      if (one.depth <= cost.first && one.multiplications <= cost.second) offered = std::max(offered, one.bits);
    }
    EXPECT_NEAR(offered, std::max(offered, bits), 0.01) << cost.first << " " << cost.second;
  }
}

TEST(SignFront, HoldsNothingThatAnotherBeats) {
  const std::vector<SignCandidate> front = *search().front({.max_depth = 9});
  for (const SignCandidate& a : front) {
    for (const SignCandidate& b : front) {
      if (&a == &b) continue;
      EXPECT_FALSE(b.depth <= a.depth && b.multiplications <= a.multiplications && b.bits >= a.bits);
    }
  }
}

TEST(SignFront, SaysItsBitsWithinAHundredth) {
  const std::vector<SignCandidate> front = *search().front({.max_depth = 11});
  for (std::size_t i = 0; i < front.size(); i += 7) {
    const double bits = -std::log2(relu(SignChoice{front[i].choice.degrees}, 1)->certificate.max_error);
    EXPECT_NEAR(front[i].bits, bits, 0.01) << testing::PrintToString(front[i].choice.degrees);
  }
}

TEST(SignSearch, FindsTheCheapestOfAllSequencesTried) {
  const std::vector<Tried> all = all_up_to(7);
  for (const double alpha : {4.0, 5.0, 6.0, 6.5, 7.0, 8.0}) {
    for (const Objective objective : {Objective::depth, Objective::multiplications}) {
      const auto cost = [&](int depth, int multiplications) {
        return objective == Objective::depth ? std::pair(depth, multiplications) : std::pair(multiplications, depth);
      };
      std::pair best(1000, 1000);
      for (const Tried& one : all) {
        if (one.bits >= alpha) best = std::min(best, cost(one.depth, one.multiplications));
      }
      const Result<SignCandidate> found = search().for_relu(alpha, {.objective = objective, .max_depth = 7});
      ASSERT_TRUE(found.ok()) << found.error().message;
      EXPECT_EQ(cost(found->depth, found->multiplications), best) << alpha;
      EXPECT_GE(found->bits, alpha);
    }
  }
}

TEST(SignSearch, FindsThePublishedDegreesWhereTheyAreBest) {
  EXPECT_THAT(search().for_relu(9)->choice.degrees, ElementsAre(15, 15));
  EXPECT_THAT(search().for_relu(10)->choice.degrees, ElementsAre(7, 7, 13));
  EXPECT_THAT(search().for_relu(11)->choice.degrees, ElementsAre(7, 7, 27));
  EXPECT_THAT(search().for_relu(12)->choice.degrees, ElementsAre(7, 15, 27));
  EXPECT_THAT(search().for_relu(13)->choice.degrees, ElementsAre(15, 15, 27));
  EXPECT_THAT(search().for_relu(14)->choice.degrees, ElementsAre(15, 27, 29));
}

TEST(SignSearch, KeepsToADepthBudget) {
  const Result<SignCandidate> cheap = search().for_relu(9, {.objective = Objective::multiplications, .max_depth = 16});
  const Result<SignCandidate> shallow = search().for_relu(9, {.objective = Objective::multiplications, .max_depth = 8});
  EXPECT_LT(cheap->multiplications, shallow->multiplications);
  EXPECT_LE(shallow->depth, 8);
  EXPECT_THAT(search().for_relu(9, {.max_depth = 7}).error().message, HasSubstr("depth at most 7"));
}

TEST(SignSearch, KeepsToADegree) {
  const Result<SignCandidate> found = search().for_relu(8, {.max_degree = 15});
  for (const int degree : found->choice.degrees) EXPECT_LE(degree, 15);
  EXPECT_GE(found->bits, 8);
}

TEST(SignSearch, GivesAChoiceThatHasItsBits) {
  for (const double alpha : {4.0, 7.3, 10.0}) {
    const SignCandidate found = *search().for_relu(alpha);
    const Activation y = *relu(found.choice, 1);
    EXPECT_NEAR(-std::log2(y.certificate.max_error), found.bits, 1e-6);
    EXPECT_EQ(y.composite.certificate.depth, found.depth);
    EXPECT_EQ(y.composite.certificate.multiplications, found.multiplications);
  }
}

TEST(SignSearch, PrunesByAShareThatNoCompositionFallsBelow) {
  const std::vector<std::vector<int>> several = {{3, 3},
                                                 {3, 63},
                                                 {63, 3},
                                                 {15, 15},
                                                 {31, 63},
                                                 {3, 3, 3},
                                                 {3, 7, 31},
                                                 {63, 63},
                                                 {5, 5, 5, 5},
                                                 {27, 3, 27},
                                                 {15, 15, 27},
                                                 {31, 31, 31},
                                                 {3, 3, 3, 3, 3, 3, 3}};
  for (const std::vector<int>& degrees : several) {
    const Activation y = *relu(SignChoice{degrees}, 1);
    const double bits = -std::log2(y.certificate.max_error);
    const double share = y.certificate.max_error / y.composite.certificate.low;
    EXPECT_GE(share, least_inner_share(bits)) << testing::PrintToString(degrees);
  }
}

TEST(SignSearch, RefusesOptionsOutOfBounds) {
  EXPECT_THAT(search().for_relu(0.5).error().message, HasSubstr("alpha 0.5"));
  EXPECT_THAT(search().for_sign(17).error().message, HasSubstr("alpha 17"));
  EXPECT_THAT(search().for_relu(7, {.max_depth = 0}).error().message, HasSubstr("depth of at most 0"));
  EXPECT_THAT(search().for_relu(7, {.max_degree = 65}).error().message, HasSubstr("degrees of at most 65"));
  EXPECT_FALSE(search().front({.max_depth = 30}).ok());
}

}  // namespace
}  // namespace obscura::approx
