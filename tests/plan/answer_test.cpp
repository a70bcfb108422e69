// SPDX-License-Identifier: Apache-2.0
#include "plan/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace obscura::plan {
namespace {

using ::testing::HasSubstr;
using F = AnswerFunction;
using K = AnswerKind;

std::string refusal(const AnswerSpec& answer, std::uint32_t outputs) {
  const auto fits = verify_answer(answer, outputs, "X");
  return fits.ok() ? "" : fits.error().message;
}

TEST(Answer, TakesTheKindsThatGoWithOutputsAndFunction) {
  const std::vector<std::pair<K, F>> many = {
      {K::one, F::none},       {K::one, F::softmax},    {K::one, F::log_softmax},   {K::one, F::sigmoid},
      {K::one, F::argmax},     {K::several, F::none},   {K::several, F::sigmoid},   {K::values, F::none},
      {K::values, F::softmax}, {K::values, F::sigmoid}, {K::values, F::log_softmax}};
  for (const auto& [kind, function] : many) EXPECT_EQ(refusal({kind, function}, 3), "");
  for (const auto kind : {K::binary, K::values}) {
    for (const auto function : {F::none, F::sigmoid}) EXPECT_EQ(refusal({kind, function}, 1), "");
  }
}

TEST(Answer, RefusesWhatTheOutputsCannotSay) {
  EXPECT_THAT(refusal({K::binary, F::sigmoid}, 3), HasSubstr("X: the answer 'binary' with 3 outputs; 1 output is"));
  EXPECT_THAT(refusal({K::one, F::none}, 1), HasSubstr("the answer 'one' with 1 output; 2 or more"));
  EXPECT_THAT(refusal({K::several, F::sigmoid}, 1), HasSubstr("the answer 'several' with 1 output"));
  EXPECT_THAT(refusal({K::several, F::softmax}, 3), HasSubstr("its end is softmax, which does not go with"));
  EXPECT_THAT(refusal({K::values, F::argmax}, 3), HasSubstr("its end is argmax"));
  for (const auto function : {F::softmax, F::log_softmax, F::argmax}) {
    EXPECT_THAT(refusal({K::values, function}, 1), HasSubstr("the same for every image"));
  }
  EXPECT_THAT(refusal({static_cast<K>(4), F::none}, 3), HasSubstr("kind 4 and function 0"));
  EXPECT_THAT(refusal({K::one, static_cast<F>(5)}, 3), HasSubstr("kind 0 and function 5"));
}

TEST(Answer, TakesOneReadableNameAnOutputOrTwoOfABinaryOne) {
  const auto of = [](std::vector<std::string> names) { return AnswerSpec{K::one, F::none, std::move(names)}; };
  EXPECT_EQ(refusal(of({"cat", "chien, grand", "\xE7\x8C\xAB"}), 3), "");
  EXPECT_EQ(refusal({K::binary, F::none, {"ill"}}, 1), "");
  EXPECT_EQ(refusal({K::binary, F::none, {"well", "ill"}}, 1), "");
  EXPECT_THAT(refusal(of({"cat", "dog"}), 3), HasSubstr("X: 2 class names for 3 outputs"));
  EXPECT_THAT(refusal({K::values, F::none, {"a", "b"}}, 1), HasSubstr("2 class names for 1 output;"));
  for (const std::string bad : {"", "\x1b[2J", "\xC3", "\xC0\xAF", "\xC2\x9B", "\xED\xA0\x80", "\xF4\x90\x80\x80"}) {
    EXPECT_THAT(refusal(of({"cat", bad, "dog"}), 3), HasSubstr("UTF-8 without control characters")) << bad.size();
  }
  EXPECT_THAT(refusal(of({std::string(257, 'x'), "b", "c"}), 3), HasSubstr("a class name of 257 bytes"));
  EXPECT_THAT(refusal(of(std::vector<std::string>(1025, std::string(256, 'x'))), 1025),
              HasSubstr("262144 are allowed"));
}

TEST(Answer, IsDescribedForPeople) {
  EXPECT_EQ(describe({K::one, F::softmax}, 5), "one of 5, function softmax");
  EXPECT_EQ(describe({K::binary, F::sigmoid}, 1), "binary, function sigmoid");
  EXPECT_EQ(describe({K::values, F::none}, 2), "2 values, function none");
  AnswerSpec many{K::several, F::none, std::vector<std::string>(22, "x")};
  EXPECT_THAT(describe_class_names(many), HasSubstr("x, x and 2 more"));
  EXPECT_EQ(describe_class_names({}), "none");
}

}  // namespace
}  // namespace obscura::plan
