// SPDX-License-Identifier: Apache-2.0
#include "data/grid.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "data/png.h"

namespace obscura::data {
namespace {

struct Colour {
  std::uint8_t red, green, blue;
};
constexpr Colour kPaper{250, 250, 248};
constexpr Colour kInk{70, 74, 82};
constexpr Colour kRed{208, 42, 42};
constexpr Colour kGreen{38, 132, 72};

constexpr std::size_t kGap = 4;    ///< between a cell's border and its neighbour
constexpr std::size_t kFrame = 2;  ///< around a mistake
constexpr std::size_t kTextHeight = 14;

/// Glyphs of 5 x 7 points, one byte a row, the leftmost point in bit 4: the digits, then the slash.
constexpr std::array<std::array<std::uint8_t, 7>, 11> kDigits = {{
    {0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E},
    {0x04, 0x0C, 0x04, 0x04, 0x04, 0x04, 0x0E},
    {0x0E, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1F},
    {0x1F, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0E},
    {0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02},
    {0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E},
    {0x06, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E},
    {0x1F, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08},
    {0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E},
    {0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x0C},
    {0x00, 0x01, 0x02, 0x04, 0x08, 0x10, 0x00},
}};
constexpr std::size_t kGlyphWidth = 6;  ///< with the space after it

class Sheet {
 public:
  Sheet(std::size_t height, std::size_t width) : height_(height), width_(width), planes_(3 * height * width) {
    fill(0, 0, height, width, kPaper);
  }

  void point(std::size_t y, std::size_t x, Colour colour) {
    if (y >= height_ || x >= width_) return;
    const std::size_t area = height_ * width_;
    planes_[y * width_ + x] = colour.red;
    planes_[area + y * width_ + x] = colour.green;
    planes_[2 * area + y * width_ + x] = colour.blue;
  }

  void fill(std::size_t y, std::size_t x, std::size_t height, std::size_t width, Colour colour) {
    for (std::size_t i = 0; i < height; ++i) {
      for (std::size_t j = 0; j < width; ++j) point(y + i, x + j, colour);
    }
  }

  /// Digits and slashes, starting left of the middle so that they stand centred on `x`.
  void text(std::size_t y, std::size_t x, const std::string& characters, Colour colour) {
    const std::size_t half = characters.size() * kGlyphWidth / 2;
    std::size_t left = x > half ? x - half : 0;
    for (const char c : characters) {
      const auto& glyph = kDigits[c == '/' ? 10 : static_cast<std::size_t>(c - '0')];
      for (std::size_t i = 0; i < 7; ++i) {
        for (std::size_t j = 0; j < 5; ++j) {
          if ((glyph[i] >> (4 - j) & 1) != 0) point(y + i, left + j, colour);
        }
      }
      left += kGlyphWidth;
    }
  }

  base::Bytes png() const { return encode_png(planes_, 3, height_, width_); }

 private:
  std::size_t height_;
  std::size_t width_;
  std::vector<std::uint8_t> planes_;
};

/// Image `index` at (y, x), each pixel a square of `zoom` points.
void draw_image(Sheet& canvas, const Dataset& images, std::size_t index, std::size_t y, std::size_t x,
                std::size_t zoom) {
  const std::vector<float> values = images.floats(index, 1);
  const std::size_t area = images.height * images.width;
  for (std::size_t i = 0; i < images.height; ++i) {
    for (std::size_t j = 0; j < images.width; ++j) {
      const std::size_t at = i * images.width + j;
      const auto byte = [&](std::size_t e) { return static_cast<std::uint8_t>(std::lround(255 * values[e])); };
      const bool colours = images.channels == 3;
      const Colour colour{byte(at), byte(colours ? area + at : at), byte(colours ? 2 * area + at : at)};
      canvas.fill(y + i * zoom, x + j * zoom, zoom, zoom, colour);
    }
  }
}

}  // namespace

base::Bytes draw_grid(const Dataset& images, std::span<const std::uint32_t> predictions, std::size_t columns) {
  const std::size_t count = images.count();
  OBSCURA_CHECK(count >= 1 && count <= kMaxGridImages, "draw_grid: {} images; 1 to {}", count, kMaxGridImages);
  OBSCURA_CHECK(images.channels == 1 || images.channels == 3, "draw_grid: {} channels; 1 or 3", images.channels);
  OBSCURA_CHECK(predictions.size() == count, "draw_grid: {} predictions for {} images", predictions.size(), count);
  OBSCURA_CHECK(images.labels.empty() || images.labels.size() == count, "draw_grid: {} labels for {} images",
                images.labels.size(), count);
  OBSCURA_CHECK(columns >= 1, "draw_grid: no columns");
  columns = std::min(columns, count);
  const std::size_t zoom = std::max<std::size_t>(1, 56 / std::max(images.height, images.width));
  const std::size_t cell_width = images.width * zoom + 2 * kFrame + kGap;
  const std::size_t cell_height = images.height * zoom + 2 * kFrame + kGap + kTextHeight;
  const std::size_t rows = (count + columns - 1) / columns;
  Sheet canvas(rows * cell_height + kGap, columns * cell_width + kGap);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t y = kGap + i / columns * cell_height;
    const std::size_t x = kGap + i % columns * cell_width;
    const bool judged = !images.labels.empty();
    const bool wrong = judged && images.labels[i] != predictions[i];
    const std::size_t framed_height = images.height * zoom + 2 * kFrame;
    const std::size_t framed_width = images.width * zoom + 2 * kFrame;
    if (wrong) canvas.fill(y, x, framed_height, framed_width, kRed);
    draw_image(canvas, images, i, y + kFrame, x + kFrame, zoom);
    const std::string caption =
        wrong ? fmt::format("{}/{}", predictions[i], images.labels[i]) : fmt::format("{}", predictions[i]);
    canvas.text(y + framed_height + 3, x + framed_width / 2, caption, wrong ? kRed : judged ? kGreen : kInk);
  }
  return canvas.png();
}

}  // namespace obscura::data
