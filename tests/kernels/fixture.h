// SPDX-License-Identifier: Apache-2.0
/// Inputs at the edges of the ranges, for every kernel table that this machine runs.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "ckks/params.h"
#include "kernels/kernels.h"

namespace obscura::kernels {

/// Aligned residues.
class Residues {
 public:
  explicit Residues(std::size_t n) : octets_(n / 8), n_(n) {}
  double* data() { return octets_.front().lane; }
  const double* data() const { return octets_.front().lane; }
  double& operator[](std::size_t i) { return data()[i]; }
  double operator[](std::size_t i) const { return data()[i]; }
  std::size_t size() const { return n_; }

 private:
  std::vector<Octet> octets_;
  std::size_t n_;
};

/// Random, all at the largest magnitude with random signs, all +largest, and small.
enum class Pattern { random, extreme_signs, extreme, small };
inline constexpr Pattern kPatterns[] = {Pattern::random, Pattern::extreme_signs, Pattern::extreme, Pattern::small};

inline Residues make_residues(std::size_t n, double largest, Pattern pattern, unsigned seed) {
  std::mt19937_64 generator(seed);
  std::uniform_real_distribution<double> uniform(-largest, largest);
  Residues out(n);
  for (std::size_t i = 0; i < n; ++i) {
    switch (pattern) {
      case Pattern::random:
        out[i] = std::trunc(uniform(generator));
        break;
      case Pattern::extreme_signs:
        out[i] = (generator() & 1) != 0 ? std::floor(largest) : -std::floor(largest);
        break;
      case Pattern::extreme:
        out[i] = std::floor(largest);
        break;
      case Pattern::small:
        out[i] = static_cast<double>(generator() % 3) - 1;
        break;
    }
  }
  return out;
}

inline std::uint64_t first_prime(int log2_degree, int bits) {
  return ckks::make_primes(log2_degree, bits, 1, {}).value().front();
}

/// The least magnitude of x mod p, exactly.
inline std::int64_t centred(__int128 x, std::uint64_t prime) {
  const auto p = static_cast<std::int64_t>(prime);
  auto r = static_cast<std::int64_t>(x % p);
  if (r > p / 2) r -= p;
  if (r < -(p / 2)) r += p;
  return r;
}

/// `got` is congruent to `want` and at rest in |x| <= 0.6 p.
inline void expect_congruent(const Residues& got, const Residues& want, const Modulus& m, const std::string& what) {
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_LE(std::fabs(got[i]), 0.6 * m.p) << what << " at " << i;
    ASSERT_EQ(centred(static_cast<std::int64_t>(got[i]), m.value), centred(static_cast<std::int64_t>(want[i]), m.value))
        << what << " at " << i;
  }
}

}  // namespace obscura::kernels
