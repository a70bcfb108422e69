// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <sodium.h>

#include <cstring>

#include "base/check.h"

namespace obscura::base {

void require_sodium() {
  static const int state = sodium_init();
  OBSCURA_CHECK(state >= 0, "libsodium cannot start");
}

Seed random_seed() {
  require_sodium();
  Seed seed;
  randombytes_buf(seed.data(), seed.size());
  return seed;
}

void fill_random(std::span<std::uint8_t> out) {
  require_sodium();
  randombytes_buf(out.data(), out.size());
}

void zeroize(void* data, std::size_t size) { sodium_memzero(data, size); }

void zeroize_stack() { sodium_stackzero(std::size_t{32} << 10); }

Stream::Stream(const Seed& seed, std::uint64_t domain) : seed_(seed) {
  require_sodium();
  std::memcpy(nonce_.data(), &domain, sizeof domain);
}

Stream::Stream(FreshSeed) { fill_random(seed_); }

Stream::~Stream() {
  zeroize(seed_.data(), seed_.size());
  zeroize(buffer_.data(), buffer_.size());
}

void Stream::refill() {
  // Each nonce has 2^32 blocks of 64 bytes; far more than any polynomial needs, so running out is a bug.
  OBSCURA_CHECK(block_ <= UINT32_MAX - buffer_.size() / 64, "random stream used up");
  buffer_.fill(0);
  crypto_stream_chacha20_ietf_xor_ic(buffer_.data(), buffer_.data(), buffer_.size(), nonce_.data(), block_,
                                     seed_.data());
  block_ += static_cast<std::uint32_t>(buffer_.size() / 64);
  used_ = 0;
}

void Stream::fill(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    if (used_ == buffer_.size()) refill();
    const std::size_t n = std::min(out.size(), buffer_.size() - used_);
    std::memcpy(out.data(), buffer_.data() + used_, n);
    used_ += n;
    out = out.subspan(n);
  }
}

std::uint64_t Stream::u64() {
  std::uint64_t v = 0;
  if (buffer_.size() - used_ >= sizeof v) {
    std::memcpy(&v, buffer_.data() + used_, sizeof v);
    used_ += sizeof v;
  } else {
    std::array<std::uint8_t, sizeof v> bytes;
    fill(bytes);
    std::memcpy(&v, bytes.data(), sizeof v);
  }
  return v;
}

std::array<std::uint8_t, 32> digest(std::span<const std::byte> bytes) {
  std::array<std::uint8_t, 32> out{};
  crypto_generichash(out.data(), out.size(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), nullptr,
                     0);
  return out;
}

}  // namespace obscura::base
