// SPDX-License-Identifier: Apache-2.0
#include "client/publish.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/random.h"

namespace obscura::client {

namespace {

/// Sum of squared distances of `count` logits, `stride` apart, from their mean.
double squares_around_mean(const Logits& logits, std::size_t first, std::size_t count, std::size_t stride) {
  double mean = 0, squares = 0;
  const auto at = [&](std::size_t i) { return static_cast<double>(logits.values[first + i * stride]); };
  for (std::size_t i = 0; i < count; ++i) mean += at(i) / static_cast<double>(count);
  for (std::size_t i = 0; i < count; ++i) squares += (at(i) - mean) * (at(i) - mean);
  return squares;
}

/// Root mean square distance of a logit from what it is compared with: the mean of its image's logits where they are of
/// one label; 0 where labels are chosen by the sign; of values the mean of that output over the images, or 0 where
/// there is one image.
double spread(const Logits& logits, plan::AnswerKind kind) {
  double total = 0;
  if (kind == plan::AnswerKind::one) {
    for (std::size_t i = 0; i < logits.images; ++i) {
      total += squares_around_mean(logits, i * logits.classes, logits.classes, 1);
    }
  } else if (kind == plan::AnswerKind::values && logits.images > 1) {
    for (std::size_t k = 0; k < logits.classes; ++k) {
      total += squares_around_mean(logits, k, logits.images, logits.classes);
    }
  } else {
    for (const float x : logits.values) total += static_cast<double>(x) * static_cast<double>(x);
  }
  return std::sqrt(total / static_cast<double>(logits.values.size()));
}

/// Distance of neighbouring floats at the largest logit. Rounding to floats can turn a smaller encryption noise into
/// this much.
double float_spacing(const Logits& logits) {
  double largest = 0;
  for (const float x : logits.values) largest = std::max(largest, std::abs(static_cast<double>(x)));
  return largest > 0 ? std::ldexp(1.0, std::ilogb(largest) - 23) : 0;
}

/// A pair of independent standard normal numbers (Box and Muller).
std::array<double, 2> normal_pair(base::Stream& stream) {
  const double u = (static_cast<double>(stream.u64() >> 11) + 1) * 0x1p-53;  // in (0, 1]
  const double v = static_cast<double>(stream.u64() >> 11) * 0x1p-53;
  const double radius = std::sqrt(-2 * std::log(u));
  return {radius * std::cos(2 * std::numbers::pi * v), radius * std::sin(2 * std::numbers::pi * v)};
}

}  // namespace

double worst_noise(const plan::OutputSpec& output) {
  constexpr double kModelFactor = 2;
  return kModelFactor * output.noise_growth * output.noise_std;
}

double flooding_deviation(double noise_std, std::size_t count, int bits) {
  return noise_std * std::sqrt(12 * static_cast<double>(count)) * std::exp2(bits / 2.0);
}

Result<Published> publish(const Logits& exact, plan::AnswerKind kind, double noise_std, int bits,
                          const Earlier& earlier) {
  OBSCURA_CHECK(exact.classes > 0 && !exact.values.empty() && exact.values.size() == exact.images * exact.classes,
                "publish: {} logits of {} images", exact.values.size(), exact.images);
  OBSCURA_CHECK(std::isfinite(noise_std) && noise_std > 0, "publish: noise of {}", noise_std);
  if (bits < 1 || bits > kMaxPublishBits) {
    return error(Code::wrong_params, "publish: {} bits; 1 to {} are allowed", bits, kMaxPublishBits);
  }
  const double left = std::exp2(-bits) - earlier.spent;
  if (!(left > 0)) {
    return error(
        Code::infeasible,
        "publish: what was published under this key before leaves {:.1f} bits, and {} are asked for: make a new "
        "key, or publish with fewer bits",
        -std::log2(earlier.spent), bits);
  }
  Published out;
  const double noise = std::max(noise_std, float_spacing(exact));
  const auto number = static_cast<double>(earlier.publications + 1);
  out.spent = std::min(left / 2, std::exp2(-bits) / (number * (number + 1)));
  out.deviation = flooding_deviation(noise, exact.values.size(), 0) / std::sqrt(out.spent);
  if (const double allowed = spread(exact, kind); !(out.deviation <= allowed)) {
    return error(Code::infeasible,
                 "publish: {} bits for {} numbers need noise of deviation {:.3g}, more than the spread of the logits, "
                 "{:.3g}; compile with a smaller --max-error for more precision, or publish fewer bits or fewer images",
                 bits, exact.values.size(), out.deviation, allowed);
  }
  // ilogb is the floor: between an eighth and a quarter of the deviation, and strictly below the quarter but where
  // that is a power of two itself.
  out.step = std::ldexp(1.0, std::ilogb(out.deviation / 4));
  out.logits = exact;
  base::Seed seed = base::random_seed();
  base::Stream stream(seed, 0);
  base::zeroize(seed.data(), seed.size());
  std::array<double, 2> pair{};
  for (std::size_t i = 0; i < exact.values.size(); ++i) {
    if (i % 2 == 0) pair = normal_pair(stream);
    const double noisy = static_cast<double>(exact.values[i]) + out.deviation * pair[i % 2];
    out.logits.values[i] = static_cast<float>(std::round(noisy / out.step) * out.step);
  }
  return out;
}

}  // namespace obscura::client
