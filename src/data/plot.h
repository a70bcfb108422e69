// SPDX-License-Identifier: Apache-2.0
/// Plots as PNG: curves, points and bars on axes.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace obscura::data {

/// One set of numbers, y over x. Where x or y is not finite (or not positive on a logarithmic axis) a line is broken
/// and a point left out.
struct Series {
  enum class Style {
    line,
    dashed,
    points,
    marked,  ///< points on a line
    bars,    ///< from the axis to y, each as wide as the least distance of two x leaves room for
  };
  std::string name;  ///< in the legend; empty: not in it
  std::vector<double> x;
  std::vector<double> y;
  Style style = Style::line;
  std::vector<std::string> labels;  ///< of points and marked: beside them; empty, or one each
  bool labels_below = false;        ///< under the points, where another series has its own above
};

struct Axes {
  std::string title;
  std::string x_label;
  std::string y_label;
  bool log_x = false;
  bool log_y = false;
  std::optional<std::pair<double, double>> x_range;  ///< else what the series need
  std::optional<std::pair<double, double>> y_range;
};

struct Panel {
  Axes axes;
  std::vector<Series> series;
};

/// PNG bytes of panels, one below the other, 1280 points wide and 440 high each. Texts are ASCII; other bytes are drawn
/// as '?'.
/// errors  ContractError: no panels, or more than 16; a series whose x, y (and labels) differ in number; a range that
/// is
///         empty, or not positive on a logarithmic axis.
base::Bytes draw_plot(std::span<const Panel> panels);

}  // namespace obscura::data
