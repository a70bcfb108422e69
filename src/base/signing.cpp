// SPDX-License-Identifier: Apache-2.0
#include "base/signing.h"

#include <sodium.h>

#include <utility>

#include "base/check.h"

namespace obscura::base {

namespace {

using Secret64 = std::array<std::uint8_t, 64>;

const std::uint8_t* pointer(std::span<const std::byte> bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

/// The key of a box: what the passphrase gives, and what stands beside the box.
std::optional<Locked<Seed>> box_key(const SealedSeed& sealed, std::span<const std::uint8_t> passphrase,
                                    std::span<const std::byte> context) {
  if (sealed.cost.bytes > SIZE_MAX) return std::nullopt;
  Locked<Seed> stretched, key;
  if (crypto_pwhash(stretched->data(), stretched->size(), reinterpret_cast<const char*>(passphrase.data()),
                    passphrase.size(), sealed.salt.data(), sealed.cost.passes,
                    static_cast<std::size_t>(sealed.cost.bytes), crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return std::nullopt;
  }
  crypto_generichash(key->data(), key->size(), pointer(context), context.size(), stretched->data(), stretched->size());
  return key;
}

}  // namespace

void* allocate_locked(std::size_t size) {
  require_sodium();
  void* const data = sodium_malloc(size);
  if (data == nullptr) throw std::bad_alloc();
  sodium_memzero(data, size);
  return data;
}

void free_locked(void* data) { sodium_free(data); }

bool lock_pages(void* data, std::size_t size) { return sodium_mlock(data, size) == 0; }

void unlock_pages(void* data, std::size_t size) { sodium_munlock(data, size); }

SigningKey make_signing_key() {
  Locked<Seed> seed;
  fill_random(*seed);
  return signing_key_of(std::move(seed));
}

SigningKey signing_key_of(Locked<Seed> seed) {
  require_sodium();
  SigningKey key{std::move(seed), {}};
  Locked<Secret64> secret;
  crypto_sign_seed_keypair(key.verify.data(), secret->data(), key.seed->data());
  return key;
}

Signature sign(const SigningKey& key, std::span<const std::byte> message) {
  Locked<Secret64> secret;
  VerifyKey verify;
  crypto_sign_seed_keypair(verify.data(), secret->data(), key.seed->data());
  Signature signature;
  crypto_sign_detached(signature.data(), nullptr, pointer(message), message.size(), secret->data());
  return signature;
}

bool verify(const VerifyKey& key, const Signature& signature, std::span<const std::byte> message) {
  require_sodium();
  return crypto_sign_verify_detached(signature.data(), pointer(message), message.size(), key.data()) == 0;
}

std::array<std::uint8_t, 16> keyed_digest(std::span<const std::uint8_t, 32> key, std::span<const std::byte> message) {
  std::array<std::uint8_t, 16> out{};
  crypto_generichash(out.data(), out.size(), pointer(message), message.size(), key.data(), key.size());
  return out;
}

bool equal_secrets(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::optional<SealedSeed> seal(const Seed& seed, std::span<const std::uint8_t> passphrase,
                               std::span<const std::byte> context, const PassphraseCost& cost) {
  require_sodium();
  SealedSeed sealed;
  sealed.cost = cost;
  randombytes_buf(sealed.salt.data(), sealed.salt.size());
  randombytes_buf(sealed.nonce.data(), sealed.nonce.size());
  const auto key = box_key(sealed, passphrase, context);
  if (!key) return std::nullopt;
  crypto_secretbox_easy(sealed.box.data(), seed.data(), seed.size(), sealed.nonce.data(), (*key)->data());
  return sealed;
}

std::optional<Locked<Seed>> unseal(const SealedSeed& sealed, std::span<const std::uint8_t> passphrase,
                                   std::span<const std::byte> context) {
  require_sodium();
  const auto key = box_key(sealed, passphrase, context);
  Locked<Seed> seed;
  if (!key || crypto_secretbox_open_easy(seed->data(), sealed.box.data(), sealed.box.size(), sealed.nonce.data(),
                                         (*key)->data()) != 0) {
    return std::nullopt;
  }
  return seed;
}

}  // namespace obscura::base
