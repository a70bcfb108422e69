// SPDX-License-Identifier: Apache-2.0
/// A picture that lines, boxes and letters are drawn on, with smooth edges.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace obscura::data {

struct Colour {
  std::uint8_t red, green, blue;
};

struct Box {
  double left, top, right, bottom;
};

class Canvas {
 public:
  Canvas(std::size_t height, std::size_t width, Colour paper);

  /// What is drawn outside of the box is left out, from now on.
  void clip(const Box& box) { clip_ = box; }
  void unclip();

  void fill(const Box& box, Colour colour, double opacity = 1);
  /// A straight stroke of this thickness with round ends.
  void line(double x0, double y0, double x1, double y1, double thickness, Colour colour);
  void disc(double x, double y, double radius, Colour colour);

  static constexpr double kLetterWidth = 12;
  static constexpr double kLetterHeight = 16;
  static double width_of(std::string_view text) { return kLetterWidth * static_cast<double>(text.size()); }
  /// Text whose upper left corner is (x, y); upwards: turned by a quarter, with the corner at its lower left.
  void text(double x, double y, std::string_view text, Colour colour, bool upwards = false);

  base::Bytes png() const;

 private:
  void blend(long y, long x, Colour colour, double opacity);

  std::size_t height_;
  std::size_t width_;
  Box clip_{};
  std::vector<std::uint8_t> planes_;  ///< red, green, blue
};

}  // namespace obscura::data
