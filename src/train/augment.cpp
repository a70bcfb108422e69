// SPDX-License-Identifier: Apache-2.0
#include "train/augment.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace obscura::train {
namespace {

/// Points a side that the displacement is drawn on: about 6 pixels apart in images of 28.
constexpr std::size_t kLattice = 6;

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

using Enlargement = std::vector<std::array<float, kLattice>>;

/// field[y][x] = sum over the lattice of down[y][i] right[x][j] points[i][j].
void enlarge(const float* points, const Enlargement& down, const Enlargement& right, std::vector<float>& field) {
  const std::size_t width = right.size();
  std::array<std::vector<float>, kLattice> rows;
  for (std::size_t i = 0; i < kLattice; ++i) {
    rows[i].assign(width, 0);
    for (std::size_t x = 0; x < width; ++x) {
      for (std::size_t j = 0; j < kLattice; ++j) rows[i][x] += right[x][j] * points[i * kLattice + j];
    }
  }
  field.assign(down.size() * width, 0);
  for (std::size_t y = 0; y < down.size(); ++y) {
    for (std::size_t i = 0; i < kLattice; ++i) {
      for (std::size_t x = 0; x < width; ++x) field[y * width + x] += down[y][i] * rows[i][x];
    }
  }
}

/// The image at a place between pixels; black outside.
float sample(const float* image, std::int64_t height, std::int64_t width, float y, float x) {
  const float top = std::floor(y);
  const float left = std::floor(x);
  const auto row = static_cast<std::int64_t>(top);
  const auto column = static_cast<std::int64_t>(left);
  if (row < -1 || row >= height || column < -1 || column >= width) return 0;
  const auto pixel = [&](std::int64_t i, std::int64_t j) {
    return i < 0 || i >= height || j < 0 || j >= width ? 0.0F : image[i * width + j];
  };
  const float down = y - top;
  const float right = x - left;
  return (1 - down) * ((1 - right) * pixel(row, column) + right * pixel(row, column + 1)) +
         down * ((1 - right) * pixel(row + 1, column) + right * pixel(row + 1, column + 1));
}

/// Sizes of the images, and the random numbers of each: turn, two zooms, two shifts, two crops, flip, place of the
/// blank square; a lattice of displacements.
struct Draws {
  static constexpr std::int64_t kCount = 10;
  torch::Tensor uniform;  ///< {images, kCount}, in [-1, 1)
  torch::Tensor lattice;  ///< {images, 2, kLattice, kLattice}, in pixels
};

bool bends(const AugmentationRecipe& a) { return a.rotation > 0 || a.zoom > 0 || a.shift > 0 || a.elastic > 0; }

/// All channels of image n turned, zoomed, shifted and bent.
void bend(const torch::Tensor& input, std::int64_t n, const AugmentationRecipe& a, const Draws& draws,
          const Enlargement& down, const Enlargement& right, float* out) {
  const std::int64_t height = input.size(2);
  const std::int64_t width = input.size(3);
  const float* draw = draws.uniform.data_ptr<float>() + Draws::kCount * n;
  std::vector<float> field_y;
  std::vector<float> field_x;
  const float* lattice = draws.lattice.data_ptr<float>() + 2 * static_cast<std::int64_t>(kLattice * kLattice) * n;
  enlarge(lattice, down, right, field_y);
  enlarge(lattice + kLattice * kLattice, down, right, field_x);
  const float turn = draw[0] * static_cast<float>(a.rotation * std::numbers::pi / 180);
  const float cosine = std::cos(turn);
  const float sine = std::sin(turn);
  const float zoom_y = 1 + draw[1] * static_cast<float>(a.zoom);
  const float zoom_x = 1 + draw[2] * static_cast<float>(a.zoom);
  const float middle_y = static_cast<float>(height - 1) / 2;
  const float middle_x = static_cast<float>(width - 1) / 2;
  const float shift_y = middle_y + draw[3] * static_cast<float>(a.shift) * static_cast<float>(height);
  const float shift_x = middle_x + draw[4] * static_cast<float>(a.shift) * static_cast<float>(width);
  const float* image = input.data_ptr<float>() + n * input.size(1) * height * width;
  for (std::int64_t i = 0; i < height; ++i) {
    for (std::int64_t j = 0; j < width; ++j) {
      const std::int64_t at = i * width + j;
      const float y = (static_cast<float>(i) - middle_y) * zoom_y;
      const float x = (static_cast<float>(j) - middle_x) * zoom_x;
      const float from_y = cosine * y + sine * x + shift_y + field_y[static_cast<std::size_t>(at)];
      const float from_x = cosine * x - sine * y + shift_x + field_x[static_cast<std::size_t>(at)];
      for (std::int64_t c = 0; c < input.size(1); ++c) {
        out[c * height * width + at] = sample(image + c * height * width, height, width, from_y, from_x);
      }
    }
  }
}

/// A whole number in [-most, most], each as likely.
std::int64_t whole(float draw, std::int64_t most) {
  const auto steps = static_cast<float>(2 * most + 1);
  return std::min(static_cast<std::int64_t>((draw + 1) / 2 * steps), 2 * most) - most;
}

/// The place of what is seen at `place` of a row whose border pixels are mirrors; a row of more than one pixel.
std::int64_t reflected(std::int64_t place, std::int64_t size) {
  const std::int64_t period = 2 * size - 2;
  const std::int64_t within = ((place % period) + period) % period;
  return std::min(within, period - within);
}

/// One plane moved, mirrored, and blanked in a square.
void crop(const float* from, std::int64_t height, std::int64_t width, const AugmentationRecipe& a, const float* draw,
          bool mirrored, float* to) {
  const std::int64_t down = whole(draw[5], a.crop);
  const std::int64_t right = whole(draw[6], a.crop);
  for (std::int64_t i = 0; i < height; ++i) {
    for (std::int64_t j = 0; j < width; ++j) {
      std::int64_t y = i + down;
      std::int64_t x = (mirrored ? width - 1 - j : j) + right;
      if (a.fill == Fill::reflect) {
        y = reflected(y, height);
        x = reflected(x, width);
      }
      to[i * width + j] = y < 0 || y >= height || x < 0 || x >= width ? 0.0F : from[y * width + x];
    }
  }
  if (a.cutout == 0) return;
  const auto top = static_cast<std::int64_t>((draw[8] + 1) / 2 * static_cast<float>(height)) - a.cutout / 2;
  const auto left = static_cast<std::int64_t>((draw[9] + 1) / 2 * static_cast<float>(width)) - a.cutout / 2;
  for (std::int64_t i = std::max<std::int64_t>(top, 0); i < std::min(top + a.cutout, height); ++i) {
    for (std::int64_t j = std::max<std::int64_t>(left, 0); j < std::min(left + a.cutout, width); ++j) {
      to[i * width + j] = 0;
    }
  }
}

}  // namespace

Mixture draw_mixture(std::int64_t n, double alpha) {
  const torch::Tensor a = at::_standard_gamma(torch::full({n}, alpha));
  const torch::Tensor b = at::_standard_gamma(torch::full({n}, alpha));
  const torch::Tensor share = a / (a + b).clamp_min(1e-30);
  return {torch::randperm(n), torch::maximum(share, 1 - share)};
}

torch::Tensor mixed(const torch::Tensor& images, const Mixture& mixture) {
  const torch::Tensor share = mixture.share.to(images.device()).reshape({-1, 1, 1, 1});
  return images * share + images.index_select(0, mixture.partner.to(images.device())) * (1 - share);
}

torch::Tensor mirrored_in(const torch::Tensor& index, std::int64_t epoch) {
  torch::Tensor out = torch::empty({index.size(0)}, torch::kBool);
  for (std::int64_t i = 0; i < index.size(0); ++i) {
    // Fibonacci hashing: the top bit of the product is as good as drawn, whatever the order of the images.
    const std::uint64_t mixed = static_cast<std::uint64_t>(index[i].item<std::int64_t>()) * 0x9E3779B97F4A7C15ULL;
    out[i] = ((mixed >> 63) ^ (static_cast<std::uint64_t>(epoch) & 1)) != 0;
  }
  return out;
}

torch::Tensor augment(const torch::Tensor& images, const AugmentationRecipe& a, const torch::Tensor& mirrored) {
  const bool crops = a.crop > 0 || a.flip != Flip::never || a.cutout > 0;
  if (!bends(a) && !crops) return images;
  const torch::Tensor input = images.contiguous();
  const std::int64_t height = input.size(2);
  const std::int64_t width = input.size(3);
  OBSCURA_CHECK(height >= 2 && width >= 2, "augment: images of {}x{}; at least 2x2", height, width);
  OBSCURA_CHECK(a.flip != Flip::alternate || (mirrored.defined() && mirrored.size(0) == input.size(0)),
                "augment: of {} images it is not said which are mirrored", input.size(0));
  Draws draws;
  draws.uniform = torch::rand({input.size(0), Draws::kCount}) * 2 - 1;
  constexpr auto kPoints = static_cast<std::int64_t>(kLattice);
  if (bends(a)) draws.lattice = torch::randn({input.size(0), 2, kPoints, kPoints}) * a.elastic;
  const Enlargement down = enlargement(static_cast<std::size_t>(height));
  const Enlargement right = enlargement(static_cast<std::size_t>(width));
  torch::Tensor out = torch::empty_like(input);
  const std::int64_t plane = height * width;
  const std::int64_t size = input.size(1) * plane;
  at::parallel_for(0, input.size(0), 16, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> bent(static_cast<std::size_t>(size));
    for (std::int64_t n = begin; n < end; ++n) {
      const float* image = input.data_ptr<float>() + n * size;
      float* to = out.data_ptr<float>() + n * size;
      if (bends(a)) {
        bend(input, n, a, draws, down, right, crops ? bent.data() : to);
        image = bent.data();
      }
      if (!crops) continue;
      const float* draw = draws.uniform.data_ptr<float>() + Draws::kCount * n;
      const bool mirror =
          a.flip == Flip::alternate ? mirrored.data_ptr<bool>()[n] : a.flip == Flip::drawn && draw[7] >= 0;
      for (std::int64_t c = 0; c < input.size(1); ++c) {
        crop(image + c * plane, height, width, a, draw, mirror, to + c * plane);
      }
    }
  });
  return out;
}

}  // namespace obscura::train
