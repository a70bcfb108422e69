// SPDX-License-Identifier: Apache-2.0
#include "data/plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "data/canvas.h"

namespace obscura::data {
namespace {

constexpr double kWidth = 1280;
constexpr double kPanelHeight = 440;
constexpr double kLeft = 130;
constexpr double kRight = 34;
constexpr double kBottom = 66;
constexpr double kTop = 44;  ///< and a row of the legend for each of its lines
constexpr double kLegendRow = 24;
constexpr std::size_t kMaxPanels = 16;

constexpr Colour kPaper{255, 255, 255};
constexpr Colour kInk{45, 48, 54};
constexpr Colour kFaint{224, 227, 232};
constexpr Colour kZero{160, 165, 174};
/// Okabe and Ito's colours, told apart by most colour-blind readers.
constexpr std::array<Colour, 7> kColours = {
    {{0, 114, 178}, {213, 94, 0}, {0, 158, 115}, {204, 121, 167}, {230, 159, 0}, {86, 180, 233}, {90, 90, 90}}};

/// One axis: numbers to positions.
struct Scale {
  bool logarithmic = false;
  double low = 0, high = 1;   ///< in the axis' own unit: logarithms where logarithmic
  double from = 0, to = 1;    ///< points of the picture
  std::vector<double> ticks;  ///< in the axis' own unit
  std::vector<std::string> labels;

  double unit(double value) const { return logarithmic ? std::log10(value) : value; }
  bool shows(double value) const { return std::isfinite(value) && (!logarithmic || value > 0); }
  double at_unit(double u) const { return from + (to - from) * (u - low) / (high - low); }
  double at(double value) const { return at_unit(unit(value)); }
};

/// 1, 2 or 5 times a power of ten, so that about `count` steps fill the width.
double nice_step(double width, int count) {
  const double raw = width / count;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  const double lead = raw / power;
  return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

std::string label_of(double value, double step) {
  if (std::abs(value) < step * 1e-6) return "0";
  const double size = std::abs(value);
  if (size >= 1e5 || step < 1e-4) return fmt::format("{:.3g}", value);
  const int digits = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  return fmt::format("{:.{}f}", value, digits);
}

void add_ticks(Scale& scale, int count) {
  const double width = scale.high - scale.low;
  const double step = scale.logarithmic ? std::max(1.0, nice_step(width, count)) : nice_step(width, count);
  const bool whole_decades = !scale.logarithmic || width >= 1.2;
  if (!whole_decades) {  // less than a decade and a bit: ordinary numbers, unequally spaced
    const double low = std::pow(10, scale.low);
    const double high = std::pow(10, scale.high);
    const double plain = nice_step(high - low, count);
    for (double v = std::ceil(low / plain) * plain; v <= high * (1 + 1e-12); v += plain) {
      scale.ticks.push_back(std::log10(v));
      scale.labels.push_back(label_of(v, plain));
    }
    return;
  }
  const double first = std::ceil(scale.low / step - 1e-9) * step;
  for (int i = 0; first + i * step <= scale.high + 1e-9 * width; ++i) {
    const double tick = first + i * step;
    scale.ticks.push_back(tick);
    scale.labels.push_back(scale.logarithmic ? fmt::format("1e{:.0f}", tick) : label_of(tick, step));
  }
}

/// The scale of an axis, from its range or from the numbers on it.
Scale make_scale(bool logarithmic, const std::optional<std::pair<double, double>>& range,
                 const std::vector<double>& numbers, double padding) {
  Scale scale;
  scale.logarithmic = logarithmic;
  if (range) {
    OBSCURA_CHECK(range->first < range->second && std::isfinite(range->second - range->first) &&
                      (!logarithmic || range->first > 0),
                  "draw_plot: an axis from {} to {}", range->first, range->second);
    scale.low = scale.unit(range->first);
    scale.high = scale.unit(range->second);
    return scale;
  }
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const double number : numbers) {
    if (!scale.shows(number)) continue;
    low = std::min(low, scale.unit(number));
    high = std::max(high, scale.unit(number));
  }
  if (low > high) low = 0, high = 1;
  if (low == high) low -= 0.5 + std::abs(low) / 10, high += 0.5 + std::abs(high) / 10;
  scale.low = low - padding * (high - low);
  scale.high = high + padding * (high - low);
  return scale;
}

/// Where the items of the legend stand: (series, x, row).
struct LegendItem {
  std::size_t series;
  double x;
  int row;
};

std::vector<LegendItem> lay_legend(const Panel& panel) {
  std::vector<LegendItem> items;
  double x = kLeft;
  int row = 0;
  for (std::size_t i = 0; i < panel.series.size(); ++i) {
    if (panel.series[i].name.empty()) continue;
    const double width = 52 + Canvas::width_of(panel.series[i].name);
    if (x > kLeft && x + width > kWidth - kRight) {
      x = kLeft;
      ++row;
    }
    items.push_back({i, x, row});
    x += width + 16;
  }
  return items;
}

void draw_frame(Canvas& canvas, const Axes& axes, const Box& box, const Scale& x, const Scale& y) {
  for (std::size_t i = 0; i < x.ticks.size(); ++i) {
    const double at = x.at_unit(x.ticks[i]);
    canvas.line(at, box.top, at, box.bottom, 1, kFaint);
    canvas.text(at - Canvas::width_of(x.labels[i]) / 2, box.bottom + 8, x.labels[i], kInk);
  }
  for (std::size_t i = 0; i < y.ticks.size(); ++i) {
    const double at = y.at_unit(y.ticks[i]);
    canvas.line(box.left, at, box.right, at, 1, kFaint);
    canvas.text(box.left - 10 - Canvas::width_of(y.labels[i]), at - 7, y.labels[i], kInk);
  }
  const auto zero = [&](const Scale& scale) { return !scale.logarithmic && scale.low < 0 && scale.high > 0; };
  if (zero(y)) canvas.line(box.left, y.at(0), box.right, y.at(0), 1.4, kZero);
  if (zero(x)) canvas.line(x.at(0), box.top, x.at(0), box.bottom, 1.4, kZero);
  canvas.line(box.left, box.bottom, box.right, box.bottom, 1.6, kInk);
  canvas.line(box.left, box.top, box.left, box.bottom, 1.6, kInk);
  canvas.text((box.left + box.right - Canvas::width_of(axes.x_label)) / 2, box.bottom + 36, axes.x_label, kInk);
  canvas.text(14, (box.top + box.bottom + Canvas::width_of(axes.y_label)) / 2, axes.y_label, kInk, true);
}

/// Consecutive points joined; dashed: strokes of 10 with gaps of 7 along the way.
void draw_line(Canvas& canvas, const Series& series, const Scale& x, const Scale& y, Colour colour) {
  constexpr double kStroke = 10;
  constexpr double kPeriod = 17;
  constexpr double kFar = 1e5;  // positions beyond are cut, so that lines stay in what is drawn
  double travelled = 0;
  for (std::size_t i = 1; i < series.x.size(); ++i) {
    const bool shown =
        x.shows(series.x[i - 1]) && x.shows(series.x[i]) && y.shows(series.y[i - 1]) && y.shows(series.y[i]);
    if (!shown) continue;
    const double x0 = std::clamp(x.at(series.x[i - 1]), -kFar, kFar), x1 = std::clamp(x.at(series.x[i]), -kFar, kFar);
    const double y0 = std::clamp(y.at(series.y[i - 1]), -kFar, kFar), y1 = std::clamp(y.at(series.y[i]), -kFar, kFar);
    if (series.style != Series::Style::dashed) {
      canvas.line(x0, y0, x1, y1, 2.4, colour);
      continue;
    }
    const double length = std::hypot(x1 - x0, y1 - y0);
    double done = 0;
    while (done < length) {
      const double phase = std::fmod(travelled, kPeriod);
      const bool stroke = phase < kStroke;
      const double piece = std::min(length - done, (stroke ? kStroke : kPeriod) - phase + 1e-9);
      const double a = done / length, b = (done + piece) / length;
      if (stroke)
        canvas.line(x0 + a * (x1 - x0), y0 + a * (y1 - y0), x0 + b * (x1 - x0), y0 + b * (y1 - y0), 2.2, colour);
      done += piece;
      travelled += piece;
    }
  }
}

/// Where a name stands beside its point, 14 points high: to the right, or to the left where there is no room, and as
/// many rows up or down as keep it within the frame and off the names that have been written.
Box place_name(double px, double py, double width, const Box& box, const std::vector<Box>& taken) {
  constexpr double kHeight = 14;
  constexpr int kRows = 12;
  const double left = px + 8 + width < box.right ? px + 8 : px - 8 - width;
  const auto at = [&](double wanted) {
    const double top = std::clamp(wanted, box.top, box.bottom - kHeight);
    return Box{left, top, left + width, top + kHeight};
  };
  for (int row = 0; row < kRows; ++row) {
    for (const double top : {py - 16 - kHeight * row, py + 2 + kHeight * row}) {
      const Box name = at(top);
      const bool free = std::none_of(taken.begin(), taken.end(), [&](const Box& other) {
        return name.left < other.right && other.left < name.right && name.top < other.bottom && other.top < name.bottom;
      });
      if (free) return name;
    }
  }
  return at(py - 16);  // more names than room
}

void draw_points(Canvas& canvas, const Series& series, const Box& box, const Scale& x, const Scale& y, Colour colour) {
  std::vector<Box> taken;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (!x.shows(series.x[i]) || !y.shows(series.y[i])) continue;
    const double px = x.at(series.x[i]);
    const double py = y.at(series.y[i]);
    if (px < box.left || px > box.right || py < box.top || py > box.bottom) continue;
    canvas.disc(px, py, 4.5, colour);
    if (series.labels.empty()) continue;
    const double width = Canvas::width_of(series.labels[i]);
    if (series.labels_below) {
      canvas.text(std::clamp(px - width / 2, box.left, box.right - width), py + 8, series.labels[i], kInk);
      continue;
    }
    const Box name = place_name(px, py, width, box, taken);
    taken.push_back(name);
    if (name.bottom < py - 16 || name.top > py + 16) {  // further off: a line shows whose it is
      canvas.line(px, py, name.left < px ? name.right : name.left, (name.top + name.bottom) / 2, 1, colour);
    }
    canvas.text(name.left, name.top, series.labels[i], kInk);
  }
}

/// Least distance of two different numbers; 0 where there are no two.
double least_distance(std::vector<double> numbers) {
  std::erase_if(numbers, [](double number) { return !std::isfinite(number); });
  std::sort(numbers.begin(), numbers.end());
  double least = 0;
  for (std::size_t i = 1; i < numbers.size(); ++i) {
    const double distance = numbers[i] - numbers[i - 1];
    if (distance > 0 && (least == 0 || distance < least)) least = distance;
  }
  return least;
}

void draw_bars(Canvas& canvas, const Series& series, const Box& box, const Scale& x, const Scale& y, Colour colour) {
  std::vector<double> positions;
  for (const double value : series.x) {
    if (x.shows(value)) positions.push_back(x.at(value));
  }
  const double distance = least_distance(std::move(positions));
  const double least = distance > 0 ? distance : (box.right - box.left) / 4;
  const double half = std::max(0.5, 0.42 * least);
  const double foot = y.logarithmic ? box.bottom : std::clamp(y.at(0), box.top, box.bottom);
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (!x.shows(series.x[i]) || !y.shows(series.y[i])) continue;
    const double px = x.at(series.x[i]);
    const double py = y.at(series.y[i]);
    canvas.fill({px - half, std::min(py, foot), px + half, std::max(py, foot)}, colour, 0.75);
  }
}

void draw_legend(Canvas& canvas, const Panel& panel, const std::vector<LegendItem>& items, double top) {
  for (const LegendItem& item : items) {
    const Series& series = panel.series[item.series];
    const Colour colour = kColours[item.series % kColours.size()];
    const double y = top + item.row * kLegendRow + 8;
    switch (series.style) {
      case Series::Style::line:
        canvas.line(item.x, y, item.x + 36, y, 2.6, colour);
        break;
      case Series::Style::dashed:
        for (const double at : {0.0, 14.0, 28.0}) canvas.line(item.x + at, y, item.x + at + 8, y, 2.6, colour);
        break;
      case Series::Style::marked:
        canvas.line(item.x, y, item.x + 36, y, 2.6, colour);
        [[fallthrough]];
      case Series::Style::points:
        canvas.disc(item.x + 18, y, 4.5, colour);
        break;
      case Series::Style::bars:
        canvas.fill({item.x + 10, y - 7, item.x + 26, y + 7}, colour, 0.75);
        break;
    }
    canvas.text(item.x + 46, y - 7, series.name, kInk);
  }
}

void draw_panel(Canvas& canvas, const Panel& panel, double top) {
  const std::vector<LegendItem> legend = lay_legend(panel);
  const double rows = legend.empty() ? 0 : legend.back().row + 1;
  const Box box{kLeft, top + kTop + kLegendRow * rows, kWidth - kRight, top + kPanelHeight - kBottom};
  std::vector<double> all_x;
  std::vector<double> all_y;
  bool bars = false;
  for (const Series& series : panel.series) {
    all_x.insert(all_x.end(), series.x.begin(), series.x.end());
    all_y.insert(all_y.end(), series.y.begin(), series.y.end());
    if (series.style != Series::Style::bars || series.x.empty()) continue;
    bars = true;
    if (panel.axes.log_x) continue;
    const double half = least_distance(series.x) / 2;  // so that the outer bars are whole
    all_x.push_back(*std::min_element(series.x.begin(), series.x.end()) - half);
    all_x.push_back(*std::max_element(series.x.begin(), series.x.end()) + half);
  }
  if (bars && !panel.axes.log_y) all_y.push_back(0);
  Scale x = make_scale(panel.axes.log_x, panel.axes.x_range, all_x, 0.02);
  Scale y = make_scale(panel.axes.log_y, panel.axes.y_range, all_y, 0.05);
  x.from = box.left, x.to = box.right;
  y.from = box.bottom, y.to = box.top;
  add_ticks(x, 9);
  add_ticks(y, 6);
  canvas.text((kWidth - Canvas::width_of(panel.axes.title)) / 2, top + 16, panel.axes.title, kInk);
  draw_legend(canvas, panel, legend, top + kTop);
  draw_frame(canvas, panel.axes, box, x, y);
  canvas.clip(box);
  for (std::size_t i = 0; i < panel.series.size(); ++i) {
    const Series& series = panel.series[i];
    const Colour colour = kColours[i % kColours.size()];
    const bool marked = series.style == Series::Style::marked;
    if (series.style == Series::Style::bars) draw_bars(canvas, series, box, x, y, colour);
    if (marked || series.style == Series::Style::line || series.style == Series::Style::dashed) {
      draw_line(canvas, series, x, y, colour);
    }
    if (marked || series.style == Series::Style::points) draw_points(canvas, series, box, x, y, colour);
  }
  canvas.unclip();
}

}  // namespace

base::Bytes draw_plot(std::span<const Panel> panels) {
  OBSCURA_CHECK(!panels.empty() && panels.size() <= kMaxPanels, "draw_plot: {} panels; 1 to {}", panels.size(),
                kMaxPanels);
  for (const Panel& panel : panels) {
    for (const Series& series : panel.series) {
      OBSCURA_CHECK(
          series.x.size() == series.y.size() && (series.labels.empty() || series.labels.size() == series.x.size()),
          "draw_plot: series '{}' has {} x, {} y, {} labels", series.name, series.x.size(), series.y.size(),
          series.labels.size());
    }
  }
  Canvas canvas(static_cast<std::size_t>(kPanelHeight) * panels.size(), static_cast<std::size_t>(kWidth), kPaper);
  for (std::size_t i = 0; i < panels.size(); ++i) draw_panel(canvas, panels[i], kPanelHeight * static_cast<double>(i));
  return canvas.png();
}

}  // namespace obscura::data
