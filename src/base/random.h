// SPDX-License-Identifier: Apache-2.0
/// Cryptographic randomness (libsodium): fresh seeds from the operating system, and keystreams from a seed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace obscura::base {

/// 256 bits. A seed that expands to the uniform half of a ciphertext or key is public; one that expands to secrets or
/// noise is never stored.
using Seed = std::array<std::uint8_t, 32>;

/// Starts libsodium, which what draws, signs or seals does by itself. ContractError where it cannot.
void require_sodium();

/// A fresh seed from the operating system.
Seed random_seed();

/// The same where it is to stay: secrets go where they are kept, without a copy on the way.
void fill_random(std::span<std::uint8_t> out);

/// Overwrites memory in a way that the compiler may not remove.
void zeroize(void* data, std::size_t size);
/// The same of what the functions that were called left below the caller's frame.
void zeroize_stack();

struct FreshSeed {};

/// The ChaCha20 (IETF) keystream of a seed. Streams of one seed with different `domain` numbers are independent.
class Stream {
 public:
  Stream(const Seed& seed, std::uint64_t domain);
  /// Of a fresh seed that nothing else ever knows.
  explicit Stream(FreshSeed);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  void fill(std::span<std::uint8_t> out);
  std::uint64_t u64();

 private:
  void refill();
  Seed seed_{};
  std::array<std::uint8_t, 12> nonce_{};
  std::uint32_t block_ = 0;
  std::array<std::uint8_t, 4096> buffer_{};
  std::size_t used_ = 4096;
};

/// The BLAKE2b-256 digest of bytes: names what belongs together (a plan and its keys); not a signature.
std::array<std::uint8_t, 32> digest(std::span<const std::byte> bytes);

}  // namespace obscura::base
