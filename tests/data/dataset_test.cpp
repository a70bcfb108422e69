// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.h"

#include <gmock/gmock.h>

#include "data/png.h"
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
  for (const Range range : {Range{}, Range{0, 4}}) {
    EXPECT_THAT(load("mnist", "test", folder_, range).error().message,
                HasSubstr("t10k-labels-idx1-ubyte: 9 labels for 10 images"));
  }
}

TEST_F(Named, TellsHowManyImagesARangeIsTakenFrom) {
  put(10, 10);
  EXPECT_EQ(load("mnist", "test", folder_, {4, 2})->available, 10U);
  file("bccd/test.bin", base::Bytes(3 * 3073));
  EXPECT_EQ(load("bccd", "test", folder_, {1, 1})->available, 3U);
}

TEST_F(Named, LoadsThreeSplitsOfThePlacedSets) {
  file("breastmnist/val-images-idx3-ubyte", idx(0x803, {2, 2, 1}, 4));
  file("breastmnist/val-labels-idx1-ubyte", idx(0x801, {2}, 2));
  const auto grey = load("breastmnist", "val", folder_);
  ASSERT_TRUE(grey.ok()) << grey.error().message;
  EXPECT_THAT(grey->class_names, ElementsAre("malignant", "normal or benign"));
  base::Bytes records(2 * 3073);
  records[3073] = std::byte{2};
  file("bccd/test.bin", records);
  const auto cells = load("bccd", "test", folder_, {1, 1});
  ASSERT_TRUE(cells.ok()) << cells.error().message;
  EXPECT_EQ(cells->channels, 3U);
  EXPECT_EQ(cells->class_names[cells->labels[0]], "platelets");
  records[0] = std::byte{3};
  file("bccd/test.bin", records);
  EXPECT_THAT(load("bccd", "test", folder_).error().message, HasSubstr("label 3 of image 0; labels are 0 to 2"));
}

TEST_F(Named, SaysWhereToGetAndPlaceWhatIsNotFetched) {
  for (const std::string name : {"pneumoniamnist", "breastmnist", "bccd"}) {
    const auto message = load(name, "test", folder_).error().message;
    EXPECT_THAT(message, HasSubstr((folder_ / name).string()));
    EXPECT_THAT(message, HasSubstr("docs/DATA.md"));
    EXPECT_THAT(message, ::testing::Not(HasSubstr("obscura data fetch")));
  }
}

/// Five batches and their labels, as the package has them: the first channel of image i of batch b is b all over, its
/// label (b + i) % 10.
class Cifar10 : public Scratch {
 protected:
  static constexpr std::size_t kRows = 10000;

  void put_training_set() const {
    for (std::size_t b = 0; b < 5; ++b) {
      std::vector<std::uint8_t> pixels(3 * kRows * 1024);
      std::fill_n(pixels.begin(), kRows * 1024, static_cast<std::uint8_t>(b));
      file(fmt::format("cifar10/data_batch_{}.png", b + 1), encode_png(pixels, 3, kRows, 1024));
    }
    std::string labels;
    for (std::size_t i = 0; i < 5 * kRows; ++i) labels += fmt::format("{}{}", i == 0 ? '[' : ',', (i / kRows + i) % 10);
    file("cifar10/train_lables.json", base::as_bytes(labels + "]"));
  }
};

TEST_F(Cifar10, LoadsRangesAcrossItsBatches) {
  put_training_set();
  const auto set = load("cifar10", "train", folder_, {19998, 4});
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_THAT(set->labels, ElementsAre(9, 0, 2, 3));
  EXPECT_EQ(set->count(), 4U);
  EXPECT_EQ(set->available, 50000U);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(set->pixels[3072 * i + 1023], i < 2 ? 1 : 2);
  EXPECT_EQ(set->class_names[set->labels[0]], "truck");
  EXPECT_THAT(load("cifar10", "train", folder_, {49999, 2}).error().message, HasSubstr("50000"));
  EXPECT_THAT(load("cifar10", "test", folder_).error().message, HasSubstr("obscura data fetch cifar10"));
  file("cifar10/train_lables.json", base::as_bytes("[1,2]"));
  EXPECT_THAT(load("cifar10", "train", folder_).error().message, HasSubstr("2 labels for 50000 images"));
}

}  // namespace
}  // namespace obscura::data
