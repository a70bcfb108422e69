// SPDX-License-Identifier: Apache-2.0
/// Secure parameters at N = 2^13 with keys, and errors against the noise model.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "ckks/evaluator.h"
#include "ckks/noise.h"
#include "secret/crypt.h"

namespace obscura::ckks {

inline Params make_params(int log2_degree, int bits, std::size_t limbs, std::size_t special, int digit_limbs,
                          RingType ring = RingType::standard) {
  ParamsLiteral literal;
  literal.log2_degree = log2_degree;
  literal.ring = ring;
  const int special_bits = log2_degree == 12 ? 35 : 50;  // 106 bits at 2^12
  literal.special = make_primes(log2_degree, special_bits, special, {}, ring).value();
  literal.chain = make_primes(log2_degree, bits, limbs, literal.special, ring).value();
  literal.digit_limbs = digit_limbs;
  return Params::make(literal).value();
}

/// A context with its keys.
struct World {
  explicit World(const Params& params, std::shared_ptr<Resources> resources = Resources::make())
      : context(Context::make(params, std::move(resources))), secret(secret::SecretKey::generate(*context)) {
    keys.relinearization.push_back(secret::make_relinearization_key(*context, secret));
  }

  std::vector<double> random_slots(double largest, unsigned seed) const {
    std::mt19937_64 generator(seed);
    std::uniform_real_distribution<double> uniform(-largest, largest);
    std::vector<double> out(context->params().slots());
    for (double& x : out) x = uniform(generator);
    return out;
  }

  Ciphertext encrypt(std::span<const double> slots, double scale, std::size_t limbs) const {
    return expand(*context, secret::encrypt(*context, secret, slots, scale, limbs));
  }

  /// Standard deviation of the slots' error.
  double error(const Ciphertext& x, const std::function<double(std::size_t)>& expected) const {
    const std::vector<double> got = secret::decrypt(*context, secret, x);
    double sum = 0;
    for (std::size_t j = 0; j < got.size(); ++j) sum += (got[j] - expected(j)) * (got[j] - expected(j));
    return std::sqrt(sum / static_cast<double>(got.size()));
  }

  std::shared_ptr<const Context> context;
  secret::SecretKey secret;
  EvalKeys keys;
};

/// The model must be within a quarter of a bit at thousands of slots: far outside of chance, and tight enough to see a
/// forgotten factor of sqrt(2).
inline void expect_predicted(double measured, double predicted) {
  EXPECT_NEAR(std::log2(measured), std::log2(predicted), 0.25)
      << measured << " measured, " << predicted << " predicted";
}

}  // namespace obscura::ckks
