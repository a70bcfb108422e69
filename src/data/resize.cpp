// SPDX-License-Identifier: Apache-2.0
#include "data/resize.h"

#include <algorithm>
#include <cmath>

namespace obscura::data {
namespace {

/// The samples that one new sample is made of, the first of them and their weights, which add up to 1.
struct Tap {
  std::size_t first = 0;
  std::vector<float> weights;
};

/// For each of `to` places along an axis of `from`.
std::vector<Tap> taps(std::size_t from, std::size_t to) {
  const double ratio = static_cast<double>(from) / static_cast<double>(to);
  const double reach = std::max(ratio, 1.0);
  std::vector<Tap> out(to);
  for (std::size_t i = 0; i < to; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * ratio;
    const auto first = static_cast<std::size_t>(std::max(0.0, std::floor(centre - reach)));
    const auto end = std::min(from, static_cast<std::size_t>(std::ceil(centre + reach)));
    out[i].first = first;
    double sum = 0;
    std::vector<double> weights;
    for (std::size_t k = first; k < end; ++k) {
      weights.push_back(std::max(0.0, 1 - std::abs(static_cast<double>(k) + 0.5 - centre) / reach));
      sum += weights.back();
    }
    for (const double weight : weights) out[i].weights.push_back(static_cast<float>(weight / sum));
  }
  return out;
}

}  // namespace

Picture resize(const Picture& picture, std::size_t height, std::size_t width) {
  OBSCURA_CHECK(height > 0 && width > 0, "resize to {}x{}", height, width);
  const std::size_t channels = picture.channels;
  const std::vector<Tap> along = taps(picture.width, width), down = taps(picture.height, height);
  std::vector<float> wide(picture.height * width * channels);
  for (std::size_t y = 0, at = 0; y < picture.height; ++y) {
    for (const Tap& tap : along) {
      for (std::size_t c = 0; c < channels; ++c, ++at) {
        const std::size_t from = (y * picture.width + tap.first) * channels + c;
        for (std::size_t k = 0; k < tap.weights.size(); ++k) {
          wide[at] += tap.weights[k] * static_cast<float>(picture.samples[from + k * channels]);
        }
      }
    }
  }
  Picture out{height, width, channels, picture.largest, std::vector<std::uint16_t>(height * width * channels)};
  const std::size_t row = width * channels;
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < row; ++x) {
      float sum = 0;
      for (std::size_t k = 0; k < down[y].weights.size(); ++k) {
        sum += down[y].weights[k] * wide[(down[y].first + k) * row + x];
      }
      out.samples[y * row + x] =
          static_cast<std::uint16_t>(std::clamp(sum + 0.5F, 0.0F, static_cast<float>(picture.largest)));
    }
  }
  return out;
}

}  // namespace obscura::data
