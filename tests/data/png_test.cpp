// SPDX-License-Identifier: Apache-2.0
/// Every kind of PNG gives the samples that it stores.
#include "data/png.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstdlib>

#include "tests/data/make_png.h"
#include "tests/data/scratch.h"

namespace obscura::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Samples that reach 0 and the largest.
PngMaker make(PngMaker::Kind kind, unsigned depth, bool interlaced, std::size_t height, std::size_t width) {
  PngMaker png{kind, depth, height, width, interlaced, {}, {}};
  const std::uint32_t all = (1U << depth) - 1;
  png.samples.resize(height * width * png.channels());
  for (std::uint32_t i = 0; i < png.samples.size(); ++i) {
    png.samples[i] = static_cast<std::uint16_t>(i == 0 ? all : i * 40503U % (all + 1));
  }
  return png;
}

std::uint8_t stretched(unsigned sample, unsigned depth) {
  return static_cast<std::uint8_t>(sample * 255 / ((1U << depth) - 1));
}

void set_alpha(PngMaker& png, std::uint16_t alpha) {
  for (std::size_t i = png.channels() - 1; i < png.samples.size(); i += png.channels()) png.samples[i] = alpha;
}

TEST(Png, GreyOfEveryDepthIsStretchedToTheFullRange) {
  for (const bool interlaced : {false, true}) {
    for (const unsigned depth : {1U, 2U, 4U, 8U}) {
      const PngMaker png = make(PngMaker::grey, depth, interlaced, 11, 13);
      const auto image = decode_png(png.bytes(), "x", {1, 11, 13});
      ASSERT_TRUE(image.ok()) << image.error().message;
      for (std::size_t i = 0; i < png.samples.size(); ++i) {
        ASSERT_EQ(image->pixels[i], stretched(png.samples[i], depth)) << depth << " bits, sample " << i;
      }
    }
  }
}

TEST(Png, ColourComesAsItsPlanes) {
  for (const bool interlaced : {false, true}) {
    const PngMaker png = make(PngMaker::colour, 8, interlaced, 9, 10);
    const auto image = decode_png(png.bytes(), "x", {3, 9, 10});
    ASSERT_TRUE(image.ok()) << image.error().message;
    for (std::size_t i = 0; i < png.samples.size(); ++i) EXPECT_EQ(image->pixels[i % 3 * 90 + i / 3], png.samples[i]);
  }
}

TEST(Png, SixteenBitsKeepTheirPrecision) {
  for (const auto kind : {PngMaker::grey, PngMaker::colour}) {
    const PngMaker png = make(kind, 16, true, 6, 7);
    const std::size_t channels = png.channels();
    const auto image = decode_png(png.bytes(), "x", {channels, 6, 7});
    ASSERT_TRUE(image.ok()) << image.error().message;
    EXPECT_TRUE(image->pixels.empty());
    EXPECT_EQ(image->count(), 1U);
    for (std::size_t i = 0; i < png.samples.size(); ++i) {
      ASSERT_EQ(image->values[i % channels * 42 + i / channels], static_cast<float>(png.samples[i] / 65535.0));
    }
  }
}

TEST(Png, PalettesOfEveryDepthGiveTheirColours) {
  for (const unsigned depth : {1U, 2U, 4U, 8U}) {
    PngMaker png = make(PngMaker::palette, depth, depth == 4, 5, 6);
    std::string colours;
    for (unsigned i = 0; i < 3U << depth; ++i) colours += static_cast<char>(i * 77 % 251);
    png.chunks = {{"PLTE", colours}};
    const auto image = decode_png(png.bytes(), "x", {3, 5, 6});
    ASSERT_TRUE(image.ok()) << image.error().message;
    for (std::size_t i = 0; i < 90; ++i) {
      EXPECT_EQ(image->pixels[i % 3 * 30 + i / 3], static_cast<std::uint8_t>(colours[3U * png.samples[i / 3] + i % 3]));
    }
  }
}

TEST(Png, WhatAFileSaysOfGammaAndColourSpaceChangesNoPixel) {
  for (const unsigned depth : {8U, 16U}) {
    PngMaker png = make(PngMaker::colour, depth, false, 4, 5);
    const auto plain = decode_png(png.bytes(), "x", {3, 4, 5});
    const std::string gamma = PngMaker::number(100000);
    std::string white;
    for (const std::uint32_t value : {31270U, 32900U, 64000U, 33000U, 30000U, 60000U, 15000U, 6000U}) {
      white += PngMaker::number(value);
    }
    for (const auto& chunks : std::vector<decltype(png.chunks)>{{{"gAMA", gamma}},
                                                                {{"gAMA", gamma}, {"cHRM", white}},
                                                                {{"sRGB", std::string(1, '\0')}},
                                                                {{"sBIT", "\5\5\5"}},
                                                                {{"iCCP", "broken"}}}) {
      png.chunks = chunks;
      const auto image = decode_png(png.bytes(), "x", {3, 4, 5});
      ASSERT_TRUE(image.ok()) << chunks[0].first << ": " << image.error().message;
      EXPECT_EQ(image->floats(), plain->floats()) << chunks[0].first;
    }
  }
}

TEST(Png, AnAlphaChannelThatIsOpaqueIsNoMatter) {
  for (const auto kind : {PngMaker::grey_alpha, PngMaker::colour_alpha}) {
    for (const unsigned depth : {8U, 16U}) {
      PngMaker png = make(kind, depth, false, 3, 4);
      const std::size_t channels = png.channels() - 1;
      set_alpha(png, static_cast<std::uint16_t>((1U << depth) - 1));
      const auto image = decode_png(png.bytes(), "x", {channels, 3, 4});
      ASSERT_TRUE(image.ok()) << image.error().message;
      const auto floats = image->floats();
      for (std::size_t i = 0; i < 12 * channels; ++i) {
        EXPECT_FLOAT_EQ(floats[i % channels * 12 + i / channels],
                        static_cast<float>(png.samples[i / channels * (channels + 1) + i % channels]) /
                            static_cast<float>((1U << depth) - 1));
      }
    }
  }
}

TEST(Png, APixelThatIsNotOpaqueIsRefusedWithItsPlace) {
  PngMaker png = make(PngMaker::colour_alpha, 8, false, 3, 4);
  set_alpha(png, 255);
  png.samples[4 * 6 + 3] = 254;
  EXPECT_THAT(decode_png(png.bytes(), "a.png", {3, 3, 4}).error().message,
              AllOf(HasSubstr("a.png"), HasSubstr("row 1, column 2"), HasSubstr("without transparency")));
}

TEST(Png, ATransparentColourIsRefusedWhereAPixelHasIt) {
  PngMaker png = make(PngMaker::grey, 8, false, 1, 3);
  png.samples = {7, 8, 9};
  png.chunks = {{"tRNS", std::string("\0\6", 2)}};
  EXPECT_THAT(decode_png(png.bytes(), "x", {1, 1, 3})->pixels, ElementsAre(7, 8, 9));
  png.chunks = {{"tRNS", std::string("\0\x08", 2)}};
  EXPECT_THAT(decode_png(png.bytes(), "x", {1, 1, 3}).error().message, HasSubstr("column 1"));
  png.kind = PngMaker::palette;
  png.samples = {0, 1, 1};
  png.chunks = {{"PLTE", "abcdefghi"}, {"tRNS", std::string("\xff\xff\0", 3)}};
  EXPECT_TRUE(decode_png(png.bytes(), "x", {3, 1, 3}).ok()) << "the transparent entry is not used";
  png.chunks[1].second = std::string("\xff\x7f", 2);
  EXPECT_THAT(decode_png(png.bytes(), "x", {3, 1, 3}).error().message, HasSubstr("column 1"));
}

TEST(Png, ATransparencyThatIsDamagedIsNotPassedOver) {
  PngMaker png = make(PngMaker::grey, 8, false, 1, 3);
  png.chunks = {{"tRNS", "four"}};
  EXPECT_FALSE(decode_png(png.bytes(), "x", {1, 1, 3}).ok());
  png.chunks = {{"tRNS", std::string("\0\6", 2)}};
  base::Bytes bytes = png.bytes();
  bytes[33 + 8] ^= std::byte{1};  // its content, under its checksum
  EXPECT_FALSE(decode_png(bytes, "x", {1, 1, 3}).ok());
}

TEST(Png, ANetworkOnAVectorTakesPicturesOfAsManyPixels) {
  const PngMaker png = make(PngMaker::grey, 8, false, 4, 6);
  const auto image = decode_png(png.bytes(), "x", {1, 1, 24});
  ASSERT_TRUE(image.ok()) << image.error().message;
  EXPECT_EQ(image->shape(), (ImageShape{1, 1, 24}));
  EXPECT_THAT(decode_png(png.bytes(), "x", {1, 1, 25}).error().message,
              AllOf(HasSubstr("4x6"), HasSubstr("25 pixels")));
}

TEST(Png, NetworksOfOtherThanOneOrThreeChannelsAreToldOfArrays) {
  const PngMaker png = make(PngMaker::colour, 8, false, 4, 6);
  for (const std::size_t channels : {2U, 4U}) {
    EXPECT_THAT(decode_png(png.bytes(), "x", {channels, 4, 6}).error().message,
                AllOf(HasSubstr(fmt::format("takes {}", channels)), HasSubstr(".npy")));
  }
}

/// Files that other programs wrote, where there are any.
class WildPng : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* shared = std::getenv("OBSCURA_SHARED");
    folder_ = std::filesystem::path(shared != nullptr ? shared : OBSCURA_SOURCE_DIR "/../shared/data") / "wild/png";
    if (!std::filesystem::exists(folder_)) GTEST_SKIP() << folder_ << " is absent: set OBSCURA_SHARED";
  }
  std::vector<float> floats(const std::string& name, const ImageShape& wanted) const {
    const auto image = read_png(folder_ / name, wanted);
    EXPECT_TRUE(image.ok()) << image.error().message;
    return image.ok() ? image->floats() : std::vector<float>();
  }
  static double distance(const std::vector<float>& a, const std::vector<float>& b) {
    double most = a.size() == b.size() && !a.empty() ? 0 : 1;
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) most = std::max<double>(most, std::abs(a[i] - b[i]));
    return most;
  }
  std::filesystem::path folder_;
};

TEST_F(WildPng, EightAndSixteenBitsAreTheSamePicture) {
  constexpr double kStep = 1.0 / 255;
  EXPECT_LT(distance(floats("grey8.png", {1, 28, 28}), floats("grey16.png", {1, 28, 28})), kStep);
  EXPECT_LT(distance(floats("e_rgb8.png", {3, 32, 32}), floats("e_rgb16.png", {3, 32, 32})), kStep);
  EXPECT_LT(distance(floats("a19_8.png", {1, 28, 28}), floats("a19_16.png", {1, 28, 28})), kStep);
  EXPECT_EQ(distance(floats("a19_8.png", {1, 28, 28}), floats("a19_g1.png", {1, 28, 28})), 0);
}

TEST_F(WildPng, TransparentPicturesAreRefused) {
  EXPECT_THAT(read_png(folder_ / "e_rgba0.png", {3, 32, 32}).error().message, HasSubstr("not opaque"));
  EXPECT_THAT(read_png(folder_ / "rgba_black_on_transparent.png", {1, 28, 28}).error().message,
              HasSubstr("not opaque"));
}

}  // namespace
}  // namespace obscura::data
