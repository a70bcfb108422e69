// SPDX-License-Identifier: Apache-2.0
#include "wire/binding.h"

#include <cstring>

#include "base/random.h"

namespace obscura::wire {

namespace {

template <std::size_t kBytes>
void read_into(base::Reader& reader, std::array<std::uint8_t, kBytes>& out) {
  const base::ByteView bytes = reader.raw(kBytes);
  if (reader.ok()) std::memcpy(out.data(), bytes.data(), kBytes);
}

}  // namespace

void write_binding(base::Writer& writer, const Binding& binding) {
  writer.raw(std::as_bytes(std::span(binding.plan)));
  writer.raw(std::as_bytes(std::span(binding.key)));
}

Binding read_binding(base::Reader& reader) {
  Binding binding;
  read_into(reader, binding.plan);
  read_into(reader, binding.key);
  return binding;
}

void write_key_name(base::Writer& writer, const KeyName& name) {
  writer.raw(std::as_bytes(std::span(name.params)));
  writer.raw(std::as_bytes(std::span(name.key)));
}

KeyName read_key_name(base::Reader& reader) {
  KeyName name;
  read_into(reader, name.params);
  read_into(reader, name.key);
  return name;
}

void write_nonce(base::Writer& writer, const Nonce& nonce) { writer.raw(std::as_bytes(std::span(nonce))); }

Nonce read_nonce(base::Reader& reader) {
  Nonce nonce{};
  read_into(reader, nonce);
  return nonce;
}

Digest name_of_params(const ckks::ParamsLiteral& params) {
  base::Writer w;
  w.text("obscura parameters");
  w.u32(static_cast<std::uint32_t>(params.log2_degree));
  for (const auto* primes : {&params.chain, &params.special}) {
    w.u32(static_cast<std::uint32_t>(primes->size()));
    for (const std::uint64_t prime : *primes) w.u64(prime);
  }
  w.u32(static_cast<std::uint32_t>(params.digit_limbs));
  w.u8(static_cast<std::uint8_t>(params.ring));
  return base::digest(w.bytes());
}

}  // namespace obscura::wire
