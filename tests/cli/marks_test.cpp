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

MarksReport marks_of(AnswerKind kind, std::size_t outputs, const std::vector<float>& actual,
                     const std::vector<float>& reference, const std::vector<std::uint16_t>& labels) {
  return describe(api::mark({kind, AnswerFunction::none, {}}, {outputs, actual, reference}, labels), "float network");
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

TEST(Marks, OfManyClassesHaveFivesAndNullsWithoutLabels) {
  api::Score score{5, true, 1, 1, 1, api::TopScore{4, 3, 2}};
  nlohmann::ordered_json json;
  add_score(json, score);
  EXPECT_EQ(json.at("accuracy"), 0.2);
  EXPECT_EQ(json.at("top5_correct"), 4);
  EXPECT_EQ(json.at("top5_holds_label"), 0.6);
  EXPECT_EQ(json.at("top5_agreement"), 0.4);
  score.labelled = false;
  add_score(json, score);
  EXPECT_TRUE(json.at("accuracy").is_null());
  EXPECT_TRUE(json.at("top5_correct").is_null());
}

TEST(Marks, SayOfHowManyImagesTheLogitErrorIs) {
  const api::LogitError error{1, 0.5, 0.5};
  EXPECT_THAT(to_text(error, 3), HasSubstr("of 1 images; the logits of 2 are not finite"));
  EXPECT_THAT(to_text(error, 1), ::testing::Not(HasSubstr("finite")));
  nlohmann::ordered_json json;
  add_logit_error(json, {});
  EXPECT_THAT(to_text({}, 1), HasSubstr("no image"));
  EXPECT_TRUE(json.at("max_logit_error").is_null());
  EXPECT_TRUE(json.at("measured_logit_error_std").is_null());
  EXPECT_EQ(json.at("logit_error_images"), 0);
}

}  // namespace
}  // namespace obscura::cli
