// SPDX-License-Identifier: Apache-2.0
#include "ckks/noise.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "ring/sample.h"

namespace obscura::ckks {

namespace {

bool real_slots(const Params& params) { return params.ring() == RingType::conjugate_invariant; }

/// Mean |z|^2 of a slot for coefficients of variance 1: N, or 1 + 4 (N - 1) / 2.
double power(const Params& params) { return (real_slots(params) ? 2.0 : 1.0) * static_cast<double>(params.degree()); }

/// |s|^2 in a slot of a uniform ternary secret.
double secret_norm(const Params& params) { return 2.0 / 3.0 * power(params); }

/// Of the standard ring's slots the real part: half of their variance.
double slots_of(const Params& params, double coefficient_variance) {
  return std::sqrt(coefficient_variance * power(params) / (real_slots(params) ? 1 : 2));
}

}  // namespace

double tail_of_error(double deviations, RingType ring) {
  return std::exp(-(ring == RingType::standard ? std::numbers::sqrt2 : 1) * deviations);
}

double noise_of_encryption(const Params& params) { return slots_of(params, ring::kNoiseVariance + 1.0 / 12.0); }

double noise_of_public_encryption(const Params& params) {
  return slots_of(params, ring::kNoiseVariance * (1 + 2 * secret_norm(params)) + 1.0 / 12.0);
}

double noise_of_rounding(const Params& params, std::size_t parts) {
  // Part k's rounding error meets s^k. In a slot s is nearly a complex Gaussian, so E|s|^2k = k! (E|s|^2)^k; or a
  // real one, and then it is (2k - 1)!! (E s^2)^k.
  double variance = 0;
  double moment = 1;
  for (std::size_t part = 0; part < parts; ++part) {
    variance += moment / 12.0;
    moment *= static_cast<double>(real_slots(params) ? 2 * part + 1 : part + 1) * secret_norm(params);
  }
  return slots_of(params, variance);
}

double noise_of_switch(const Params& params, std::size_t limbs) {
  // Each digit: N (2N) products of a uniform number in +-D_d/2 (up to a small multiple for more limbs) with noise,
  // over P.
  const ParamsLiteral& literal = params.literal();
  double log2_special = 0;
  for (const std::uint64_t p : literal.special) log2_special += std::log2(static_cast<double>(p));
  const auto alpha = static_cast<std::size_t>(literal.digit_limbs);
  double variance = 0;
  for (std::size_t first = 0; first < limbs; first += alpha) {
    double log2_digit = 0;
    const std::size_t last = std::min(first + alpha, limbs);
    for (std::size_t i = first; i < last; ++i) log2_digit += std::log2(static_cast<double>(literal.chain[i]));
    // sum of (last - first) independent uniform numbers in +-D/2: the conversion without overflow correction.
    const double digit_variance = static_cast<double>(last - first) * std::exp2(2 * (log2_digit - log2_special)) / 12.0;
    variance += digit_variance * power(params) * ring::kNoiseVariance;
  }
  return slots_of(params, variance);
}

double square_of_lost(const DiagonalNumbers& numbers, double scale) {
  constexpr int kHarmonics = 8;
  constexpr double kNothing = 1e-8;  // of an amplitude's square: far below what rounding as noise is worth
  constexpr double pi = std::numbers::pi;
  const double unit = scale / numbers.period;
  if (numbers.few.empty()) {
    constexpr double kUnderflow = 746;                  // exp of less than -746 is 0, and takes its time to say so
    const double waves = unit * unit * numbers.square;  // 2 s^2
    if (2 * pi * pi * waves > kUnderflow) return 0;
    return std::min(1.0, 4 * std::exp(-2 * pi * pi * waves)) * numbers.square;
  }
  double most = 1;
  for (const double w : numbers.few) most *= std::min(1.0, 1 / (pi * pi * std::abs(w) * unit));
  if (most < kNothing) return 0;
  std::vector<double> lost(numbers.few.size(), 0);
  for (int m = 1; m <= kHarmonics; ++m) {
    // Half of the last: the mean of two partial sums of an alternating series.
    const double factor = (m == kHarmonics ? 1 : 2) * (m % 2 == 0 ? 1 : -1) / (pi * m);
    for (std::size_t i = 0; i < lost.size(); ++i) {
      double term = factor;
      for (std::size_t k = 0; k < lost.size(); ++k) {
        const double argument = 2 * pi * m * std::abs(numbers.few[k]) * unit;
        term *= k == i ? ::j1(argument) : ::j0(argument);
      }
      lost[i] += term;
    }
  }
  double sum = 0;
  for (const double amplitude : lost) sum += amplitude * amplitude / (unit * unit);
  return std::min(sum, numbers.square);
}

double noise_of_transform(const Params& params, const TransformNoise& transform) {
  const double switched = noise_of_switch(params, transform.limbs), rounded = noise_of_rounding(params, 2);
  const double fresh = std::hypot(switched, rounded);
  // Twice the real part of a product with a complex plaintext at half the scale, whose input is as large once more.
  const double encoded = transform.paired
                             ? slots_of(params, 2 / 12.0) / (transform.plaintext_scale / 2)
                             : slots_of(params, (transform.real_weights && !real_slots(params) ? 2 : 1) / 12.0) /
                                   transform.plaintext_scale;
  const double product_scale = transform.scale_in * transform.plaintext_scale / (transform.paired ? 2 : 1);
  const auto partners = static_cast<double>(transform.partner_switches);
  const double deviations[] = {
      std::sqrt(transform.weight_square) * transform.error_in,
      std::sqrt(transform.rotated_square) * switched / transform.scale_in,
      std::sqrt(transform.composed_square) * fresh / transform.scale_in,
      std::sqrt(static_cast<double>(transform.plaintexts) * transform.input_square) * encoded,
      std::sqrt(static_cast<double>(transform.giant_switches)) * fresh / product_scale,
      rounded / transform.scale_out * (transform.paired ? 2 : 1),
      transform.paired ? std::sqrt((1 + partners) * transform.weight_square) * fresh / transform.scale_in : 0,
      transform.paired ? fresh / transform.scale_out : 0,
  };
  double lost = 0;
  for (const DiagonalNumbers& numbers : transform.numbers) {
    lost += numbers.copies * square_of_lost(numbers, transform.plaintext_scale / (transform.paired ? 2 : 1));
  }
  double variance = lost / transform.written * transform.input_square;
  for (const double deviation : deviations) variance += deviation * deviation;
  return std::sqrt(variance);
}

}  // namespace obscura::ckks
