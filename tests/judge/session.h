// SPDX-License-Identifier: Apache-2.0
/// One exchange with SEAL: our keys and ciphertexts go out, its answers come back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ckks/evaluator.h"
#include "secret/crypt.h"
#include "tests/judge/exchange.h"
#include "tests/judge/lifted.h"

namespace obscura::judge {

/// N = 2^13 with three primes and one special, digits of one limb: what SEAL's key switching is. At kScale a product
/// still fits the chain and is rescaled once; a product at kSmallScale decodes finely enough to see the errors of key
/// switching; one at kLargeScale is rescaled by two primes at once.
inline constexpr double kScale = 0x1p46;
inline constexpr double kSmallScale = 0x1p23;
inline constexpr double kLargeScale = 0x1p61;

class Session {
 public:
  Session();
  /// Why SEAL cannot be asked here, or nothing.
  static std::optional<std::string> why_absent();
  /// errors  node fails (its message), or its answer is damaged.
  Result<Inbox> ask() const;

  const ckks::Context& context() const { return *context_; }
  const secret::SecretKey& secret() const { return secret_; }
  const ckks::EvalKeys& keys() const { return keys_; }
  const std::vector<double>& a() const { return a_; }
  const std::vector<double>& b() const { return b_; }
  /// What ask() sends under the name ours.NAME.
  const ckks::Ciphertext& ours(const std::string& name) const { return ours_.at(name); }
  const ring::NttPoly& plain() const { return plain_; }
  /// What ask() sends under the names lifted.NAME.
  const Lifted& lifted() const { return lifted_; }
  std::vector<double> decrypt(const ckks::Ciphertext& x) const { return secret::decrypt(*context_, secret_, x); }
  /// Powers of X that our Galois keys serve, and SEAL's. SEAL makes keys for powers of 3 only, so of our rotations for
  /// those by an even step; ours serve it for any.
  std::vector<std::uint64_t> our_elements() const;
  std::vector<std::uint64_t> their_elements() const;

 private:
  base::Bytes question() const;
  ckks::Ciphertext encrypt(std::span<const double> slots, double scale, std::size_t limbs) const;
  std::shared_ptr<const ckks::Context> context_;
  secret::SecretKey secret_;
  ckks::EvalKeys keys_;
  std::vector<double> a_;
  std::vector<double> b_;
  ring::NttPoly plain_;
  std::map<std::string, ckks::Ciphertext> ours_;
  Lifted lifted_;
};

}  // namespace obscura::judge
