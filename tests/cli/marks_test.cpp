// SPDX-License-Identifier: Apache-2.0
#include "cli/marks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace obscura::cli {
namespace {

using plan::AnswerFunction;
using plan::AnswerKind;
using ::testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Marks marks_of(AnswerKind kind, std::size_t outputs, const std::vector<float>& actual,
               const std::vector<float>& reference, const std::vector<std::uint16_t>& labels) {
  return mark({kind, AnswerFunction::none, {}}, {outputs, actual, reference, "float network"}, labels);
}

TEST(Marks, OfBinaryAnswersCompareTheSignWithLabelsZeroAndOne) {
  // Right, right, wrong and in disagreement, not finite.
  const auto marks = marks_of(AnswerKind::binary, 1, {2, -1, -0.5F, kNan}, {1, -2, 0.5F, 1}, {1, 0, 1, 1});
  EXPECT_EQ(marks.json.at("correct"), 2);
  EXPECT_EQ(marks.json.at("accuracy"), 0.5);
  EXPECT_EQ(marks.json.at("agreement"), 0.5);
  EXPECT_EQ(marks.json.at("not_finite"), 1);
  EXPECT_EQ(marks.json.at("reference_correct"), 4);
  EXPECT_EQ(marks.predictions, nlohmann::ordered_json({1, 0, 0, nullptr}));
  EXPECT_THAT(marks.text, HasSubstr("correct            2 (50.00 %)"));
}

TEST(Marks, OfSeveralLabelsCompareTheSetsWithTheReference) {
  // The same set by other logits, one label more, none in both, not finite.
  const auto marks =
      marks_of(AnswerKind::several, 2, {1, -1, 1, 1, -1, -1, kNan, 1}, {3, -2, 1, -1, -2, -3, 1, 1}, {0, 0, 0, 0});
  EXPECT_EQ(marks.json.at("agreement"), 0.5);
  EXPECT_EQ(marks.json.at("not_finite"), 1);
  EXPECT_FALSE(marks.json.contains("accuracy"));
  EXPECT_EQ(marks.predictions, nlohmann::ordered_json::parse("[[0],[0,1],[],null]"));
}

TEST(Marks, OfOneValueHaveTheMeanDistanceFromTheLabels) {
  const auto marks = marks_of(AnswerKind::values, 1, {2, 5, kNan}, {1, 3, 7}, {1, 3, 0});
  EXPECT_EQ(marks.json.at("mean_absolute_error"), 1.5);
  EXPECT_EQ(marks.json.at("reference_mean_absolute_error"), 0);
  EXPECT_EQ(marks.json.at("not_finite"), 1);
  EXPECT_FALSE(marks_of(AnswerKind::values, 2, {1, 2}, {1, 2}, {0}).json.contains("mean_absolute_error"));
}

}  // namespace
}  // namespace obscura::cli
