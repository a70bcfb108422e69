// SPDX-License-Identifier: Apache-2.0
#include "base/normalise.h"

#include "base/check.h"

namespace obscura::base {

std::vector<float> normalise(std::span<const float> values, std::size_t channels, std::size_t plane,
                             std::span<const double> mean, std::span<const double> deviation) {
  const std::size_t image = channels * plane;
  OBSCURA_CHECK(image > 0 && values.size() % image == 0, "{} values for images of {}", values.size(), image);
  OBSCURA_CHECK((mean.empty() || mean.size() == channels) && (deviation.empty() || deviation.size() == channels),
                "{} means and {} deviations for {} channels", mean.size(), deviation.size(), channels);
  std::vector<float> out(values.size());
  for (std::size_t first = 0; first < out.size(); first += plane) {
    const std::size_t channel = first / plane % channels;
    const double centre = mean.empty() ? 0 : mean[channel];
    const double width = deviation.empty() ? 1 : deviation[channel];
    for (std::size_t i = first; i < first + plane; ++i) {
      out[i] = static_cast<float>(normalised(values[i], centre, width));
    }
  }
  return out;
}

}  // namespace obscura::base
