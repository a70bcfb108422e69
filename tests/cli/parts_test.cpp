// SPDX-License-Identifier: Apache-2.0
/// The parts of the command line that are functions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cli/images.h"
#include "cli/progress.h"
#include "cli/support.h"

namespace obscura::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

TEST(ProgressLine, ShowsShareBarAndTheTimeThatIsLeft) {
  EXPECT_EQ(progress_line("run", 1, 4, 30, 40), "run  [===            ]   25 %  ETA 1:30");
  EXPECT_THAT(progress_line("run", 4, 4, 30, 80), HasSubstr("100 %  ETA 0:00"));
  EXPECT_THAT(progress_line("run", 1, 100, 100, 80), HasSubstr("ETA 2:45:00"));
}

TEST(ProgressLine, EstimatesNothingFromLessThanOnePercent) {
  EXPECT_THAT(progress_line("run", 0, 0, 5, 80), HasSubstr("ETA -:--"));
  EXPECT_THAT(progress_line("run", 1, 1000, 5, 80), HasSubstr("ETA -:--"));
}

TEST(ProgressLine, FitsTheTerminal) {
  for (std::size_t columns = 1; columns < 120; ++columns) {
    EXPECT_LE(progress_line("encrypt", 33, 100, 1000, columns).size(), columns);
  }
}

TEST(Sizes, TakeFractionsAndUnits) {
  EXPECT_EQ(parse_size("4096").value(), 4096U);
  EXPECT_EQ(parse_size("3.6GB").value(), 3'600'000'000U);
  EXPECT_EQ(parse_size("1.5 mib").value(), 3U << 19);
  EXPECT_EQ(parse_size("0B").value(), 0U);
}

TEST(Sizes, RefuseWhatIsNone) {
  for (const char* text : {"", "GB", "-1GB", "1XB", "1e300", "nan", "inf", "3.6.1GB", "1 G B"}) {
    const auto size = parse_size(text);
    ASSERT_FALSE(size.ok()) << text;
    EXPECT_THAT(size.error().message, HasSubstr("is not a size"));
  }
}

TEST(FileRange, TakesTheLastTwoNumbersOfAnArgument) {
  const auto file = parse_file_range("some/images.idx:16:8").value();
  EXPECT_EQ(file.path, "some/images.idx");
  EXPECT_EQ(file.range.first, 16U);
  EXPECT_EQ(file.range.count, 8U);
  EXPECT_EQ(parse_file_range("images.idx").value().range.count, data::kAll);
  EXPECT_EQ(parse_file_range("a:b.png").value().path, "a:b.png") << "one colon is part of a name";
}

TEST(FileRange, RefusesWhatIsNoRange) {
  EXPECT_THAT(parse_file_range("x.idx:0:0").error().message, HasSubstr("at least one image"));
  EXPECT_THAT(parse_file_range("x.idx:0:-3").error().message, HasSubstr("'-3' is not a number"));
  EXPECT_THAT(parse_file_range("x.idx::5").error().message, HasSubstr("'' is not a number"));
  EXPECT_FALSE(parse_file_range("x.idx:0:99999999999999999999999").ok());
}

TEST(Normalise, TakesEachChannelsOwnMeanAndDeviation) {
  data::Dataset image;  // two channels of two pixels
  image.channels = image.width = 2;
  image.height = 1;
  image.pixels = {0, 255, 255, 0};
  EXPECT_THAT(normalise(image, {{0.5, 0.0}, {0.25, 2.0}}), ElementsAre(-2.0F, 2.0F, 0.5F, 0.0F));
  image.values = {0, 1, 1, 0};
  image.pixels.clear();
  const auto out = normalise(image, {{0.5, 0.0}, {0.25, 2.0}});
  EXPECT_THAT(out, ElementsAre(-2.0F, 2.0F, 0.5F, 0.0F));
}

TEST(Normalise, TurnsRedGreenBlueIntoTheOrderOfTheNetwork) {
  data::Dataset images;  // two of two pixels
  images.channels = 3;
  images.height = 1;
  images.width = 2;
  images.pixels = {255, 0, 51, 51, 0, 255, 0, 0, 0, 0, 255, 255};
  const auto out = normalise(images, {{0, 0.2, 0}, {1, 1, 0.5}, true});
  // Blue, green less its mean, twice the red. A float holds 51 / 255 to 2^-27.
  const std::vector<float> expected{0, 1, 0, 0, 2, 0, 1, 1, -0.2F, -0.2F, 0, 0};
  EXPECT_THAT(out, Pointwise(FloatNear(0x1p-27F), expected));
}

TEST(Normalise, TakesBlueGreenRedOfThreeChannelsAndInNoPlan) {
  EXPECT_THAT(check_normalization({{}, {}, true}, 1).error().message, HasSubstr("--bgr"));
  EXPECT_TRUE(check_normalization({{}, {}, true}, 3).ok());
  EXPECT_TRUE(refuse_bgr({}).ok());
  EXPECT_THAT(refuse_bgr({{}, {}, true}).error().message, HasSubstr("swap the input channels"));
}

TEST(Normalise, RefusesNumbersThatDoNotFitTheChannels) {
  EXPECT_THAT(check_normalization({{0.5, 0.5}, {}}, 1).error().message, HasSubstr("2 numbers given"));
  EXPECT_THAT(check_normalization({{}, {0.0}}, 1).error().message, HasSubstr("above 0"));
  EXPECT_FALSE(check_normalization({{std::nan("")}, {}}, 1).ok());
  EXPECT_TRUE(check_normalization({}, 3).ok());
}

TEST(People, ReadCountsAndSizes) {
  EXPECT_EQ(plural(1, "image"), "1 image");
  EXPECT_EQ(plural(2, "batch"), "2 batches");
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1'230'000), "1.23 MB");
}

}  // namespace
}  // namespace obscura::cli
