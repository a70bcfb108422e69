// SPDX-License-Identifier: Apache-2.0
#include "data/cifar.h"

#include <gmock/gmock.h>

#include "data/png.h"
#include "tests/data/make_png.h"
#include "tests/data/scratch.h"

namespace obscura::data {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Cifar : public Scratch {
 protected:
  /// Record i: label i, red 10 i, green 10 i + 1, blue 10 i + 2 all over, but 200 in the last pixel of blue.
  static base::Bytes records(std::size_t count) {
    base::Bytes out;
    for (std::size_t i = 0; i < count; ++i) {
      out.push_back(static_cast<std::byte>(i));
      for (std::size_t c = 0; c < 3; ++c) out.insert(out.end(), kCifarPixels, static_cast<std::byte>(10 * i + c));
      out.back() = std::byte{200};
    }
    return out;
  }

  /// A PNG of `rows` images; pixel p of image i is (i, p, p + i), modulo 256.
  static base::Bytes rows(std::size_t count) {
    std::vector<std::uint8_t> planes(3 * count * kCifarPixels);
    const std::size_t area = count * kCifarPixels;
    for (std::size_t at = 0; at < area; ++at) {
      const std::size_t i = at / kCifarPixels;
      const std::size_t p = at % kCifarPixels;
      planes[at] = static_cast<std::uint8_t>(i);
      planes[area + at] = static_cast<std::uint8_t>(p);
      planes[2 * area + at] = static_cast<std::uint8_t>(p + i);
    }
    return encode_png(planes, 3, count, kCifarPixels);
  }
};

TEST_F(Cifar, ReadsRecordsOfTheBinaryLayoutByRange) {
  const auto path = file("x.bin", records(4));
  const auto set = read_cifar_binary(path, {2, 2});
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_THAT(set->labels, ElementsAre(2, 3));
  EXPECT_EQ(set->count(), 2U);
  EXPECT_EQ(set->image_size(), 3072U);
  EXPECT_EQ(set->pixels[0], 20);
  EXPECT_EQ(set->pixels[kCifarPixels], 21);
  EXPECT_EQ(set->pixels[3071], 200);
  EXPECT_EQ(set->pixels[3072 + 2 * kCifarPixels], 32);
}

TEST_F(Cifar, RefusesOddSizesAndRangesThatLeaveTheFile) {
  base::Bytes bytes = records(2);
  EXPECT_THAT(read_cifar_binary(file("x.bin", bytes), {1, 2}).error().message, HasSubstr("there are 2 in all"));
  bytes.pop_back();
  EXPECT_THAT(read_cifar_binary(file("cut.bin", bytes)).error().message, HasSubstr("6145 bytes"));
  EXPECT_FALSE(read_cifar_binary(file("empty.bin", {})).ok());
  EXPECT_FALSE(read_cifar_binary(folder_ / "absent.bin").ok());
}

TEST_F(Cifar, TurnsRowsOfPixelsIntoPlanes) {
  const auto set = read_image_rows(file("x.png", rows(5)), {3, 2});
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_EQ(set->count(), 2U);
  const auto plane = [&](std::size_t image, std::size_t c) {
    return std::span(set->pixels).subspan((3 * image + c) * kCifarPixels, kCifarPixels);
  };
  EXPECT_THAT(plane(1, 0), Each(4));
  for (std::size_t p = 0; p < kCifarPixels; ++p) {
    ASSERT_EQ(plane(0, 1)[p], p % 256);
    ASSERT_EQ(plane(1, 2)[p], (p + 4) % 256);
  }
}

TEST_F(Cifar, RefusesPicturesOfOtherSizesBeforeItDecodesThem) {
  base::Bytes bytes = rows(1);
  const std::string header =
      PngMaker::chunk("IHDR", PngMaker::number(1024) + PngMaker::number(8323073) + std::string("\x08\x02\0\0\0", 5));
  std::copy_n(base::as_bytes(header).begin(), header.size(), bytes.begin() + 8);
  EXPECT_THAT(read_image_rows(file("high.png", bytes)).error().message, HasSubstr("8323073 rows and 1024 columns"));
  const std::vector<std::uint8_t> narrow(3 * 1023);
  EXPECT_THAT(read_image_rows(file("narrow.png", encode_png(narrow, 3, 1, 1023))).error().message,
              HasSubstr("1 rows and 1023 columns"));
  bytes = rows(2);
  bytes.erase(bytes.end() - 20, bytes.end());
  EXPECT_THAT(read_image_rows(file("cut.png", bytes)).error().message, HasSubstr("a damaged PNG file"));
}

TEST_F(Cifar, ReadsListsOfLabels) {
  EXPECT_THAT(parse_label_list("[3,8 ,0,\n255 ]\n", "x").value(), ElementsAre(3, 8, 0, 255));
  EXPECT_THAT(read_label_list(file("x.json", base::as_bytes("[7]"))).value(), ElementsAre(7));
}

TEST_F(Cifar, RefusesWhatIsNoListOfLabels) {
  for (const char* text : {"", "[]", "[1,]", "[1 2]", "[256]", "[99999999999]", "[-1]", "[1.5]", "[1", "1,2", "[1]]",
                           "[\"1\"]", "[[1]]"}) {
    EXPECT_FALSE(parse_label_list(text, "x").ok()) << text;
  }
  EXPECT_THAT(parse_label_list("[1,x]", "labels.json").error().message, HasSubstr("labels.json: a list of labels"));
  EXPECT_THAT(parse_label_list(std::string("[1]\0", 4), "x").error().message, HasSubstr("at byte 3"));
}

}  // namespace
}  // namespace obscura::data
