// SPDX-License-Identifier: Apache-2.0
/// What a network is fed: x = (value - mean[c]) / deviation[c], and after it, where images are standardised,
/// min(max((x - m) / max(s, floor), -clip), clip) with m and s the mean and the standard deviation of the image's x.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace obscura::base {

/// A polynomial of a polynomial grows with a power of an image's contrast; standardised images have one contrast, and
/// elements within [-clip, clip] whatever the pixels.
struct Standardisation {
  double floor = 0;  ///< the least that divides, so that images of one colour stay finite; 0: not standardised
  double clip = 0;   ///< the largest |x| that is left
  explicit operator bool() const { return floor > 0; }
  bool operator==(const Standardisation&) const = default;
};

/// What is wrong with it; nothing where it can be used.
std::optional<std::string> fault_of(const Standardisation& standardise);

/// ", each image standardised by at least 0.25 and clipped at 3"; nothing where images are not standardised.
std::string describe(const Standardisation& standardise);

/// Of one value of channel c. The arithmetic is in doubles.
inline double normalised(float value, double mean, double deviation) {
  return (static_cast<double>(value) - mean) / deviation;
}

/// Of one image: its mean m, and max(s, floor).
struct Spread {
  double mean = 0, deviation = 1;
};
inline double standardised(double x, const Spread& spread, double clip) {
  const double scaled = (x - spread.mean) / spread.deviation;
  return scaled < -clip ? -clip : scaled > clip ? clip : scaled;
}

/// How an image's channels and itself are normalised. No mean: 0; no deviation: 1.
struct Normaliser {
  std::size_t channels = 0, plane = 0;
  std::span<const double> mean, deviation;
  Standardisation standardise = {};

  /// Of `image` (channels planes in units of pixel / 255); {0, 1} where nothing is standardised.
  Spread spread(std::span<const float> image) const;
  /// Element of an image whose spread is known.
  double operator()(std::size_t element, float value, const Spread& spread) const {
    const std::size_t c = element / plane;
    const double x = normalised(value, mean.empty() ? 0 : mean[c], deviation.empty() ? 1 : deviation[c]);
    return standardise ? standardised(x, spread, standardise.clip) : x;
  }
  /// Largest |number| that values in [0, 1] come to.
  double largest() const;
};

/// Of images one after the other. ContractError: values that are not whole images; other than one mean or deviation a
/// channel
std::vector<float> normalise(std::span<const float> values, const Normaliser& how);

}  // namespace obscura::base
