// SPDX-License-Identifier: Apache-2.0
#include "client/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace obscura::client {
namespace {

using plan::AnswerFunction;
using plan::AnswerKind;
using plan::AnswerSpec;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr double kClose = 1e-7;  // logits are floats

/// Their exponentials are as 1 : 3 : 4.
const std::vector<float> kLogits = {0, std::log(3.0F), std::log(4.0F)};

TEST(Apply, IsTheEndOfTheNetworksFileByHand) {
  EXPECT_THAT(apply_function(AnswerFunction::none, std::vector<float>{1.5F, -2}), ElementsAre(1.5, -2));
  EXPECT_THAT(apply_function(AnswerFunction::softmax, kLogits),
              ElementsAre(DoubleNear(0.125, kClose), DoubleNear(0.375, kClose), DoubleNear(0.5, kClose)));
  EXPECT_THAT(apply_function(AnswerFunction::log_softmax, kLogits),
              ElementsAre(DoubleNear(std::log(0.125), kClose), DoubleNear(std::log(0.375), kClose),
                          DoubleNear(std::log(0.5), kClose)));
  EXPECT_THAT(apply_function(AnswerFunction::sigmoid, kLogits),
              ElementsAre(0.5, DoubleNear(0.75, kClose), DoubleNear(0.8, kClose)));
  EXPECT_THAT(apply_function(AnswerFunction::argmax, kLogits), ElementsAre(2));
  EXPECT_THAT(apply_function(AnswerFunction::argmax, std::vector<float>{1, 5, 5}), ElementsAre(1))
      << "the first of equals";
}

TEST(Apply, StaysFiniteForLargeLogits) {
  const std::vector<float> large{1000, 1000 + std::log(3.0F), 0, -1000};
  const auto share = apply_function(AnswerFunction::softmax, large);
  EXPECT_NEAR(share[0], 0.25, 1e-4) << "floats near 1000 have steps of 6e-5";
  EXPECT_NEAR(share[1], 0.75, 1e-4);
  EXPECT_NEAR(share[0] + share[1] + share[2] + share[3], 1, 1e-12);
  EXPECT_NEAR(apply_function(AnswerFunction::log_softmax, large)[3], -2000 - std::log(4.0), 1e-3);
  EXPECT_THAT(apply_function(AnswerFunction::sigmoid, large), ElementsAre(1, 1, 0.5, DoubleNear(0, 1e-300)));
}

TEST(Answer, OfOneLabelIsThatOfTheLargestLogitWithTheShareOfItsExponential) {
  for (const auto function :
       {AnswerFunction::none, AnswerFunction::softmax, AnswerFunction::log_softmax, AnswerFunction::argmax}) {
    const AnswerSpec one{AnswerKind::one, function};
    EXPECT_THAT(labels(one, kLogits), ElementsAre(2U));
    EXPECT_NEAR(probabilities(one, kLogits)[2], 0.5, kClose) << plan::to_string(function);
  }
  EXPECT_NEAR(probabilities({AnswerKind::one, AnswerFunction::sigmoid}, kLogits)[2], 0.8, kClose)
      << "trained label by label";
}

TEST(Answer, OfSeveralLabelsHasAllThatAreAtLeastAsLikelyAsNot) {
  for (const auto function : {AnswerFunction::none, AnswerFunction::sigmoid}) {
    const AnswerSpec several{AnswerKind::several, function};
    EXPECT_THAT(labels(several, std::vector<float>{-0.1F, 2, 0, -3}), ElementsAre(1U, 2U));
    EXPECT_THAT(labels(several, std::vector<float>{-1, -2}), IsEmpty());
    EXPECT_THAT(probabilities(several, kLogits), ElementsAre(0.5, DoubleNear(0.75, kClose), DoubleNear(0.8, kClose)));
  }
}

TEST(Answer, OfABinaryLogitHasTheProbabilityOfLabelOne) {
  const AnswerSpec binary{AnswerKind::binary, AnswerFunction::sigmoid};
  const std::vector<float> unlikely{-std::log(3.0F)}, even{0};
  EXPECT_THAT(labels(binary, unlikely), ElementsAre(0U));
  EXPECT_THAT(probabilities(binary, unlikely), ElementsAre(DoubleNear(0.25, kClose)));
  EXPECT_THAT(labels(binary, even), ElementsAre(1U));
}

TEST(Answer, OfValuesHasNeitherLabelsNorProbabilities) {
  const AnswerSpec values{AnswerKind::values, AnswerFunction::none};
  EXPECT_THAT(labels(values, kLogits), IsEmpty());
  EXPECT_THAT(probabilities(values, kLogits), IsEmpty());
}

TEST(Answer, NamesLabelsByTheirClassOrElseByTheirNumber) {
  const AnswerSpec one{AnswerKind::one, AnswerFunction::none, {"cat", "dog"}};
  EXPECT_EQ(name_of(one, 1), "dog");
  EXPECT_EQ(name_of({}, 7), "7");
  const AnswerSpec both{AnswerKind::binary, AnswerFunction::sigmoid, {"well", "ill"}};
  EXPECT_EQ(name_of(both, 0), "well");
  EXPECT_EQ(name_of(both, 1), "ill");
  const AnswerSpec only{AnswerKind::binary, AnswerFunction::sigmoid, {"ill"}};
  EXPECT_EQ(name_of(only, 0), "0");
  EXPECT_EQ(name_of(only, 1), "ill");
}

}  // namespace
}  // namespace obscura::client
