// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "data/grid.h"
#include "data/png.h"
#include "data/resize.h"
#include "tests/data/scratch.h"

namespace obscura::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Picture : public Scratch {};

std::vector<std::uint8_t> ramp(std::size_t size) {
  std::vector<std::uint8_t> out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i * 7 % 256);
  return out;
}

TEST_F(Picture, ComesBackAsWritten) {
  for (const std::size_t channels : {1U, 3U}) {
    const auto pixels = ramp(channels * 5 * 9);
    const auto back = decode_png(encode_png(pixels, channels, 5, 9), "x", {channels, 5, 9});
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_EQ(back->pixels, pixels);
    EXPECT_EQ(back->count(), 1U);
  }
}

TEST_F(Picture, RepeatsGreyWhereColourIsWanted) {
  const std::vector<std::uint8_t> grey = {10, 200};
  const auto back = decode_png(encode_png(grey, 1, 1, 2), "x", {3, 1, 2});
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_THAT(back->pixels, ElementsAre(10, 200, 10, 200, 10, 200));
}

TEST_F(Picture, WeighsColoursToGrey) {
  // Planes red, green, blue of two pixels: pure green, and (255, 0, 100).
  const std::vector<std::uint8_t> colour = {0, 255, 255, 0, 0, 100};
  const auto back = decode_png(encode_png(colour, 3, 1, 2), "x", {1, 1, 2});
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_THAT(back->pixels, ElementsAre(150, 88));  // .587 * 255; .299 * 255 + .114 * 100
}

TEST_F(Picture, RefusesAnotherSizeNamingBoth) {
  const auto message = decode_png(encode_png(ramp(20), 1, 4, 5), "a.png", {1, 28, 28}).error().message;
  EXPECT_THAT(message, HasSubstr("a.png"));
  EXPECT_THAT(message, HasSubstr("4x5"));
  EXPECT_THAT(message, HasSubstr("28x28"));
}

TEST_F(Picture, NamesTheWayOutOfARefusal) {
  const Fitting fitting{.recolour = false, .resize_option = "--resize", .recolour_option = "--recolour"};
  const base::Bytes grey = encode_png(ramp(20), 1, 4, 5), colour = encode_png(ramp(60), 3, 4, 5);
  EXPECT_THAT(decode_png(grey, "a.png", {1, 28, 28}, fitting).error().message, HasSubstr("; --resize resizes it"));
  EXPECT_THAT(decode_png(colour, "a.png", {1, 4, 5}, fitting).error().message,
              HasSubstr("a picture in colour, but the network takes grey; --recolour converts it"));
  EXPECT_THAT(decode_png(grey, "a.png", {3, 4, 5}, fitting).error().message,
              HasSubstr("a picture in grey, but the network takes colour; --recolour"));
  EXPECT_THAT(decode_png(grey, "a.png", {1, 1, 784}, {.resize = true}).error().message, HasSubstr("resize it before"));
  EXPECT_EQ(decode_png(grey, "a.png", {1, 4, 5}, fitting)->changed, "");
}

TEST_F(Picture, SaysWhatWasDoneToIt) {
  const base::Bytes colour = encode_png(ramp(60), 3, 4, 5);
  const auto small = decode_png(colour, "a.png", {1, 2, 3}, {.resize = true});
  ASSERT_TRUE(small.ok()) << small.error().message;
  EXPECT_EQ(small->shape(), (ImageShape{1, 2, 3}));
  EXPECT_EQ(small->changed, "resized from 4x5 to 2x3, converted from colour to grey");
  EXPECT_EQ(decode_png(encode_png(ramp(20), 1, 4, 5), "a.png", {1, 5, 4}, {.resize = true})->changed,
            "resized from 4x5 to 5x4");
}

TEST_F(Picture, IsResizedByMeansOfWhatLiesAround) {
  const auto one_row = [](std::vector<std::uint16_t> samples, std::size_t to) {
    return resize({1, samples.size(), 1, 255, samples}, 1, to).samples;
  };
  EXPECT_THAT(one_row({10, 200, 30}, 3), ElementsAre(10, 200, 30)) << "the same size: the same picture";
  // By hand: places 0.25, 0.75, 1.25, 1.75 of two samples at 0.5 and 1.5; the outer ones reach only one.
  EXPECT_THAT(one_row({0, 100}, 4), ElementsAre(0, 25, 75, 100));
  // Place 1 of four samples at 0.5 to 3.5, weights 3/4, 3/4, 1/4 within a reach of 2; and place 3.
  EXPECT_THAT(one_row({0, 0, 70, 140}, 2), ElementsAre(10, 90));
  EXPECT_THAT(one_row(std::vector<std::uint16_t>(97, 131), 28), ::testing::Each(131)) << "what is even stays so";
  // Both axes, colour by colour: red rows, green columns, blue even.
  const auto small = resize({2, 2, 3, 65535, {0, 0, 9, 0, 1000, 9, 500, 0, 9, 500, 1000, 9}}, 1, 1);
  EXPECT_THAT(small.samples, ElementsAre(250, 500, 9));
  EXPECT_EQ(small.largest, 65535);
}

TEST_F(Picture, RefusesEveryTruncation) {
  const base::Bytes whole = encode_png(ramp(28 * 28), 1, 28, 28);
  // The last 12 bytes are the end marker, which carries no pixels.
  for (std::size_t size = 0; size + 12 < whole.size(); ++size) {
    EXPECT_FALSE(decode_png(base::ByteView(whole).first(size), "x", {1, 28, 28}).ok()) << size;
  }
}

TEST_F(Picture, SurvivesEveryFlippedBit) {
  const auto pixels = ramp(8 * 8);
  const base::Bytes whole = encode_png(pixels, 1, 8, 8);
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    base::Bytes flipped = whole;
    flipped[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    const auto back = decode_png(flipped, "x", {1, 8, 8});
    if (!back.ok()) continue;
    EXPECT_EQ(back->count(), 1U);
  }
}

TEST_F(Picture, RefusesWhatIsNoPng) {
  EXPECT_THAT(decode_png(base::Bytes(100), "x", {1, 28, 28}).error().message, HasSubstr("not a PNG"));
  EXPECT_FALSE(read_png(folder_ / "nowhere.png", {1, 28, 28}).ok());
}

Dataset two_digits() {
  Dataset set;
  set.height = set.width = 28;
  set.pixels.assign(2 * 784, 0);
  set.labels = {7, 3};
  return set;
}

std::size_t count_red(const base::Bytes& png, std::size_t height, std::size_t width) {
  const auto picture = decode_png(png, "grid", {3, height, width});
  EXPECT_TRUE(picture.ok()) << picture.error().message;
  const std::size_t area = height * width;
  std::size_t red = 0;
  for (std::size_t i = 0; i < area; ++i) {
    red += picture->pixels[i] > 150 && picture->pixels[area + i] < 100 && picture->pixels[2 * area + i] < 100 ? 1 : 0;
  }
  return red;
}

TEST_F(Picture, FramesOnlyMistakesInRed) {
  // Each cell is 56 + 2*2 + 4 wide and 14 more high; 4 more close the grid.
  constexpr std::size_t kHeight = 82;
  constexpr std::size_t kWidth = 132;
  const std::vector<std::uint32_t> right = {7, 3};
  const std::vector<std::uint32_t> one_wrong = {7, 8};
  EXPECT_EQ(count_red(draw_grid(two_digits(), right, 2), kHeight, kWidth), 0U);
  EXPECT_GE(count_red(draw_grid(two_digits(), one_wrong, 2), kHeight, kWidth), 60U * 60U - 56U * 56U);
}

TEST_F(Picture, DrawsWithoutLabels) {
  Dataset set = two_digits();
  set.labels.clear();
  const std::vector<std::uint32_t> any = {1, 2};
  EXPECT_EQ(count_red(draw_grid(set, any, 1), 2 * 78 + 4, 68), 0U);
}

TEST_F(Picture, GridWantsOnePredictionAnImage) {
  const std::vector<std::uint32_t> one = {1};
  EXPECT_THROW(draw_grid(two_digits(), one, 2), ContractError);
}

}  // namespace
}  // namespace obscura::data
