// SPDX-License-Identifier: Apache-2.0
#include "api/images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace obscura::api {
namespace {

using ::testing::HasSubstr;

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

}  // namespace
}  // namespace obscura::api
