// SPDX-License-Identifier: Apache-2.0
/// Secret keys, and the evaluation keys made from them. Only the client links this folder.
#pragma once

#include <array>
#include <map>
#include <span>

#include "base/locked.h"
#include "ckks/context.h"
#include "ckks/values.h"

namespace obscura::secret {

/// A uniform ternary secret, expanded from a 256-bit seed. Not copyable; in locked memory as far as the system's limit
/// goes; overwritten when it goes.
class SecretKey {
 public:
  /// A fresh key.
  static SecretKey generate(const ckks::Context& context);
  /// The key of a seed that secret_seed() gave.
  static SecretKey from_seed(const ckks::Context& context, const base::Seed& seed);
  static SecretKey from_seed(const ckks::Context& context, base::Locked<base::Seed> seed);
  SecretKey(SecretKey&&) noexcept = default;
  SecretKey& operator=(SecretKey&&) noexcept = default;
  ~SecretKey();
  /// All that must be stored to have the key again. Whoever has it decrypts everything.
  const base::Seed& secret_seed() const { return *seed_; }
  /// 16 bytes of a message that nobody without this key can make, or tell from chance.
  std::array<std::uint8_t, 16> mark(std::span<const std::byte> message) const;
  /// s over chain and special primes, NTT form.
  const ring::NttPoly& poly() const { return poly_; }

 private:
  SecretKey() = default;
  base::Locked<base::Seed> seed_;
  ring::NttPoly poly_;
};

/// The key that relinearize needs: from s^2 to s.
/// cost    beta (L + K) NTTs and samples
ckks::SwitchKey make_relinearization_key(const ckks::Context& context, const SecretKey& secret);

/// The key that rotate and conjugate need for X -> X^element (Context::galois_element): from s to the inverse
/// automorphism's s, so that one permutation of the result is enough.
/// cost    as above
ckks::SwitchKey make_galois_key(const ckks::Context& context, const SecretKey& secret, std::uint64_t element);
/// The same for ciphertexts of at most `limbs` limbs: the key lacks the chain limbs and digits above.
ckks::SwitchKey make_galois_key(const ckks::Context& context, const SecretKey& secret, std::uint64_t element,
                                std::size_t limbs);

/// The Galois keys of exactly these rotation steps (step 0 needs none), by element: what EvalKeys::galois holds.
/// cost    one key a step
std::map<std::uint64_t, ckks::SwitchKey> make_galois_keys(const ckks::Context& context, const SecretKey& secret,
                                                          std::span<const std::int64_t> steps);

/// The key with which anybody may encrypt for the owner of the secret.
ckks::PublicKey make_public_key(const ckks::Context& context, const SecretKey& secret);

}  // namespace obscura::secret
