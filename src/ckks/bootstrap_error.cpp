// SPDX-License-Identifier: Apache-2.0
/// Where the error of bootstrapping comes from. Errors of a slot are taken as complex numbers whose two parts have the
/// deviation of ckks/noise.h.
#include <cmath>
#include <numbers>

#include "ckks/bootstrap.h"
#include "ckks/noise.h"

namespace obscura::ckks {

namespace {

/// Samples of x = I + message / q_0 for the mean over coefficients.
constexpr std::size_t kSamples = 4096;

/// Approximately normal numbers of deviation 1, the same each time.
class Normal {
 public:
  double next() {
    double sum = -6;
    for (int k = 0; k < 12; ++k) sum += std::ldexp(static_cast<double>(stream_.u64() >> 11), -53);
    return sum;
  }
  double uniform() { return std::ldexp(static_cast<double>(stream_.u64() >> 11), -53) - 0.5; }

 private:
  base::Stream stream_{base::Seed{}, 1};
};

double mean_square(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return sum / static_cast<double>(x.size());
}

/// A division with key switching at these limbs.
double switched(const Params& params, std::size_t limbs, double dropped) {
  return std::hypot(noise_of_rounding(params, 2), noise_of_switch(params, limbs) / dropped);
}

double dropped_by(const Params& params, const Transform& transform) {
  return static_cast<double>(params.literal().chain[transform.place().limbs - 1]);
}

/// What the rounding of a transform's plaintexts adds to slots of a root mean square: one rounding of N coefficients
/// for each diagonal.
double noise_of_plaintexts(const Params& params, const Transform& transform, double root_mean_square) {
  const double rounding = std::sqrt(static_cast<double>(params.degree()) / 12 / 2);
  return rounding * std::sqrt(2.0 * static_cast<double>(transform.shape().diagonals())) / transform.plaintext_scale() *
         root_mean_square;
}

}  // namespace

double BootstrapError::total() const {
  return std::sqrt(input * input + coeff_to_slot * coeff_to_slot + eval_mod * eval_mod + slot_to_coeff * slot_to_coeff +
                   sine * sine);
}

BootstrapError Bootstrapper::predict(double root_mean_square) const {
  const Params& params = params_.params();
  const BootstrapLiteral& literal = params_.literal();
  const auto n = static_cast<double>(params_.slots()), gap = static_cast<double>(params.slots()) / n;
  // n coefficients of deviation e make slots of deviation sqrt(2 n) e: 2 Re of a sum of n terms.
  const double spread = std::sqrt(2 * n), ratio = raise_ratio();
  const double message_scale = static_cast<double>(params.literal().chain[0]) / ratio;
  BootstrapError out;

  const double at_input = std::hypot(noise_of_rounding(params, 2), noise_of_switch(params_.sparse_params(), 1));
  // A slot's deviation is sqrt(N / 2) times a coefficient's.
  const double coefficients = 1 / std::sqrt(static_cast<double>(params.degree()) / 2);
  out.input = at_input * coefficients / message_scale * spread;

  // x: what each step adds, and the levels of the FFT after it, each of which halves a variance.
  double variance = 0;
  double levels = literal.log2_slots;
  const double raised_scale = static_cast<double>(params.literal().chain[0]);
  const double switching = switched(params, params_.limbs().raised, 1) / raised_scale;
  // The switch back and the rotations of the trace, the real part's half and the division by the gap.
  variance += switching * switching * (1 + std::log2(gap)) / std::exp2(levels) / gap;
  double magnitude = std::sqrt(n * gap * 2 * (literal.weight + 1) / 12.0) / 2;
  double root_gap = 1 / std::sqrt(gap);
  for (std::size_t f = 0; f < coeff_to_slot_.size(); ++f) {
    const Transform& factor = coeff_to_slot_[f];
    levels -= literal.coeff_to_slot[f];
    const double plain = noise_of_plaintexts(params, factor, f == 0 ? magnitude * 2 * gap * root_gap : magnitude);
    if (f == 0) magnitude *= root_gap;
    magnitude *= std::exp2(-literal.coeff_to_slot[f] / 2.0);
    const double rounding =
        switched(params, factor.place().limbs, dropped_by(params, factor)) / factor.place().scale_out;
    variance += 2 * (plain * plain + rounding * rounding) / std::exp2(levels) * 2;
  }
  const double conjugated = switched(params, params_.limbs().eval_mod, 1) / eval_mod_.input_scale;
  // From here on noise is complex where values are real, and both parts of it reach the slots.
  variance += 2 * conjugated * conjugated;

  Normal normal;
  const double coefficient = root_mean_square / spread, sine = ratio / (2 * std::numbers::pi);
  std::vector<double> x, c;
  for (std::size_t k = 0; k < kSamples; ++k) {
    double sum = 0;
    for (int i = 0; i <= literal.weight; ++i) sum += normal.uniform();
    c.push_back(coefficient * normal.next());
    x.push_back(std::nearbyint(sum) + c.back() / ratio);
  }
  const double own = mean_square(predict_error(params, eval_mod_, x, 0));
  const double whole = mean_square(predict_error(params, eval_mod_, x, std::sqrt(variance)));
  out.eval_mod = std::sqrt(2 * own) * sine * spread;
  out.coeff_to_slot = std::sqrt(std::max(0.0, whole - own)) * sine * spread;
  std::vector<double> line = evaluate_clear(eval_mod_, x);
  for (std::size_t k = 0; k < line.size(); ++k) line[k] = line[k] * sine - c[k];
  out.sine = std::sqrt(mean_square(line)) * spread;

  // Slots: each level after a step doubles a variance; the real part is taken twice.
  variance = 0;
  levels = literal.log2_slots;
  magnitude = coefficient;
  for (std::size_t f = 0; f < slot_to_coeff_.size(); ++f) {
    const Transform& factor = slot_to_coeff_[f];
    levels -= literal.slot_to_coeff[f];
    const double plain = noise_of_plaintexts(params, factor, magnitude);
    const double rounding =
        switched(params, factor.place().limbs, dropped_by(params, factor)) / factor.place().scale_out;
    magnitude *= std::exp2(literal.slot_to_coeff[f] / 2.0);
    variance += 4 * (plain * plain + rounding * rounding) * std::exp2(levels);
  }
  const double last = switched(params, params_.limbs().output, 1) / place_.output_scale;
  out.slot_to_coeff = std::sqrt(variance + last * last);
  return out;
}

}  // namespace obscura::ckks
