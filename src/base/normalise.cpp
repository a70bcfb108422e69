// SPDX-License-Identifier: Apache-2.0
#include "base/normalise.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace obscura::base {

std::optional<std::string> fault_of(const Standardisation& standardise) {
  const bool usable = std::isfinite(standardise.floor) && standardise.floor >= 0 && std::isfinite(standardise.clip) &&
                      (standardise.clip > 0 || !standardise);
  if (usable) return std::nullopt;
  return fmt::format("images standardised by at least {} and clipped at {}; finite numbers above 0 are allowed",
                     standardise.floor, standardise.clip);
}

std::string describe(const Standardisation& standardise) {
  if (!standardise) return "";
  return fmt::format(", each image standardised by at least {:.4g} and clipped at {:.4g}", standardise.floor,
                     standardise.clip);
}

Spread Normaliser::spread(std::span<const float> image) const {
  if (!standardise) return {};
  const Normaliser plain{channels, plane, mean, deviation};
  double sum = 0;
  double squares = 0;
  for (std::size_t i = 0; i < image.size(); ++i) sum += plain(i, image[i], {});
  const double centre = sum / static_cast<double>(image.size());
  for (std::size_t i = 0; i < image.size(); ++i) {
    const double off = plain(i, image[i], {}) - centre;
    squares += off * off;
  }
  return {centre, std::max(std::sqrt(squares / static_cast<double>(image.size())), standardise.floor)};
}

double Normaliser::largest() const {
  if (standardise) return standardise.clip;
  double out = 0;
  for (std::size_t c = 0; c < channels; ++c) {
    for (const float value : {0.0F, 1.0F}) {
      const double x = normalised(value, mean.empty() ? 0 : mean[c], deviation.empty() ? 1 : deviation[c]);
      out = std::max(out, std::abs(x));
    }
  }
  return out;
}

std::vector<float> normalise(std::span<const float> values, const Normaliser& how) {
  const std::size_t image = how.channels * how.plane;
  OBSCURA_CHECK(image > 0 && values.size() % image == 0, "{} values for images of {}", values.size(), image);
  OBSCURA_CHECK((how.mean.empty() || how.mean.size() == how.channels) &&
                    (how.deviation.empty() || how.deviation.size() == how.channels),
                "{} means and {} deviations for {} channels", how.mean.size(), how.deviation.size(), how.channels);
  std::vector<float> out(values.size());
  for (std::size_t first = 0; first < out.size(); first += image) {
    const auto one = values.subspan(first, image);
    const Spread spread = how.spread(one);
    for (std::size_t i = 0; i < image; ++i) out[first + i] = static_cast<float>(how(i, one[i], spread));
  }
  return out;
}

}  // namespace obscura::base
