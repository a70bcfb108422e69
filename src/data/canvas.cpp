// SPDX-License-Identifier: Apache-2.0
#include "data/canvas.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "data/png.h"

namespace obscura::data {
namespace {

/// Letters of 5 x 8 points from the space to '~', one byte a column, the top point in bit 0.
constexpr std::size_t kColumns = 5;
constexpr std::size_t kRows = 8;
constexpr std::array<std::array<std::uint8_t, kColumns>, 95> kFont = {{
    {0x00, 0x00, 0x00, 0x00, 0x00}, {0x00, 0x00, 0x5F, 0x00, 0x00}, {0x00, 0x07, 0x00, 0x07, 0x00},
    {0x14, 0x7F, 0x14, 0x7F, 0x14}, {0x24, 0x2A, 0x7F, 0x2A, 0x12}, {0x23, 0x13, 0x08, 0x64, 0x62},
    {0x36, 0x49, 0x55, 0x22, 0x50}, {0x00, 0x00, 0x07, 0x00, 0x00}, {0x00, 0x1C, 0x22, 0x41, 0x00},
    {0x00, 0x41, 0x22, 0x1C, 0x00}, {0x14, 0x08, 0x3E, 0x08, 0x14}, {0x08, 0x08, 0x3E, 0x08, 0x08},
    {0x00, 0x80, 0x60, 0x00, 0x00}, {0x08, 0x08, 0x08, 0x08, 0x08}, {0x00, 0x60, 0x60, 0x00, 0x00},
    {0x20, 0x10, 0x08, 0x04, 0x02}, {0x3E, 0x41, 0x41, 0x41, 0x3E}, {0x00, 0x42, 0x7F, 0x40, 0x00},
    {0x42, 0x61, 0x51, 0x49, 0x46}, {0x22, 0x41, 0x49, 0x49, 0x36}, {0x18, 0x14, 0x12, 0x7F, 0x10},
    {0x27, 0x45, 0x45, 0x45, 0x39}, {0x3C, 0x4A, 0x49, 0x49, 0x30}, {0x01, 0x71, 0x09, 0x05, 0x03},
    {0x36, 0x49, 0x49, 0x49, 0x36}, {0x06, 0x49, 0x49, 0x29, 0x1E}, {0x00, 0x36, 0x36, 0x00, 0x00},
    {0x00, 0x80, 0x76, 0x00, 0x00}, {0x08, 0x14, 0x22, 0x41, 0x00}, {0x14, 0x14, 0x14, 0x14, 0x14},
    {0x00, 0x41, 0x22, 0x14, 0x08}, {0x02, 0x01, 0x59, 0x09, 0x06}, {0x3E, 0x41, 0x5D, 0x59, 0x4E},
    {0x7C, 0x12, 0x11, 0x12, 0x7C}, {0x7F, 0x49, 0x49, 0x49, 0x36}, {0x3E, 0x41, 0x41, 0x41, 0x22},
    {0x7F, 0x41, 0x41, 0x41, 0x3E}, {0x7F, 0x49, 0x49, 0x49, 0x41}, {0x7F, 0x09, 0x09, 0x09, 0x01},
    {0x3E, 0x41, 0x49, 0x49, 0x7A}, {0x7F, 0x08, 0x08, 0x08, 0x7F}, {0x00, 0x41, 0x7F, 0x41, 0x00},
    {0x20, 0x40, 0x41, 0x3F, 0x01}, {0x7F, 0x08, 0x14, 0x22, 0x41}, {0x7F, 0x40, 0x40, 0x40, 0x40},
    {0x7F, 0x02, 0x0C, 0x02, 0x7F}, {0x7F, 0x04, 0x08, 0x10, 0x7F}, {0x3E, 0x41, 0x41, 0x41, 0x3E},
    {0x7F, 0x09, 0x09, 0x09, 0x06}, {0x3E, 0x41, 0x51, 0x21, 0x5E}, {0x7F, 0x09, 0x19, 0x29, 0x46},
    {0x26, 0x49, 0x49, 0x49, 0x32}, {0x01, 0x01, 0x7F, 0x01, 0x01}, {0x3F, 0x40, 0x40, 0x40, 0x3F},
    {0x1F, 0x20, 0x40, 0x20, 0x1F}, {0x3F, 0x40, 0x38, 0x40, 0x3F}, {0x63, 0x14, 0x08, 0x14, 0x63},
    {0x07, 0x08, 0x70, 0x08, 0x07}, {0x61, 0x51, 0x49, 0x45, 0x43}, {0x00, 0x7F, 0x41, 0x41, 0x00},
    {0x02, 0x04, 0x08, 0x10, 0x20}, {0x00, 0x41, 0x41, 0x7F, 0x00}, {0x04, 0x02, 0x01, 0x02, 0x04},
    {0x40, 0x40, 0x40, 0x40, 0x40}, {0x00, 0x01, 0x02, 0x04, 0x00}, {0x20, 0x54, 0x54, 0x54, 0x78},
    {0x7F, 0x48, 0x44, 0x44, 0x38}, {0x38, 0x44, 0x44, 0x44, 0x28}, {0x38, 0x44, 0x44, 0x48, 0x7F},
    {0x38, 0x54, 0x54, 0x54, 0x18}, {0x08, 0x7E, 0x09, 0x01, 0x02}, {0x18, 0xA4, 0xA4, 0xA4, 0x7C},
    {0x7F, 0x08, 0x04, 0x04, 0x78}, {0x00, 0x44, 0x7D, 0x40, 0x00}, {0x40, 0x80, 0x84, 0x7D, 0x00},
    {0x7F, 0x10, 0x28, 0x44, 0x00}, {0x00, 0x41, 0x7F, 0x40, 0x00}, {0x7C, 0x04, 0x18, 0x04, 0x78},
    {0x7C, 0x08, 0x04, 0x04, 0x78}, {0x38, 0x44, 0x44, 0x44, 0x38}, {0xFC, 0x24, 0x24, 0x24, 0x18},
    {0x18, 0x24, 0x24, 0x24, 0xFC}, {0x7C, 0x08, 0x04, 0x04, 0x08}, {0x48, 0x54, 0x54, 0x54, 0x24},
    {0x04, 0x3F, 0x44, 0x40, 0x20}, {0x3C, 0x40, 0x40, 0x20, 0x7C}, {0x1C, 0x20, 0x40, 0x20, 0x1C},
    {0x3C, 0x40, 0x30, 0x40, 0x3C}, {0x44, 0x28, 0x10, 0x28, 0x44}, {0x1C, 0xA0, 0xA0, 0xA0, 0x7C},
    {0x44, 0x64, 0x54, 0x4C, 0x44}, {0x00, 0x08, 0x36, 0x41, 0x00}, {0x00, 0x00, 0x7F, 0x00, 0x00},
    {0x00, 0x41, 0x36, 0x08, 0x00}, {0x08, 0x04, 0x08, 0x10, 0x08},
}};

/// Rows of points, 1 where there is ink.
struct Bitmap {
  std::size_t height, width;
  std::vector<std::uint8_t> ink;
  bool at(long y, long x) const {
    const bool inside = y >= 0 && x >= 0 && y < static_cast<long>(height) && x < static_cast<long>(width);
    return inside && ink[static_cast<std::size_t>(y) * width + static_cast<std::size_t>(x)] != 0;
  }
};

/// Twice as large, with corners rounded where two neighbours agree (the Scale2x rule).
Bitmap enlarge(const Bitmap& from) {
  Bitmap to{2 * from.height, 2 * from.width, std::vector<std::uint8_t>(4 * from.ink.size())};
  for (long y = 0; y < static_cast<long>(from.height); ++y) {
    for (long x = 0; x < static_cast<long>(from.width); ++x) {
      const bool up = from.at(y - 1, x), down = from.at(y + 1, x), left = from.at(y, x - 1), right = from.at(y, x + 1);
      const bool here = from.at(y, x);
      const bool turn = up != down && left != right;
      const auto set = [&](long dy, long dx, bool value) {
        to.ink[static_cast<std::size_t>(2 * y + dy) * to.width + static_cast<std::size_t>(2 * x + dx)] = value ? 1 : 0;
      };
      set(0, 0, turn && left == up ? left : here);
      set(0, 1, turn && up == right ? right : here);
      set(1, 0, turn && left == down ? left : here);
      set(1, 1, turn && down == right ? right : here);
    }
  }
  return to;
}

/// A letter at eight times the size of its points.
Bitmap letter(char c) {
  const auto index = c >= ' ' && c <= '~' ? static_cast<std::size_t>(c - ' ') : static_cast<std::size_t>('?' - ' ');
  Bitmap map{kRows, kColumns, std::vector<std::uint8_t>(kRows * kColumns)};
  for (std::size_t y = 0; y < kRows; ++y) {
    for (std::size_t x = 0; x < kColumns; ++x) map.ink[y * kColumns + x] = kFont[index][x] >> y & 1;
  }
  return enlarge(enlarge(enlarge(map)));
}

}  // namespace

Canvas::Canvas(std::size_t height, std::size_t width, Colour paper)
    : height_(height), width_(width), planes_(3 * height * width) {
  unclip();
  fill(clip_, paper);
}

void Canvas::unclip() { clip_ = {0, 0, static_cast<double>(width_), static_cast<double>(height_)}; }

void Canvas::blend(long y, long x, Colour colour, double opacity) {
  const double cx = static_cast<double>(x) + 0.5;
  const double cy = static_cast<double>(y) + 0.5;
  if (cx < clip_.left || cx > clip_.right || cy < clip_.top || cy > clip_.bottom) return;
  if (x < 0 || y < 0 || x >= static_cast<long>(width_) || y >= static_cast<long>(height_)) return;
  const std::size_t area = height_ * width_;
  const std::size_t at = static_cast<std::size_t>(y) * width_ + static_cast<std::size_t>(x);
  const auto mix = [&](std::size_t plane, std::uint8_t value) {
    std::uint8_t& old = planes_[plane * area + at];
    old = static_cast<std::uint8_t>(std::lround(old + opacity * (value - old)));
  };
  mix(0, colour.red);
  mix(1, colour.green);
  mix(2, colour.blue);
}

void Canvas::fill(const Box& box, Colour colour, double opacity) {
  const double left = std::max(box.left, clip_.left);
  const double right = std::min(box.right, clip_.right);
  const double top = std::max(box.top, clip_.top);
  const double bottom = std::min(box.bottom, clip_.bottom);
  if (!(left < right && top < bottom)) return;  // outside, where coordinates may be any
  for (int y = static_cast<int>(std::floor(top)); y < bottom; ++y) {
    const double tall = std::min<double>(bottom, y + 1) - std::max<double>(top, y);
    for (int x = static_cast<int>(std::floor(left)); x < right; ++x) {
      const double wide = std::min<double>(right, x + 1) - std::max<double>(left, x);
      blend(y, x, colour, opacity * std::clamp(tall, 0.0, 1.0) * std::clamp(wide, 0.0, 1.0));
    }
  }
}

void Canvas::line(double x0, double y0, double x1, double y1, double thickness, Colour colour) {
  const double reach = thickness / 2 + 1;
  // What lies far outside may have any coordinates; only the part near the clip is walked through.
  const double left = std::max(std::min(x0, x1) - reach, clip_.left - reach);
  const double right = std::min(std::max(x0, x1) + reach, clip_.right + reach);
  const double top = std::max(std::min(y0, y1) - reach, clip_.top - reach);
  const double bottom = std::min(std::max(y0, y1) + reach, clip_.bottom + reach);
  if (!(left < right && top < bottom)) return;
  const double dx = x1 - x0;
  const double dy = y1 - y0;
  const double square = dx * dx + dy * dy;
  for (int y = static_cast<int>(std::floor(top)); y <= bottom; ++y) {
    for (int x = static_cast<int>(std::floor(left)); x <= right; ++x) {
      const double px = static_cast<double>(x) + 0.5 - x0;
      const double py = static_cast<double>(y) + 0.5 - y0;
      const double along = square > 0 ? std::clamp((px * dx + py * dy) / square, 0.0, 1.0) : 0;
      const double distance = std::hypot(px - along * dx, py - along * dy);
      const double cover = std::clamp(thickness / 2 + 0.5 - distance, 0.0, 1.0);
      if (cover > 0) blend(y, x, colour, cover);
    }
  }
}

void Canvas::disc(double x, double y, double radius, Colour colour) { line(x, y, x, y, 2 * radius, colour); }

void Canvas::text(double x, double y, std::string_view text, Colour colour, bool upwards) {
  constexpr long kSamples = 4;  // of a side of a pixel: letters are 8 x 8 samples a point, and 2 pixels
  double pen = 0;
  for (const char c : text) {
    const Bitmap map = letter(c);
    for (long i = 0; i < static_cast<long>(map.height) / kSamples; ++i) {
      for (long j = 0; j < static_cast<long>(map.width) / kSamples; ++j) {
        int ink = 0;
        for (long k = 0; k < kSamples * kSamples; ++k) {
          ink += map.at(kSamples * i + k / kSamples, kSamples * j + k % kSamples) ? 1 : 0;
        }
        const double opacity = ink / static_cast<double>(kSamples * kSamples);
        const long across = std::lround(pen) + j;
        const long py = upwards ? std::lround(y) - across : std::lround(y) + i;
        const long px = upwards ? std::lround(x) + i : std::lround(x) + across;
        if (ink > 0) blend(py, px, colour, opacity);
      }
    }
    pen += kLetterWidth;
  }
}

base::Bytes Canvas::png() const { return encode_png(planes_, 3, height_, width_); }

}  // namespace obscura::data
