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

/// A slot's error as it goes through a transform's factors, with the mean square of the slots themselves.
struct Signal {
  double error = 0;
  double square = 0;
};

/// Each level of butterflies multiplies mean squares by `level_square`; the first factor by `first_square` besides.
Signal pass(const Params& params, const std::vector<Transform>& factors, const std::vector<int>& levels,
            double level_square, double first_square, Signal signal) {
  for (std::size_t f = 0; f < factors.size(); ++f) {
    TransformNoise noise;
    noise.limbs = factors[f].place().limbs;
    noise.scale_in = factors[f].place().scale_in;
    noise.scale_out = factors[f].place().scale_out;
    noise.plaintext_scale = factors[f].plaintext_scale();
    noise.error_in = signal.error;
    noise.input_square = signal.square;
    noise.weight_square = std::pow(level_square, levels[f]) * (f == 0 ? first_square : 1);
    noise.rotated_square = noise.weight_square;
    noise.diagonals = factors[f].shape().diagonals();
    noise.real_weights = false;
    for (const TransformGroup& group : factors[f].shape().groups()) noise.giant_switches += group.giant == 0 ? 0 : 1;
    signal = {noise_of_transform(params, noise), signal.square * noise.weight_square};
  }
  return signal;
}

/// Coefficients x = I + message / q_0 as they come out of the raised ciphertext.
struct Samples {
  std::vector<double> x, message;
};

Samples sample_coefficients(int weight, double deviation, double ratio) {
  Normal normal;
  Samples out;
  for (std::size_t k = 0; k < kSamples; ++k) {
    double sum = 0;
    for (int i = 0; i <= weight; ++i) sum += normal.uniform();
    out.message.push_back(deviation * normal.next());
    out.x.push_back(std::nearbyint(sum) + out.message.back() / ratio);
  }
  return out;
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
  const auto lowest = static_cast<double>(params.literal().chain[0]);
  // n coefficients of deviation e make slots of deviation sqrt(2 n) e: 2 Re of a sum of n terms. sin(2 pi x) is the
  // message times 2 pi / ratio.
  const double spread = std::sqrt(2 * n), ratio = raise_ratio(), sine = ratio / (2 * std::numbers::pi);
  BootstrapError out;

  // A slot's deviation is sqrt(N / 2) times a coefficient's.
  const double at_input = std::hypot(noise_of_rounding(params, 2), noise_of_switch(params_.sparse_params(), 1));
  out.input = at_input / std::sqrt(static_cast<double>(params.degree()) / 2) / (lowest / ratio) * spread;

  // A step of the trace doubles a variance in the slots, and the square of a value.
  Signal x{switched(params, params_.limbs().raised, 1) / lowest,
           static_cast<double>(params.degree()) * (literal.weight + 1) / 12.0};
  for (double step = 1; step < gap; step *= 2) {
    x = {std::hypot(std::sqrt(2.0) * x.error, switched(params, params_.limbs().raised, 1) / lowest), 2 * x.square};
  }
  x = pass(params, coeff_to_slot_, literal.coeff_to_slot, 0.5, 0.25 / (gap * gap), x);
  // Twice the real part; what conjugation adds is complex where values are real, and from there on both parts of an
  // error reach the slots.
  const double conjugated = switched(params, params_.limbs().eval_mod, 1) / eval_mod_.input_scale;
  x.error = std::hypot(2 * x.error, std::sqrt(2.0) * conjugated);

  const Samples samples = sample_coefficients(literal.weight, root_mean_square / spread, ratio);
  const double own = mean_square(predict_error(params, eval_mod_, samples.x, 0));
  const double whole = mean_square(predict_error(params, eval_mod_, samples.x, x.error));
  out.eval_mod = std::sqrt(2 * own) * sine * spread;
  out.coeff_to_slot = std::sqrt(std::max(0.0, whole - own)) * sine * spread;
  std::vector<double> line = evaluate_clear(eval_mod_, samples.x);
  for (std::size_t k = 0; k < line.size(); ++k) line[k] = line[k] * sine - samples.message[k];
  out.sine = std::sqrt(mean_square(line)) * spread;

  const double coefficient = root_mean_square / spread;
  const Signal slots = pass(params, slot_to_coeff_, literal.slot_to_coeff, 2, 1, {0, coefficient * coefficient});
  out.slot_to_coeff = std::hypot(2 * slots.error, switched(params, params_.limbs().output, 1) / place_.output_scale);
  return out;
}

}  // namespace obscura::ckks
