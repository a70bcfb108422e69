// SPDX-License-Identifier: Apache-2.0
// The ziggurat of G. Marsaglia and W. W. Tsang ("The ziggurat method for generating random variables", 2000): the half
// under the normal curve is cut into 255 rectangles and a base with the tail, all of one area. A random number picks a
// layer and a place in it; in 99 of 100 cases it lies under the curve for sure.
#include "eval/noise.h"

#include <array>
#include <cmath>

namespace obscura::eval {
namespace {

constexpr std::size_t kLayers = 256;
constexpr double kTail = 3.6541528853610088;  ///< where the tail begins
constexpr double kArea = 0.00492867323399;    ///< of each layer, for exp(-x^2 / 2)
constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15ULL;

double curve(double x) { return std::exp(-x * x / 2); }

struct Ziggurat {
  std::array<double, kLayers + 1> edge{};    ///< right edge of each layer; of layer 0, area / curve(tail)
  std::array<double, kLayers + 1> height{};  ///< curve(edge)

  Ziggurat() {
    edge[0] = kArea / curve(kTail);
    edge[1] = kTail;
    for (std::size_t i = 2; i < kLayers; ++i) {
      edge[i] = std::sqrt(-2 * std::log(kArea / edge[i - 1] + curve(edge[i - 1])));
    }
    edge[kLayers] = 0;
    for (std::size_t i = 0; i <= kLayers; ++i) height[i] = curve(edge[i]);
  }
};

/// The finaliser of SplitMix64: a bijection whose outputs on 0, 1, 2, ... pass for random.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

/// In [0, 1), of the upper 53 bits.
double unit(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

/// The next random bits of one element.
std::uint64_t next(std::uint64_t& state) { return mix(state += kGolden); }

/// The rest of an element's way where its first number did not lie inside a layer for sure.
double normal_slowly(const Ziggurat& ziggurat, std::uint64_t bits, std::uint64_t state) {
  for (;; bits = next(state)) {
    const std::size_t layer = bits % kLayers;
    const double sign = (bits & kLayers) != 0 ? -1 : 1;
    const double x = unit(bits) * ziggurat.edge[layer];
    if (x < ziggurat.edge[layer + 1]) return sign * x;
    if (layer == 0) {  // the tail: Marsaglia's rejection by two exponential variables
      double beyond = 0;
      double other = 0;
      do {
        beyond = -std::log(1 - unit(next(state))) / kTail;
        other = -std::log(1 - unit(next(state)));
      } while (2 * other < beyond * beyond);
      return sign * (kTail + beyond);
    }
    const double low = ziggurat.height[layer];
    if (low + unit(next(state)) * (ziggurat.height[layer + 1] - low) < curve(x)) return sign * x;
  }
}

}  // namespace

void add_noise(const NoiseKey& key, double deviation, const std::vector<double>& gain, const Layout& layout,
               std::size_t images, float* values) {
  static const Ziggurat ziggurat;
  const std::uint64_t node_key = mix(mix(key.seed + kGolden) + kGolden * (key.node + 1));
  for (std::size_t i = 0; i < images; ++i) {
    std::uint64_t element = mix(node_key + kGolden * (key.image + i + 1));
    float* image = values + i * layout.size();
    for (std::size_t c = 0; c < layout.channels; ++c) {
      const double factor = gain.empty() ? deviation : deviation * gain[c];
      float* v = image + layout.at(c, 0);
      for (std::size_t p = 0; p < layout.area(); ++p, v += layout.block) {
        const std::uint64_t bits = mix(element += kGolden);
        const std::size_t layer = bits % kLayers;
        double x = unit(bits) * ziggurat.edge[layer];
        if (x < ziggurat.edge[layer + 1]) {
          x = (bits & kLayers) != 0 ? -x : x;
        } else {
          x = normal_slowly(ziggurat, bits, ~bits);
        }
        *v += static_cast<float>(factor * x);
      }
    }
  }
}

}  // namespace obscura::eval
