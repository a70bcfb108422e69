// SPDX-License-Identifier: Apache-2.0
#include "api/score.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace obscura::api {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Predict, RanksTheFiveLargestLogits) {
  const auto predictions = predict(std::vector<float>{0, 7, -1, 7, 3, 2, 9}, 7);
  ASSERT_EQ(predictions.size(), 1U);
  EXPECT_THAT(predictions[0].best, ElementsAre(6U, 1U, 3U, 4U, 5U)) << "of equals, the lower label comes first";
  EXPECT_TRUE(predictions[0].among_best(5));
  EXPECT_FALSE(predictions[0].among_best(0));
}

TEST(Predict, HasFewerLabelsWithFewerClasses) {
  const auto predictions = predict(std::vector<float>{1, 2, 3, 3, 2, 1}, 3);
  EXPECT_THAT(predictions[0].best, ElementsAre(2U, 1U, 0U, kNoLabel, kNoLabel));
  EXPECT_THAT(predictions[1].best, ElementsAre(0U, 1U, 2U, kNoLabel, kNoLabel));
  EXPECT_FALSE(predictions[0].among_best(kNoLabel));
}

TEST(Predict, SaysNothingOfLogitsThatAreNotFinite) {
  for (const float bad : {kNotANumber, kInfinity, -kInfinity}) {
    for (const std::size_t at : {0U, 1U, 2U}) {
      std::vector<float> row{1, 2, 3};
      row[at] = bad;
      const auto predictions = predict(row, 3);
      EXPECT_FALSE(predictions[0].finite) << bad << " at " << at;
      EXPECT_THAT(predictions[0].best, Each(kNoLabel));
    }
  }
}

/// `classes` logits whose largest are those of `best`, in this order.
std::vector<float> row_of(const std::vector<std::uint32_t>& best, std::size_t classes = 12) {
  std::vector<float> row(classes, 0);
  for (std::size_t i = 0; i < best.size(); ++i) row[best[i]] = static_cast<float>(10 - i);
  return row;
}

std::vector<Prediction> predict_rows(const std::vector<std::vector<float>>& rows) {
  std::vector<float> logits;
  for (const auto& row : rows) logits.insert(logits.end(), row.begin(), row.end());
  return predict(logits, rows.front().size());
}

TEST(Score, CountsLabelsAndFives) {
  const auto reference = predict_rows({row_of({0, 1, 2, 3, 4}), row_of({0, 1, 2, 3, 4}), row_of({0, 1, 2, 3, 4}),
                                       row_of({0, 1, 2, 3, 4}), row_of({0, 1, 2, 3, 4})});
  std::vector<float> bad = row_of({0, 1, 2, 3, 4});
  bad[11] = kNotANumber;
  const auto predictions = predict_rows({row_of({0, 1, 2, 3, 4}),  // the same
                                         row_of({4, 3, 2, 1, 0}),  // the same five in another order
                                         row_of({5, 6, 7, 8, 0}),  // the label among five others
                                         row_of({5, 6, 7, 8, 9}),  // nothing in common
                                         bad});
  const Score all = score(predictions, reference, {0, 0, 0, 9, 0}, 12);
  EXPECT_EQ(all.images, 5U);
  EXPECT_EQ(all.correct, 1U);
  EXPECT_EQ(all.agreeing, 1U);
  EXPECT_EQ(all.not_finite, 1U);
  ASSERT_TRUE(all.top);
  EXPECT_EQ(all.top->correct, 4U);
  EXPECT_EQ(all.top->holding, 3U);
  EXPECT_EQ(all.top->agreeing, 2U);
}

TEST(Score, AgreesWithNothingWhereEitherIsNotFinite) {
  const auto bad = predict(std::vector<float>(12, kNotANumber), 12);
  const Score both = score(bad, bad, {0}, 12);
  EXPECT_EQ(both.agreeing + both.correct + both.top->correct + both.top->holding + both.top->agreeing, 0U);
  const auto good = predict(row_of({0, 1, 2, 3, 4}), 12);
  const Score one = score(good, bad, {0}, 12);
  EXPECT_EQ(one.correct, 1U);
  EXPECT_EQ(one.agreeing + one.top->holding + one.top->agreeing, 0U);
}

TEST(Score, HasNoFivesOfTenClasses) {
  const auto ten = predict(std::vector<float>(10, 0), 10);
  EXPECT_FALSE(score(ten, ten, {0}, 10).top);
  const auto eleven = predict(std::vector<float>(11, 0), 11);
  EXPECT_TRUE(score(eleven, eleven, {0}, 11).top);
}

TEST(LogitError, IsThatOfTheImagesWhereBothAreFinite) {
  const std::vector<float> reference{1, 2, 3, 4, 5, kNotANumber};
  const LogitError error = compare_logits(std::vector<float>{1.5, 2.5, kInfinity, 4, 5, 6}, reference, 2);
  EXPECT_EQ(error.images, 1U);
  EXPECT_EQ(error.largest, 0.5);
  EXPECT_EQ(error.deviation, 0.5);
}

TEST(LogitError, IsOfNoImagesWhereNoneIsFinite) {
  EXPECT_EQ(compare_logits(std::vector<float>{kNotANumber, 1}, std::vector<float>{0, 1}, 2).images, 0U);
}

}  // namespace
}  // namespace obscura::api
