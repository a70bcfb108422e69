// SPDX-License-Identifier: Apache-2.0
#include "client/secret_file.h"

#include <cstring>
#include <utility>

#include "wire/binding.h"

namespace obscura::client {

namespace {

constexpr unsigned kSealed = 1, kTrusts = 2;
// name; flags; whom it trusts
constexpr std::size_t kHeadBytes = sizeof(wire::KeyName) + 1 + sizeof(base::VerifyKey);
constexpr std::size_t kPlainBytes = kHeadBytes + sizeof(base::Seed);
constexpr std::size_t kSealedBytes = kHeadBytes + 8 + 8 + 16 + 24 + 48;
// What a file may ask for: a strange one shall not take the machine.
constexpr base::PassphraseCost kMaxCost{16, std::uint64_t{1} << 30};
constexpr std::uint64_t kMinCostBytes = 8192;

template <std::size_t kBytes>
void copy(base::Reader& reader, std::array<std::uint8_t, kBytes>& to) {
  const base::ByteView bytes = reader.raw(kBytes);
  if (reader.ok()) std::memcpy(to.data(), bytes.data(), kBytes);
}

void write_head(base::Writer& w, const SecretFile& file, bool sealed) {
  wire::write_key_name(w, file.name);
  w.u8(static_cast<std::uint8_t>((sealed ? kSealed : 0) | (file.trust ? kTrusts : 0)));
  const base::VerifyKey trust = file.trust.value_or(base::VerifyKey{});
  w.raw(std::as_bytes(std::span(trust)));
}

Result<void> open_sealed(SecretFile& file, base::Reader& r, base::ByteView head, const std::string& name,
                         const PassphraseSource& source) {
  base::SealedSeed sealed;
  sealed.cost = {r.u64(), r.u64()};
  copy(r, sealed.salt);
  copy(r, sealed.nonce);
  copy(r, sealed.box);
  const base::PassphraseCost& cost = sealed.cost;
  if (cost.passes < 1 || cost.passes > kMaxCost.passes || cost.bytes < kMinCostBytes || cost.bytes > kMaxCost.bytes) {
    return error(Code::bad_format,
                 "{}: a passphrase that takes {} passes over {} bytes; 1 to {} over {} to {} are allowed", name,
                 cost.passes, cost.bytes, kMaxCost.passes, kMinCostBytes, kMaxCost.bytes);
  }
  if (!source) return error(Code::wrong_params, "{}: a passphrase protects it, and none was given", name);
  OBSCURA_TRY(const base::LockedBytes passphrase, source());
  auto seed = base::unseal(sealed, passphrase.span(), head);
  if (!seed) {
    return error(Code::wrong_params, "{}: not opened: another passphrase, or the file was changed", name);
  }
  file.seed = std::move(*seed);
  return {};
}

}  // namespace

Result<base::Bytes> write_secret(const SecretFile& file, const base::LockedBytes* passphrase,
                                 const base::PassphraseCost& cost) {
  base::Writer w;
  w.reserve(kSealedBytes);  // the buffer must not move: what it leaves behind nobody overwrites
  write_head(w, file, passphrase != nullptr);
  if (passphrase == nullptr) {
    w.raw(std::as_bytes(std::span(*file.seed)));
  } else {
    const auto sealed = base::seal(*file.seed, passphrase->span(), w.bytes(), cost);
    if (!sealed) {
      return error(Code::infeasible, "a passphrase takes {} MB of memory here, and there is less", cost.bytes >> 20);
    }
    w.u64(sealed->cost.passes);
    w.u64(sealed->cost.bytes);
    w.raw(std::as_bytes(std::span(sealed->salt)));
    w.raw(std::as_bytes(std::span(sealed->nonce)));
    w.raw(std::as_bytes(std::span(sealed->box)));
  }
  base::Bytes payload = w.take();
  base::Bytes frame = wire::make_frame(wire::Kind::secret_key, payload);
  base::zeroize(payload.data(), payload.size());
  base::zeroize_stack();
  return frame;
}

Result<SecretFile> read_secret(base::ByteView frame, const std::string& name, const PassphraseSource& passphrase) {
  OBSCURA_TRY(const base::ByteView payload, wire::open_frame(frame, wire::Kind::secret_key, name));
  base::Reader r(payload);
  SecretFile file;
  file.name = wire::read_key_name(r);
  const unsigned flags = r.u8();
  base::VerifyKey trust{};
  copy(r, trust);
  if ((flags & kTrusts) != 0) file.trust = trust;
  const std::size_t expected = (flags & kSealed) != 0 ? kSealedBytes : kPlainBytes;
  if (payload.size() != expected || flags > (kSealed | kTrusts)) {
    return error(Code::bad_format, "{}: a secret key of {} bytes, expected {}", name, payload.size(), expected);
  }
  if ((flags & kSealed) != 0) {
    OBSCURA_TRY_VOID(open_sealed(file, r, payload.first(kHeadBytes), name, passphrase));
  } else {
    copy(r, *file.seed);
  }
  return file;
}

Result<SecretFile> read_secret_file(const std::filesystem::path& path, const PassphraseSource& passphrase) {
  OBSCURA_TRY(base::InputFile in, base::InputFile::open(path));
  OBSCURA_TRY(base::Bytes frame, wire::read_frame(in, wire::Kind::secret_key, kSealedBytes));
  const auto read = [&]() -> Result<SecretFile> {
    if (in.remaining() > 0) {
      return error(Code::bad_format, "{}: {} bytes after its end", path.string(), in.remaining());
    }
    OBSCURA_TRY_VOID(in.require_private());
    return read_secret(frame, path.string(), passphrase);
  };
  auto file = read();
  base::zeroize(frame.data(), frame.size());
  base::zeroize_stack();
  return file;
}

}  // namespace obscura::client
