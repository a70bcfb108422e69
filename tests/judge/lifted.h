// SPDX-License-Identifier: Apache-2.0
/// The conjugate-invariant ring as an outside library sees it: a polynomial of degree N in X + 1/X is one of degree 2N
/// in the standard ring, sum c_j (X^j + X^-j) = c_0 + sum c_j (X^j - X^(2N - j)), and slot j is that ring's slot j.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ckks/evaluator.h"
#include "secret/crypt.h"

namespace obscura::judge {

/// In +-1.
std::vector<double> uniform_slots(std::size_t count, unsigned seed);

/// Keys and ciphertexts of the ring of half the degree of `standard`, with its primes.
class Lifted {
 public:
  explicit Lifted(std::shared_ptr<const ckks::Context> standard);

  const ckks::Context& context() const { return *context_; }
  /// The same polynomial, on the primes of the standard ring.
  ring::NttPoly lift(const ring::NttPoly& poly) const;
  ckks::Ciphertext lift(const ckks::Ciphertext& x) const;
  const secret::SecretKey& secret() const { return secret_; }
  const std::vector<double>& a() const { return a_; }
  const std::vector<double>& b() const { return b_; }
  const std::map<std::string, ckks::Ciphertext>& ours() const { return ours_; }

 private:
  std::shared_ptr<const ckks::Context> standard_, context_;
  secret::SecretKey secret_;
  std::vector<double> a_, b_;
  std::map<std::string, ckks::Ciphertext> ours_;
};

}  // namespace obscura::judge
