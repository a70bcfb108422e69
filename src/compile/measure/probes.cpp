// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "compile/measure/statistics.h"

namespace obscura::compile {
namespace {

constexpr int kProbes = 32;

/// Knuth's 64-bit linear congruential generator: the same numbers everywhere.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : state_(seed) {}
  /// In [0, 1).
  double next() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<double>(state_ >> 40) / static_cast<double>(1ULL << 24);
  }

 private:
  std::uint64_t state_;
};

/// Distance of (x, y) from the line between two points.
double distance(double x, double y, const std::array<double, 4>& line) {
  const double dx = line[2] - line[0];
  const double dy = line[3] - line[1];
  const double length = dx * dx + dy * dy;
  const double t = length > 0 ? std::clamp(((x - line[0]) * dx + (y - line[1]) * dy) / length, 0.0, 1.0) : 0.0;
  return std::hypot(x - line[0] - t * dx, y - line[1] - t * dy);
}

/// Adds a bright stroke to one channel.
void draw_stroke(std::span<float> plane, std::int64_t height, std::int64_t width, const std::array<double, 4>& line,
                 double thickness, double brightness) {
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const double at = distance((static_cast<double>(x) + 0.5) / static_cast<double>(width),
                                 (static_cast<double>(y) + 0.5) / static_cast<double>(height), line);
      float& pixel = plane[static_cast<std::size_t>(y * width + x)];
      pixel = std::max(pixel, static_cast<float>(brightness * std::clamp(1.5 - at / thickness, 0.0, 1.0)));
    }
  }
}

}  // namespace

std::vector<float> probe_images(const nn::Shape& shape) {
  OBSCURA_CHECK(shape.size() == 3, "probe_images of {}", nn::to_string(shape));
  const auto area = static_cast<std::size_t>(shape[1] * shape[2]);
  const auto channels = static_cast<std::size_t>(shape[0]);
  std::vector<float> out(kProbes * channels * area, 0);
  Generator random(20200915);
  for (int image = 0; image < kProbes; ++image) {
    // A third with strokes on black (like digits), a third with blobs (short thick strokes) on grey, a third noisier.
    const int kind = image % 3;
    const int strokes = 2 + image % 4;
    std::vector<std::array<double, 4>> lines;
    for (int s = 0; s < strokes; ++s) {
      const double x = 0.2 + 0.6 * random.next();
      const double y = 0.2 + 0.6 * random.next();
      const double reach = kind == 0 ? 0.6 : 0.15;
      lines.push_back({x, y, x + reach * (random.next() - 0.5), y + reach * (random.next() - 0.5)});
    }
    for (std::size_t c = 0; c < channels; ++c) {
      const std::span<float> plane(out.data() + (static_cast<std::size_t>(image) * channels + c) * area, area);
      for (const auto& line : lines) {
        draw_stroke(plane, shape[1], shape[2], line, kind == 0 ? 0.06 : 0.15, 0.6 + 0.4 * random.next());
      }
      const double background = kind == 0 ? 0 : 0.5 * random.next();
      const double noise = kind == 2 ? 0.4 : 0.05;
      for (float& pixel : plane) {
        if (kind == 0 && pixel == 0) continue;
        const double v = std::max<double>(pixel, background) + noise * (random.next() - 0.5);
        pixel = static_cast<float>(std::clamp(v, 0.0, 1.0));
      }
    }
  }
  return out;
}

}  // namespace obscura::compile
