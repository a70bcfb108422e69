// SPDX-License-Identifier: Apache-2.0
#include "data/jpeg.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/data/make_jpeg.h"
#include "tests/data/scratch.h"

namespace obscura::data {
namespace {

using ::testing::HasSubstr;

/// Slow waves, which JPEG keeps well: `channels` interleaved.
std::vector<std::uint8_t> waves(std::size_t channels, std::size_t height, std::size_t width) {
  std::vector<std::uint8_t> out;
  for (std::size_t i = 0; i < height * width; ++i) {
    for (std::size_t c = 0; c < channels; ++c) {
      const double phase = static_cast<double>(i / width + i % width) / 9 + static_cast<double>(c);
      out.push_back(static_cast<std::uint8_t>(128 + 100 * std::sin(phase)));
    }
  }
  return out;
}

TEST(Jpeg, GivesWhatWasWrittenButForItsOwnLoss) {
  for (const bool progressive : {false, true}) {
    for (const std::size_t channels : {1U, 3U}) {
      const auto samples = waves(channels, 20, 23);
      const auto file = make_jpeg(samples, static_cast<int>(channels), 20, 23, progressive);
      const auto image = decode_jpeg(file, "x", {channels, 20, 23});
      ASSERT_TRUE(image.ok()) << image.error().message;
      for (std::size_t i = 0; i < samples.size(); ++i) {
        ASSERT_NEAR(image->pixels[i % channels * 460 + i / channels], samples[i], channels == 1 ? 2 : 12) << i;
      }
    }
  }
}

TEST(Jpeg, GreyAndColourTurnIntoEachOther) {
  const auto grey = make_jpeg(waves(1, 8, 8), 1, 8, 8), colour = make_jpeg(waves(3, 8, 8), 3, 8, 8);
  const auto planes = decode_jpeg(grey, "x", {3, 8, 8});
  ASSERT_TRUE(planes.ok()) << planes.error().message;
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(planes->pixels[i], planes->pixels[128 + i]);
  EXPECT_EQ(decode_jpeg(colour, "x", {1, 8, 8})->pixels.size(), 64U);
  EXPECT_EQ(decode_jpeg(grey, "x", {1, 1, 64})->shape(), (ImageShape{1, 1, 64})) << "a network on a vector";
}

TEST(Jpeg, OtherSizesAndColoursAreRefused) {
  EXPECT_THAT(decode_jpeg(make_jpeg(waves(4, 8, 8), 4, 8, 8), "a.jpg", {3, 8, 8}).error().message,
              AllOf(HasSubstr("a.jpg"), HasSubstr("CMYK")));
  EXPECT_THAT(decode_jpeg(make_jpeg(waves(1, 8, 9), 1, 8, 9), "x", {1, 8, 8}).error().message,
              AllOf(HasSubstr("8x9"), HasSubstr("8x8")));
  EXPECT_THAT(decode_jpeg(make_jpeg(waves(3, 8, 8), 3, 8, 8), "x", {4, 8, 8}).error().message, HasSubstr(".npy"));
}

TEST(Jpeg, EveryTruncationEndsInASentence) {
  const auto whole = make_jpeg(waves(3, 16, 16), 3, 16, 16);
  // The last two bytes are the end marker, which carries no pixels.
  for (std::size_t size = 0; size + 2 < whole.size(); ++size) {
    const auto image = decode_jpeg(base::ByteView(whole).first(size), "x", {3, 16, 16});
    ASSERT_FALSE(image.ok()) << size;
    EXPECT_THAT(image.error().message, HasSubstr("damaged"));
  }
}

TEST(Jpeg, SurvivesEveryFlippedBit) {
  const auto whole = make_jpeg(waves(1, 8, 8), 1, 8, 8);
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    base::Bytes flipped = whole;
    flipped[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    const auto image = decode_jpeg(flipped, "x", {1, 8, 8});
    EXPECT_TRUE(!image.ok() || image->count() == 1);
  }
}

}  // namespace
}  // namespace obscura::data
