// SPDX-License-Identifier: Apache-2.0
#include "data/plot.h"

#include <gtest/gtest.h>

#include <cmath>

#include "data/png.h"

namespace obscura::data {
namespace {

constexpr std::size_t kPlotWidth = 1280;
constexpr std::size_t kPlotHeight = 440;

struct Rgb {
  int red, green, blue;
  bool operator==(const Rgb&) const = default;
};
constexpr Rgb kWhite{255, 255, 255};
constexpr Rgb kBlue{0, 114, 178};  ///< of the first series

struct Picture {
  Dataset pixels;
  Rgb at(std::size_t y, std::size_t x) const {
    const std::size_t area = pixels.height * pixels.width;
    const std::size_t i = y * pixels.width + x;
    return {pixels.pixels[i], pixels.pixels[area + i], pixels.pixels[2 * area + i]};
  }
  std::size_t count(Rgb colour) const {
    std::size_t n = 0;
    for (std::size_t y = 0; y < pixels.height; ++y) {
      for (std::size_t x = 0; x < pixels.width; ++x) n += at(y, x) == colour ? 1 : 0;
    }
    return n;
  }
};

Picture draw(const std::vector<Panel>& panels) {
  const base::Bytes png = draw_plot(panels);
  Result<Dataset> picture = decode_png(png, "plot", {3, kPlotHeight * panels.size(), kPlotWidth});
  EXPECT_TRUE(picture.ok()) << picture.error().message;
  return {std::move(picture).value()};
}

Panel panel_of(Series series) { return {{"title", "x", "y", false, false, {}, {}}, {std::move(series)}}; }

TEST(Plot, DrawsALineAsLongAsItIs) {
  // y from 0 to 1 over x from 0 to 1, on just these axes: across the whole frame, about 2 points thick.
  Panel panel = panel_of({"", {0, 1}, {0, 1}, Series::Style::line, {}});
  panel.axes.x_range = panel.axes.y_range = std::pair(0.0, 1.0);
  const std::size_t ink = draw({panel}).count(kBlue);
  EXPECT_GT(ink, 1100U);
  EXPECT_LT(ink, 4000U);
  panel.series[0].style = Series::Style::dashed;
  const std::size_t dashed = draw({panel}).count(kBlue);
  EXPECT_GT(dashed, ink / 3);
  EXPECT_LT(dashed, ink * 4 / 5);
}

TEST(Plot, PutsPointsWhereTheyBelong) {
  Panel panel = panel_of({"", {0.5}, {0.5}, Series::Style::points, {}});
  panel.axes.x_range = panel.axes.y_range = std::pair(0.0, 1.0);
  const Picture picture = draw({panel});
  // The middle of the frame: 130 to 1246 across, 44 to 374 down.
  EXPECT_EQ(picture.at(209, 688), kBlue);
  EXPECT_NEAR(static_cast<double>(picture.count(kBlue)), 3.1416 * 4.5 * 4.5, 25);
}

TEST(Plot, MarksPointsOnALine) {
  Panel panel = panel_of({"", {0, 0.5, 1}, {0.5, 0.5, 0.5}, Series::Style::marked, {}});
  panel.axes.x_range = panel.axes.y_range = std::pair(0.0, 1.0);
  const Picture picture = draw({panel});
  EXPECT_EQ(picture.at(209, 400), kBlue) << "the line";
  EXPECT_EQ(picture.at(212, 688), kBlue) << "the point, wider than the line";
  EXPECT_NE(picture.at(212, 400), kBlue);
}

TEST(Plot, WritesNamesOfPointsAboveOrBelow) {
  Panel panel = panel_of({"", {0.5}, {0.5}, Series::Style::points, {"HH"}});
  panel.axes.x_range = panel.axes.y_range = std::pair(0.0, 1.0);
  const auto ink = [](const Picture& picture, std::size_t top, std::size_t bottom) {
    std::size_t dark = 0;
    for (std::size_t y = top; y < bottom; ++y) {
      for (std::size_t x = 660; x < 730; ++x) dark += picture.at(y, x).blue < 100 ? 1 : 0;
    }
    return dark;
  };
  const Picture above = draw({panel});
  panel.series[0].labels_below = true;
  const Picture below = draw({panel});
  EXPECT_GT(ink(above, 190, 204), 20U);
  EXPECT_EQ(ink(above, 217, 235), 0U);
  EXPECT_GT(ink(below, 217, 235), 20U);
  EXPECT_EQ(ink(below, 190, 204), 0U);
}

TEST(Plot, KeepsNamesApartAndInsideTheFrame) {
  const auto ink = [](const Picture& picture) {
    std::size_t dark = 0;
    for (std::size_t y = 46; y < 372; ++y) {
      for (std::size_t x = 132; x < 1244; ++x) dark += picture.at(y, x) == Rgb{45, 48, 54} ? 1 : 0;
    }
    return dark;
  };
  Panel panel = panel_of({"", {0.5}, {0.5}, Series::Style::points, {"HHHH"}});
  panel.axes.x_range = panel.axes.y_range = std::pair(0.0, 1.0);
  const std::size_t one = ink(draw({panel}));
  ASSERT_GT(one, 40U);
  panel.series[0] = {"",
                     {0.5, 0.5, 0.5, 0.51, 0.51},
                     {0.5, 0.5, 0.5, 0.5, 0.49},
                     Series::Style::points,
                     {"HHHH", "HHHH", "HHHH", "HHHH", "HHHH"}};
  EXPECT_NEAR(static_cast<double>(ink(draw({panel}))), 5.0 * static_cast<double>(one), 0.2 * static_cast<double>(one));
  for (const double edge : {0.0, 1.0}) {
    panel.series[0] = {"", {0.5}, {edge}, Series::Style::points, {"HHHH"}};
    EXPECT_NEAR(static_cast<double>(ink(draw({panel}))), static_cast<double>(one), 0.1 * static_cast<double>(one))
        << edge;
  }
}

TEST(Plot, SpacesALogarithmicAxisByRatios) {
  Panel panel = panel_of({"", {1}, {10}, Series::Style::points, {}});
  panel.axes.log_y = true;
  panel.axes.y_range = std::pair(1.0, 100.0);
  panel.axes.x_range = std::pair(0.0, 2.0);
  EXPECT_EQ(draw({panel}).at(209, 688), kBlue);
}

TEST(Plot, LeavesOutWhatAnAxisCannotShow) {
  Panel panel = panel_of({"", {0, 1, 2, 3}, {1, NAN, INFINITY, -5}, Series::Style::points, {}});
  panel.axes.log_y = true;
  panel.axes.y_range = std::pair(0.1, 10.0);
  EXPECT_NEAR(static_cast<double>(draw({panel}).count(kBlue)), 3.1416 * 4.5 * 4.5, 25) << "one point of four";
}

TEST(Plot, BreaksALineWhereANumberIsMissing) {
  Series whole{"", {0, 1, 2}, {0, 0.5, 1}, Series::Style::line, {}};
  Series broken = whole;
  broken.y[1] = NAN;
  Panel panel = panel_of(whole);
  panel.axes.x_range = std::pair(0.0, 2.0);
  panel.axes.y_range = std::pair(0.0, 1.0);
  EXPECT_GT(draw({panel}).count(kBlue), 1000U);
  panel.series[0] = broken;
  EXPECT_EQ(draw({panel}).count(kBlue), 0U);
}

TEST(Plot, KeepsCurvesInsideTheFrame) {
  Panel panel = panel_of({"", {0, 1}, {-1e30, 1e30}, Series::Style::line, {}});
  panel.axes.x_range = panel.axes.y_range = std::pair(0.0, 1.0);
  const Picture picture = draw({panel});
  for (std::size_t x = 0; x < kPlotWidth; ++x) {
    EXPECT_NE(picture.at(40, x), kBlue);
    EXPECT_NE(picture.at(378, x), kBlue);
  }
}

TEST(Plot, StandsBarsOnTheAxis) {
  Panel panel = panel_of({"", {0, 1, 2}, {1, 0, 2}, Series::Style::bars, {}});
  const Picture picture = draw({panel});
  std::size_t filled = 0;
  for (std::size_t y = 44; y < 374; ++y) {
    for (std::size_t x = 131; x < 1246; ++x) filled += picture.at(y, x).blue > picture.at(y, x).red + 60 ? 1 : 0;
  }
  // Columns 1 wide in 3 * 1.04, bars 0.84 of them; heights 1 and 2 in 2 * 1.1.
  const double expected = 330.0 * 1115.0 * 0.84 * (1 + 2) / (3 * 1.04 * 2 * 1.1);
  EXPECT_NEAR(static_cast<double>(filled), expected, 0.02 * expected);
}

TEST(Plot, NamesItsSeriesInALegend) {
  const Panel without = panel_of({"", {0, 1}, {0, 1}, Series::Style::line, {}});
  const Panel with = panel_of({"a name", {0, 1}, {0, 1}, Series::Style::line, {}});
  const Picture picture = draw({with});
  EXPECT_EQ(picture.at(52, 140), kBlue) << "the stroke beside the name";
  EXPECT_EQ(draw({without}).at(52, 140), kWhite);
}

TEST(Plot, StacksItsPanels) {
  const Panel panel = panel_of({"", {0, 1}, {0, 1}, Series::Style::line, {}});
  EXPECT_EQ(draw({panel, panel, panel}).count(kBlue), 3 * draw({panel}).count(kBlue));
}

TEST(Plot, DrawsWithoutNumbersAndWithOneAndWithStrangeLetters) {
  draw({panel_of({"nothing", {}, {}, Series::Style::line, {}})});
  draw({panel_of({"one", {3}, {-7e9}, Series::Style::bars, {}})});
  draw({panel_of({"\x80\xff \x01", {1e-9}, {1e9}, Series::Style::points, {"label"}})});
}

TEST(Plot, DrawsNothingOfWhatLiesFarOutsideOfItsRanges) {
  for (const Series::Style style :
       {Series::Style::line, Series::Style::dashed, Series::Style::points, Series::Style::bars}) {
    Panel panel = panel_of({"", {1e300, 2e300, -1e300}, {1e300, 2e300, 3e300}, style, {}});
    panel.axes.x_range = panel.axes.y_range = std::pair(0.0, 1.0);
    panel.series.push_back({"", {5e300}, {1}, Series::Style::points, {}});
    if (style == Series::Style::points || style == Series::Style::bars) {
      EXPECT_EQ(draw({panel}).count(kBlue), 0U);
    } else {
      draw({panel});
    }
  }
}

TEST(Plot, RefusesWhatDoesNotFitTogether) {
  const auto plot = [](Panel panel) { draw_plot(std::vector<Panel>{std::move(panel)}); };
  EXPECT_THROW(draw_plot({}), ContractError);
  EXPECT_THROW(draw_plot(std::vector<Panel>(17)), ContractError);
  EXPECT_THROW(plot(panel_of({"", {1, 2}, {1}, Series::Style::line, {}})), ContractError);
  EXPECT_THROW(plot(panel_of({"", {1, 2}, {1, 2}, Series::Style::points, {"one"}})), ContractError);
  Panel empty = panel_of({"", {1}, {1}, Series::Style::line, {}});
  empty.axes.x_range = std::pair(1.0, 1.0);
  EXPECT_THROW(plot(empty), ContractError);
  empty.axes.x_range = std::pair(-1.0, 1.0);
  empty.axes.log_x = true;
  EXPECT_THROW(plot(empty), ContractError);
}

}  // namespace
}  // namespace obscura::data
