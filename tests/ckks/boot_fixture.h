// SPDX-License-Identifier: Apache-2.0
/// A bootstrapper with its keys, and errors against its model.
#pragma once

#include "ckks/bootstrap.h"
#include "ckks/noise.h"
#include "secret/eval_keys.h"
#include "tests/ckks/fixture.h"

namespace obscura::ckks {

inline void PrintTo(const BootstrapLiteral& literal, std::ostream* out) {
  *out << "2^" << literal.log2_slots << " slots at N = 2^" << literal.log2_degree;
}

struct Booted {
  explicit Booted(const BootstrapParams& set)
      : params(set),
        scale(std::exp2(set.literal().level_bits)),
        bootstrapper(Bootstrapper::make(params, {scale, scale}).value()),
        secret(secret::SecretKey::generate(*bootstrapper->context())),
        keys(secret::make_eval_keys(*bootstrapper->context(), secret, needs_of(bootstrapper))),
        own(*keys.bootstrap) {}

  static KeyNeeds needs_of(const std::shared_ptr<const Bootstrapper>& bootstrapper) {
    KeyNeeds needs;
    needs.add_bootstrap(bootstrapper);
    return needs;
  }

  Ciphertext encrypt(const std::vector<double>& slots) const {
    return expand(*bootstrapper->context(),
                  secret::encrypt(*bootstrapper->context(), secret, slots, scale, params.limbs().input));
  }

  /// n uniform slots in [-1, 1], repeated.
  std::vector<double> random_slots() const {
    std::mt19937_64 generator(1);
    std::uniform_real_distribution<double> uniform(-1, 1);
    std::vector<double> out(params.params().slots());
    for (std::size_t j = 0; j < out.size(); ++j) {
      out[j] = j < params.slots() ? uniform(generator) : out[j - params.slots()];
    }
    return out;
  }

  struct Errors {
    double deviation = 0, largest = 0;
  };
  Errors errors(const Ciphertext& x, const std::vector<double>& expected) const {
    const std::vector<double> got = secret::decrypt(*bootstrapper->context(), secret, x);
    Errors out;
    for (std::size_t j = 0; j < got.size(); ++j) {
      const double error = std::fabs(got[j] - expected[j]);
      out.deviation += error * error;
      out.largest = std::max(out.largest, error);
    }
    out.deviation = std::sqrt(out.deviation / static_cast<double>(got.size()));
    return out;
  }

  BootstrapParams params;
  double scale;  ///< before and after
  std::shared_ptr<const Bootstrapper> bootstrapper;
  secret::SecretKey secret;
  EvalKeys keys;
  BootstrapKeys own;
};

/// A slot's error sums thousands of coefficients' and is nearly Gaussian: one in 2^36 passes 7 deviations.
inline constexpr double kFar = 7;

/// What one in 2^36 passes: of the whole as a Gaussian, or of what met the secret with its heavier tail
/// (tail_of_error), which is most of it where levels have few bits.
inline double far_error(const BootstrapError& error) {
  double deviations = kFar;
  while (tail_of_error(deviations) > 0x1p-36) deviations += 0.25;
  const double met = std::hypot(error.slot_to_coeff, error.coeff_to_slot, error.eval_mod);
  return std::max(kFar * error.total(), deviations * met);
}

}  // namespace obscura::ckks
