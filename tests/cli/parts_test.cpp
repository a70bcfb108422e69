// SPDX-License-Identifier: Apache-2.0
/// The parts of the command line that are functions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/options.h"
#include "cli/progress.h"
#include "cli/support.h"

namespace obscura::cli {
namespace {

using ::testing::HasSubstr;

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

TEST(People, ReadSizes) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1'230'000), "1.23 MB");
}

}  // namespace
}  // namespace obscura::cli
