// SPDX-License-Identifier: Apache-2.0
#include "client/publish.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>  // mkdtemp

#include <cmath>
#include <filesystem>

#include "base/files.h"
#include "client/ledger.h"

namespace obscura::client {
namespace {

using plan::AnswerKind;
using ::testing::HasSubstr;

/// Logits far apart: 10,000 numbers of spread 8.
Logits answer(std::size_t images = 1000) {
  Logits logits;
  logits.images = images;
  logits.classes = 10;
  for (std::size_t i = 0; i < images * 10; ++i) logits.values.push_back(i % 2 == 0 ? 8.0F : -8.0F);
  return logits;
}

std::vector<double> differences(const Logits& a, const Logits& b) {
  std::vector<double> out;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    out.push_back(static_cast<double>(a.values[i]) - static_cast<double>(b.values[i]));
  }
  return out;
}

TEST(Publish, DeviationIsThatOfTheTheorem) {
  EXPECT_DOUBLE_EQ(flooding_deviation(0.5, 3, 20), 0.5 * 6 * 1024);
  EXPECT_DOUBLE_EQ(flooding_deviation(1, 12, 1), 12 * std::sqrt(2.0));
  // Two bits more need twice the deviation, as do four times the numbers.
  EXPECT_DOUBLE_EQ(flooding_deviation(0x1p-20, 100, 22), flooding_deviation(0x1p-20, 400, 20));
}

TEST(Publish, AddsGaussianNoiseOfTheDeviationItStates) {
  const Logits exact = answer();
  const auto published = publish(exact, AnswerKind::one, 0x1p-20, 20).value();
  // Half of what 20 bits allow: the other half is for what will be published later.
  const double sigma = flooding_deviation(0x1p-20, 10000, 21);
  EXPECT_NEAR(published.deviation / sigma, 1, 1e-12);
  // Rounding to a step of at most sigma / 4 adds a variance of step^2 / 12.
  const double expected = std::hypot(sigma, published.step / std::sqrt(12.0));
  double sum = 0;
  double squares = 0;
  double fourth = 0;
  double neighbours = 0;
  const auto noise = differences(published.logits, exact);
  for (std::size_t i = 0; i < noise.size(); ++i) {
    const double z = noise[i] / expected;
    sum += z;
    squares += z * z;
    fourth += z * z * z * z;
    neighbours += i > 0 ? z * noise[i - 1] / expected : 0;
  }
  const auto n = static_cast<double>(noise.size());
  // Six deviations of each mean over 10,000 independent normal numbers: 1, sqrt 2, sqrt 96 and 1 by their root.
  EXPECT_NEAR(sum / n, 0, 6 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 6 * std::sqrt(2 / n));
  EXPECT_NEAR(fourth / n, 3, 6 * std::sqrt(96 / n));
  EXPECT_NEAR(neighbours / n, 0, 6 / std::sqrt(n));
}

TEST(Publish, LeavesOnlyMultiplesOfAPowerOfTwoBelowAQuarterOfTheDeviation) {
  for (const int bits : {1, 10, 20, 23}) {
    const auto published = publish(answer(), AnswerKind::one, 0x1.8p-20, bits).value();
    int exponent = 0;
    EXPECT_EQ(std::frexp(published.step, &exponent), 0.5);
    EXPECT_LE(published.step, published.deviation / 4);
    EXPECT_GT(published.step, published.deviation / 8);
    for (const float x : published.logits.values) {
      const double multiple = static_cast<double>(x) / published.step;
      ASSERT_EQ(multiple, std::round(multiple));
    }
    EXPECT_EQ(published.logits.images, 1000U);
    EXPECT_EQ(published.logits.classes, 10U);
  }
}

TEST(Publish, DrawsOtherNoiseEachTime) {
  const Logits exact = answer();
  const auto a = publish(exact, AnswerKind::one, 0x1p-20, 20).value();
  const auto b = publish(exact, AnswerKind::one, 0x1p-20, 20).value();
  std::size_t equal = 0;
  for (std::size_t i = 0; i < exact.values.size(); ++i) equal += a.logits.values[i] == b.logits.values[i] ? 1 : 0;
  // The density of the difference of two normal numbers at 0 is 1 / (2 sqrt(pi) sigma): at most 7 % for a quarter of
  // sigma.
  EXPECT_LT(equal, 1000U);
}

TEST(Publish, NeverTakesTheNoiseBelowTheRoundingToFloats) {
  // Neighbouring floats at 8 lie 2^-20 apart: that much may follow from the key, however little the noise is.
  const auto published = publish(answer(), AnswerKind::one, 0x1p-60, 10).value();
  EXPECT_NEAR(published.deviation / flooding_deviation(0x1p-20, 10000, 11), 1, 1e-12);
}

TEST(Publish, RefusesNoiseAboveTheSpreadOfTheLogitsAndNamesBoth) {
  // sqrt(12 * 10000) = 346.4; times 2^((19 + 1) / 2) and 2^-15: 10.8.
  const auto refused = publish(answer(), AnswerKind::one, 0x1p-15, 19);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::infeasible);
  for (const char* part : {"19 bits", "10000 numbers", "deviation 10.8", "spread of the logits, 8", "--max-error"}) {
    EXPECT_THAT(refused.error().message, HasSubstr(part));
  }
  EXPECT_TRUE(publish(answer(), AnswerKind::one, 0x1p-15, 18).ok()) << "7.7 is below 8";
  // The spread is around the mean of each image: a shift common to all classes does not help.
  Logits shifted = answer(1);
  for (std::size_t i = 0; i < 10; ++i) shifted.values[i] = 1000 + (i % 2 == 0 ? 0.5F : -0.5F);
  EXPECT_FALSE(publish(shifted, AnswerKind::one, 0x1p-13, 20).ok());
}

TEST(Publish, MeasuresTheSpreadByTheKindOfAnswer) {
  Logits one_output;
  one_output.classes = 1;
  one_output.values = {1003, 997};
  one_output.images = 2;
  const auto spread_is = [&](AnswerKind kind, const char* spread) {
    EXPECT_THAT(publish(one_output, kind, 1, 20).error().message, HasSubstr(spread)) << plan::to_string(kind);
  };
  spread_is(AnswerKind::binary, "the spread of the logits, 1e+03;");  // from 0, where labels change
  spread_is(AnswerKind::values, "the spread of the logits, 3;");      // from their mean over the images
  one_output.values = {1003};
  one_output.images = 1;
  spread_is(AnswerKind::values, "the spread of the logits, 1e+03;");  // a single image has no other
}

TEST(Publish, AllPublicationsTogetherLeaveTheBits) {
  const Logits exact = answer(1);
  Earlier earlier;
  double deviation = 0;
  for (std::size_t k = 1; k <= 20; ++k) {
    const auto published = publish(exact, AnswerKind::one, 0x1p-30, 20, earlier).value();
    EXPECT_GT(published.deviation, deviation) << "each needs more noise than the one before";
    deviation = published.deviation;
    EXPECT_NEAR(published.spent * 0x1p20, 1.0 / static_cast<double>(k * (k + 1)), 1e-12);
    earlier.spent += published.spent;
    earlier.publications = k;
    EXPECT_LT(earlier.spent, 0x1p-20);
  }
  const auto more = publish(exact, AnswerKind::one, 0x1p-30, 25, earlier);
  ASSERT_FALSE(more.ok());
  EXPECT_THAT(more.error().message, HasSubstr("leaves 20.1 bits, and 25 are asked for"));
}

TEST(Publish, CountsWithTheWorstImageAndTheModelsTolerance) {
  plan::OutputSpec output;
  output.noise_std = 0.5;
  output.noise_growth = 3;
  EXPECT_DOUBLE_EQ(worst_noise(output), 3);
}

class LedgerFile : public ::testing::Test {
 protected:
  LedgerFile() {
    std::string name = std::filesystem::temp_directory_path() / "obscura-ledger-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~LedgerFile() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path path() const { return ledger_of(folder_ / "s"); }
  std::filesystem::path folder_;
  wire::KeyId key_{7};
};

TEST_F(LedgerFile, AddsUpWhatWasPublishedUnderOneKey) {
  EXPECT_EQ(Ledger::open(path(), key_).value().earlier().spent, 0);
  {
    auto ledger = Ledger::open(path(), key_).value();
    EXPECT_EQ(Ledger::open(path(), key_).error().code, Code::busy);
    ASSERT_TRUE(ledger.add({1}, 10, 0x1p-21).ok());
    ASSERT_TRUE(ledger.add({2}, 10, 0x1p-22).ok());
  }
  const auto ledger = Ledger::open(path(), key_).value();
  EXPECT_EQ(ledger.earlier().spent, 0x1p-21 + 0x1p-22);
  EXPECT_EQ(ledger.earlier().publications, 2U);
}

TEST_F(LedgerFile, OfAnotherKeyOrDamagedIsRefused) {
  ASSERT_TRUE(Ledger::open(path(), key_).ok());
  EXPECT_EQ(Ledger::open(path(), {8}).error().code, Code::wrong_params);
  base::Bytes bytes = base::read_file(path(), 1000).value();
  const std::string line = "who knows\n";
  const base::ByteView garbage = base::as_bytes(line);
  bytes.insert(bytes.end(), garbage.begin(), garbage.end());
  ASSERT_TRUE(base::write_file(path(), bytes, {.overwrite = true}).ok());
  EXPECT_THAT(Ledger::open(path(), key_).error().message, HasSubstr("is no line of a ledger"));
}

TEST_F(LedgerFile, HasWhatIsPublishedBeforeAnybodySeesIt) {
  Logits exact = answer();
  exact.key = key_;
  plan::OutputSpec output;
  output.noise_std = 0x1p-45;
  const auto first = publish_once(exact, output, path(), 20);
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->publications, 1U);
  // Of ten logits five are the largest, so that noise chooses among them.
  EXPECT_GT(first->changed.value(), 500U);
  const auto second = publish_once(exact, output, path(), 20);
  ASSERT_TRUE(second.ok()) << second.error().message;
  EXPECT_EQ(second->publications, 2U);
  EXPECT_GT(second->published.deviation, first->published.deviation) << "it leaves room for all that are to come";
  EXPECT_EQ(Ledger::open(path(), key_).value().earlier().spent, first->published.spent + second->published.spent);
  output.answer.kind = AnswerKind::values;
  for (std::size_t i = 0; i < 5000; ++i) exact.values[i] = 0;  // or no output would vary
  EXPECT_FALSE(publish_once(exact, output, path(), 20).value().changed);
  exact.key = {8};
  EXPECT_EQ(publish_once(exact, output, path(), 20).error().code, Code::wrong_params);
}

TEST(Publish, RefusesBitsOutOfRange) {
  for (const int bits : {-1, 0, 129}) {
    const auto refused = publish(answer(), AnswerKind::one, 0x1p-60, bits);
    ASSERT_FALSE(refused.ok()) << bits;
    EXPECT_THAT(refused.error().message, HasSubstr("1 to 128 are allowed"));
  }
  EXPECT_THROW((void)publish(answer(), AnswerKind::one, 0, 20), ContractError);
  EXPECT_THROW((void)publish({}, AnswerKind::one, 1, 20), ContractError);
}

}  // namespace
}  // namespace obscura::client
