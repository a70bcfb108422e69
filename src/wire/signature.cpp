// SPDX-License-Identifier: Apache-2.0
#include "wire/signature.h"

#include <cstring>
#include <utility>

#include "base/random.h"

namespace obscura::wire {

namespace {

/// What is signed: no signature for one purpose is one for another.
base::Bytes message_of(Kind kind, const Digest& digest) {
  base::Writer w;
  w.text("obscura signature");
  w.u32(kVersion);
  w.u32(static_cast<std::uint32_t>(kind));
  w.raw(std::as_bytes(std::span(digest)));
  return w.take();
}

template <std::size_t kBytes>
void copy(base::Reader& reader, std::array<std::uint8_t, kBytes>& to) {
  const base::ByteView bytes = reader.raw(kBytes);
  if (reader.ok()) std::memcpy(to.data(), bytes.data(), kBytes);
}

Result<base::ByteView> open_sized(base::ByteView frame, Kind kind, std::size_t bytes, const std::string& name) {
  OBSCURA_TRY(const base::ByteView payload, open_frame(frame, kind, name));
  if (payload.size() == bytes) return payload;
  return error(Code::bad_format, "{}: {} of {} bytes, expected {}", name, describe(kind), payload.size(), bytes);
}

}  // namespace

base::Bytes write_signature(const base::SigningKey& key, Kind kind, const Digest& digest) {
  const base::Signature signature = base::sign(key, message_of(kind, digest));
  base::Writer w;
  w.raw(std::as_bytes(std::span(key.verify)));
  w.raw(std::as_bytes(std::span(signature)));
  return make_frame(Kind::signature, w.bytes());
}

Result<base::VerifyKey> read_signature(base::InputFile& file, Kind kind, const Digest& digest) {
  const std::string name = file.path().string();
  OBSCURA_TRY(const base::Bytes frame, read_frame(file, Kind::signature, kSignaturePayload));
  OBSCURA_TRY(const base::ByteView payload, open_sized(frame, Kind::signature, kSignaturePayload, name));
  base::Reader r(payload);
  base::VerifyKey key{};
  base::Signature signature{};
  copy(r, key);
  copy(r, signature);
  if (!base::verify(key, signature, message_of(kind, digest))) {
    return error(Code::bad_format, "{}: its signature by {} is not of this content: it was changed, or forged", name,
                 short_name(key));
  }
  return key;
}

Result<void> require_signer(const std::optional<base::VerifyKey>& signer, const base::VerifyKey& trusted,
                            const std::string& name) {
  if (!signer) {
    return error(Code::wrong_params, "{}: not signed; only what {} signed is trusted here", name, short_name(trusted));
  }
  if (*signer == trusted) return {};
  return error(Code::wrong_params, "{}: signed by {}; only what {} signed is trusted here", name, short_name(*signer),
               short_name(trusted));
}

base::Bytes write_signing_key(const base::SigningKey& key) {
  return make_frame(Kind::signing_key, std::as_bytes(std::span(*key.seed)));
}

base::Bytes write_trust(const base::VerifyKey& key) { return make_frame(Kind::trust, std::as_bytes(std::span(key))); }

Result<base::SigningKey> read_signing_key_file(const std::filesystem::path& path) {
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  OBSCURA_TRY(base::Bytes frame, read_frame(file, Kind::signing_key, sizeof(base::Seed)));
  base::Locked<base::Seed> seed;
  const auto payload = open_sized(frame, Kind::signing_key, sizeof(base::Seed), path.string());
  if (payload) std::memcpy(seed->data(), payload->data(), seed->size());
  base::zeroize(frame.data(), frame.size());
  if (!payload) return payload.error();
  OBSCURA_TRY_VOID(file.require_private());
  return base::signing_key_of(std::move(seed));
}

Result<base::VerifyKey> read_trust_file(const std::filesystem::path& path) {
  OBSCURA_TRY(const base::Bytes frame, read_frame_file(path, Kind::trust, sizeof(base::VerifyKey)));
  OBSCURA_TRY(const base::ByteView payload, open_sized(frame, Kind::trust, sizeof(base::VerifyKey), path.string()));
  base::Reader r(payload);
  base::VerifyKey key{};
  copy(r, key);
  return key;
}

}  // namespace obscura::wire
