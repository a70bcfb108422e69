// SPDX-License-Identifier: Apache-2.0
/// Signatures (Ed25519), keyed digests, and boxes that a passphrase opens: libsodium's, with its own names hidden.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/locked.h"
#include "base/random.h"

namespace obscura::base {

/// Whoever has it can tell a signature of its owner from any other.
using VerifyKey = std::array<std::uint8_t, 32>;
using Signature = std::array<std::uint8_t, 64>;

/// What signs; its seed is all that must be kept.
struct SigningKey {
  Locked<Seed> seed;
  VerifyKey verify{};
};
SigningKey make_signing_key();
SigningKey signing_key_of(Locked<Seed> seed);
Signature sign(const SigningKey& key, std::span<const std::byte> message);
bool verify(const VerifyKey& key, const Signature& signature, std::span<const std::byte> message);

/// BLAKE2b-128 under a key: nobody without it can make or check one.
std::array<std::uint8_t, 16> keyed_digest(std::span<const std::uint8_t, 32> key, std::span<const std::byte> message);
/// Whether two are equal, in a time that does not tell where they differ.
bool equal_secrets(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b);

/// What it costs to try one passphrase: Argon2id's passes over so much memory.
struct PassphraseCost {
  std::uint64_t passes = 3;
  std::uint64_t bytes = std::uint64_t{256} << 20;
};

/// A seed that only a passphrase opens (Argon2id, then XSalsa20 and Poly1305).
struct SealedSeed {
  PassphraseCost cost;
  std::array<std::uint8_t, 16> salt{};
  std::array<std::uint8_t, 24> nonce{};
  std::array<std::uint8_t, 48> box{};
};
/// `context` is what stands beside it: with another one it does not open. nothing: too little memory
std::optional<SealedSeed> seal(const Seed& seed, std::span<const std::uint8_t> passphrase,
                               std::span<const std::byte> context, const PassphraseCost& cost);
/// Nothing where passphrase, context or box are others, or memory is too little.
std::optional<Locked<Seed>> unseal(const SealedSeed& sealed, std::span<const std::uint8_t> passphrase,
                                   std::span<const std::byte> context);

}  // namespace obscura::base
