// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.h"

#include <gmock/gmock.h>

#include "tests/data/scratch.h"

namespace obscura::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Named : public Scratch {
 protected:
  void put(std::size_t images, std::size_t labels) const {
    file("mnist/t10k-images-idx3-ubyte", idx(0x803, {static_cast<std::uint32_t>(images), 2, 1}, 2 * images));
    file("mnist/t10k-labels-idx1-ubyte", idx(0x801, {static_cast<std::uint32_t>(labels)}, labels));
  }
};

TEST_F(Named, LoadsARangeWithItsLabels) {
  put(10, 10);
  const auto set = load("mnist", "test", folder_, {4, 2});
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_THAT(set->pixels, ElementsAre(8, 9, 10, 11));
  EXPECT_THAT(set->labels, ElementsAre(4, 5));
  EXPECT_EQ(set->name, "mnist");
  EXPECT_EQ(set->split, "test");
  EXPECT_EQ(set->class_names.size(), 10U);
}

TEST_F(Named, SaysHowToFetchWhatIsAbsent) {
  const auto message = load("mnist", "train", folder_).error().message;
  EXPECT_THAT(message, HasSubstr("obscura data fetch mnist"));
  EXPECT_THAT(message, HasSubstr("train-images-idx3-ubyte"));
}

TEST_F(Named, RefusesUnknownNamesAndSplits) {
  EXPECT_THAT(load("mnits", "test", folder_).error().message, HasSubstr("mnist, fashion-mnist"));
  EXPECT_THAT(load("mnist", "validation", folder_).error().message, HasSubstr("train, test"));
}

TEST_F(Named, RefusesALabelWithoutAClass) {
  put(12, 12);
  EXPECT_THAT(load("mnist", "test", folder_).error().message, HasSubstr("label 11 of image 11"));
}

TEST_F(Named, RefusesOtherNumbersOfLabelsThanImages) {
  put(10, 9);
  EXPECT_FALSE(load("mnist", "test", folder_).ok());
}

}  // namespace
}  // namespace obscura::data
