// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numbers>

#include "train/network.h"

namespace obscura::train {
namespace {

/// Points a side that the displacement is drawn on: about 6 pixels apart in images of 28.
constexpr std::size_t kLattice = 6;
constexpr double kLargestTurn = 15 * std::numbers::pi / 180;
constexpr double kLargestZoom = 0.1;
constexpr double kLargestShift = 0.1;

/// Cubic convolution (Keys 1981, a = -1/2).
double cubic(double distance) {
  const double d = std::abs(distance);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
  if (d < 2) return ((-0.5 * d + 2.5) * d - 4) * d + 2;
  return 0;
}

/// weights[pixel][point] that enlarge a row of lattice points to a row of pixels; the border point is repeated outside.
std::vector<std::array<float, kLattice>> enlargement(std::size_t side) {
  std::vector<std::array<float, kLattice>> weights(side);
  for (std::size_t pixel = 0; pixel < side; ++pixel) {
    const double at = static_cast<double>(pixel) * (kLattice - 1) / static_cast<double>(side - 1);
    for (int point = -2; point < static_cast<int>(kLattice) + 2; ++point) {
      const auto clamped = static_cast<std::size_t>(std::clamp(point, 0, static_cast<int>(kLattice) - 1));
      weights[pixel][clamped] += static_cast<float>(cubic(at - point));
    }
  }
  return weights;
}

/// field[y][x] = sum over the lattice of weights[y][i] weights[x][j] points[i][j].
void enlarge(const float* points, const std::vector<std::array<float, kLattice>>& weights, std::vector<float>& field) {
  const std::size_t side = weights.size();
  std::array<std::vector<float>, kLattice> rows;
  for (std::size_t i = 0; i < kLattice; ++i) {
    rows[i].assign(side, 0);
    for (std::size_t x = 0; x < side; ++x) {
      for (std::size_t j = 0; j < kLattice; ++j) rows[i][x] += weights[x][j] * points[i * kLattice + j];
    }
  }
  field.assign(side * side, 0);
  for (std::size_t y = 0; y < side; ++y) {
    for (std::size_t i = 0; i < kLattice; ++i) {
      for (std::size_t x = 0; x < side; ++x) field[y * side + x] += weights[y][i] * rows[i][x];
    }
  }
}

/// The image at a place between pixels; black outside.
float sample(const float* image, std::int64_t side, float y, float x) {
  const float top = std::floor(y);
  const float left = std::floor(x);
  const auto row = static_cast<std::int64_t>(top);
  const auto column = static_cast<std::int64_t>(left);
  if (row < -1 || row >= side || column < -1 || column >= side) return 0;
  const auto pixel = [&](std::int64_t i, std::int64_t j) {
    return i < 0 || i >= side || j < 0 || j >= side ? 0.0F : image[i * side + j];
  };
  const float down = y - top;
  const float right = x - left;
  return (1 - down) * ((1 - right) * pixel(row, column) + right * pixel(row, column + 1)) +
         down * ((1 - right) * pixel(row + 1, column) + right * pixel(row + 1, column + 1));
}

}  // namespace

torch::Tensor augment(const torch::Tensor& images, double share, double elastic) {
  if (share == 0 && elastic == 0) return images;
  const torch::Tensor input = images.contiguous();
  const std::int64_t count = input.size(0);
  const std::int64_t side = input.size(3);
  OBSCURA_CHECK(input.size(1) == 1 && input.size(2) == side && side >= 2, "augment: images are not 1 x side x side");
  const torch::Tensor draws = (torch::rand({count, 5}) * 2 - 1) * share;
  const torch::Tensor lattices =
      torch::randn({count, 2, static_cast<std::int64_t>(kLattice), static_cast<std::int64_t>(kLattice)}) * elastic;
  const auto weights = enlargement(static_cast<std::size_t>(side));
  torch::Tensor out = torch::empty_like(input);
  std::vector<float> down;
  std::vector<float> right;
  const float middle = static_cast<float>(side - 1) / 2;
  for (std::int64_t n = 0; n < count; ++n) {
    const float* draw = draws.data_ptr<float>() + 5 * n;
    const float* lattice = lattices.data_ptr<float>() + 2 * kLattice * kLattice * static_cast<std::size_t>(n);
    enlarge(lattice, weights, down);
    enlarge(lattice + kLattice * kLattice, weights, right);
    const float cosine = std::cos(draw[0] * static_cast<float>(kLargestTurn));
    const float sine = std::sin(draw[0] * static_cast<float>(kLargestTurn));
    const float zoom_y = 1 + draw[1] * static_cast<float>(kLargestZoom);
    const float zoom_x = 1 + draw[2] * static_cast<float>(kLargestZoom);
    const float shift_y = middle + draw[3] * static_cast<float>(kLargestShift * static_cast<double>(side));
    const float shift_x = middle + draw[4] * static_cast<float>(kLargestShift * static_cast<double>(side));
    const float* image = input.data_ptr<float>() + n * side * side;
    float* bent = out.data_ptr<float>() + n * side * side;
    for (std::int64_t i = 0; i < side; ++i) {
      for (std::int64_t j = 0; j < side; ++j) {
        const auto at = static_cast<std::size_t>(i * side + j);
        const float y = (static_cast<float>(i) - middle) * zoom_y;
        const float x = (static_cast<float>(j) - middle) * zoom_x;
        bent[at] = sample(image, side, cosine * y + sine * x + shift_y + down[at],
                          cosine * x - sine * y + shift_x + right[at]);
      }
    }
  }
  return out;
}

}  // namespace obscura::train
