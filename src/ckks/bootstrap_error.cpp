// SPDX-License-Identifier: Apache-2.0
/// Where the error of bootstrapping comes from. Errors of a slot are taken as complex numbers whose two parts have the
/// deviation of ckks/noise.h.
#include <cmath>
#include <numbers>

#include "ckks/bootstrap.h"
#include "ckks/noise.h"

namespace obscura::ckks {

namespace {

/// Slots that the means are taken over.
constexpr std::ptrdiff_t kSamples = 4096;

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
    noise.plaintexts = factors[f].shape().plaintexts();
    noise.real_weights = false;
    for (const TransformGroup& group : factors[f].shape().groups()) noise.giant_switches += group.giant == 0 ? 0 : 1;
    signal = {noise_of_transform(params, noise), signal.square * noise.weight_square};
  }
  return signal;
}

/// x = I + message / q_0 for each of these messages and a random I.
std::vector<double> sample_raised(int weight, double ratio, std::span<const double> messages) {
  base::Stream stream(base::Seed{}, 0);
  std::vector<double> x;
  for (const double message : messages) {
    double sum = 0;
    for (int i = 0; i <= weight; ++i) sum += std::ldexp(static_cast<double>(stream.u64() >> 11), -53) - 0.5;
    x.push_back(std::nearbyint(sum) + message / ratio);
  }
  return x;
}

}  // namespace

double BootstrapError::total() const {
  const double parts[] = {slot_to_coeff, encapsulate, coeff_to_slot, eval_mod, sine};
  double squares = 0;
  for (const double part : parts) squares += part * part;
  return std::sqrt(squares);
}

BootstrapError Bootstrapper::predict(std::span<const double> slots) const {
  const Params& params = params_.params();
  const BootstrapLiteral& literal = params_.literal();
  const auto gap = static_cast<double>(params_.gap());
  const auto lowest = static_cast<double>(params.literal().chain[0]);
  const double sine = ratio() / (2 * std::numbers::pi);  // sin(2 pi x) is the slot over this
  // A slot's deviation is sqrt(N / 2) times a coefficient's.
  const double coefficients = 1 / std::sqrt(static_cast<double>(params.degree()) / 2);
  const std::vector<double> messages(slots.begin(),
                                     slots.begin() + std::min<std::ptrdiff_t>(std::ssize(slots), kSamples));
  BootstrapError out;
  out.slot_to_coeff =
      pass(params, slot_to_coeff_, literal.slot_to_coeff, 2, 1, {0, mean_square(messages)}).error * coefficients;
  out.encapsulate =
      std::hypot(noise_of_switch(params_.sparse_params(), 1) * coefficients, std::sqrt((literal.weight + 1) / 12.0)) /
      message_scale();

  // ModRaise sums over the trace before it rounds: the square of a value grows with each step, rounding does not.
  const double keys = std::sqrt(gap) * noise_of_switch(params_.raise_params(), 1);
  Signal x{std::hypot(noise_of_rounding(params, 2), keys) / lowest,
           gap * static_cast<double>(params.degree()) * (literal.weight + 1) / 12.0};
  x = pass(params, coeff_to_slot_, literal.coeff_to_slot, 0.5, 0.25 / (gap * gap), x);
  // Twice the real part, and what conjugation adds.
  x.error = std::hypot(2 * x.error, switched(params, params_.limbs().eval_mod, 1) / eval_mod_.input_scale);

  const std::vector<double> samples = sample_raised(literal.weight, ratio(), messages);
  const double own = mean_square(predict_error(params, eval_mod_, samples, 0));
  const double whole = mean_square(predict_error(params, eval_mod_, samples, x.error));
  out.eval_mod = std::sqrt(own) * sine;
  out.coeff_to_slot = std::sqrt(std::max(0.0, whole - own)) * sine;
  std::vector<double> line = evaluate_clear(eval_mod_, samples);
  for (std::size_t k = 0; k < line.size(); ++k) line[k] = line[k] * sine - messages[k];
  out.sine = std::sqrt(mean_square(line));
  return out;
}

}  // namespace obscura::ckks
