// SPDX-License-Identifier: Apache-2.0
/// A bootstrapper with its keys, and errors against its model.
#pragma once

#include "ckks/bootstrap.h"
#include "secret/bootstrap_keys.h"
#include "tests/ckks/fixture.h"

namespace obscura::ckks {

inline void PrintTo(const BootstrapLiteral& literal, std::ostream* out) {
  *out << "2^" << literal.log2_slots << " slots at N = 2^" << literal.log2_degree;
}

struct Booted {
  static constexpr double kScale = 0x1p45;

  explicit Booted(const BootstrapParams& set)
      : params(set),
        bootstrapper(Bootstrapper::make(params, {kScale, kScale}).value()),
        secret(secret::SecretKey::generate(*bootstrapper->context())),
        own(secret::make_bootstrap_keys(*bootstrapper, secret)) {
    secret::add_bootstrap_keys(*bootstrapper, secret, keys);
  }

  Ciphertext encrypt(const std::vector<double>& slots) const {
    return expand(*bootstrapper->context(),
                  secret::encrypt(*bootstrapper->context(), secret, slots, kScale, params.limbs().input));
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
  std::shared_ptr<const Bootstrapper> bootstrapper;
  secret::SecretKey secret;
  BootstrapKeys own;
  EvalKeys keys;
};

/// A slot's error sums thousands of coefficients' and is nearly Gaussian: one in 2^36 passes 7 deviations.
inline constexpr double kFar = 7;

}  // namespace obscura::ckks
