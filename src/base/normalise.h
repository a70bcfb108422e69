// SPDX-License-Identifier: Apache-2.0
/// What a network is fed: (value - mean[c]) / deviation[c].
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace obscura::base {

/// Of one value of channel c. The arithmetic is in doubles.
inline double normalised(float value, double mean, double deviation) {
  return (static_cast<double>(value) - mean) / deviation;
}

/// Of images of `channels` planes of `plane` values each, in units of pixel / 255, one image after the other. No mean:
/// 0; no deviation: 1. ContractError: values that are not whole images; other than one mean or deviation a channel
std::vector<float> normalise(std::span<const float> values, std::size_t channels, std::size_t plane,
                             std::span<const double> mean, std::span<const double> deviation);

}  // namespace obscura::base
