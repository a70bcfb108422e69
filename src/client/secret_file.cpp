// SPDX-License-Identifier: Apache-2.0
#include "client/secret_file.h"

#include <cstring>

#include "wire/binding.h"

namespace obscura::client {

namespace {
constexpr std::size_t kPayloadBytes = wire::kBindingBytes + sizeof(base::Seed);
}

base::Bytes write_secret(const SecretFile& file) {
  base::Writer w;
  wire::write_binding(w, file.binding);
  w.raw(std::as_bytes(std::span(file.seed)));
  return wire::make_frame(wire::Kind::secret_key, w.bytes());
}

Result<SecretFile> read_secret(base::ByteView frame, const std::string& name) {
  OBSCURA_TRY(const base::ByteView payload, wire::open_frame(frame, wire::Kind::secret_key, name));
  if (payload.size() != kPayloadBytes) {
    return error(Code::bad_format, "{}: a secret key of {} bytes, expected {}", name, payload.size(), kPayloadBytes);
  }
  base::Reader r(payload);
  SecretFile file;
  file.binding = wire::read_binding(r);
  std::memcpy(file.seed.data(), r.raw(file.seed.size()).data(), file.seed.size());
  return file;
}

Result<SecretFile> read_secret_file(const std::filesystem::path& path) {
  OBSCURA_TRY(base::Bytes frame, wire::read_frame_file(path, wire::Kind::secret_key, kPayloadBytes));
  auto file = read_secret(frame, path.string());
  base::zeroize(frame.data(), frame.size());
  return file;
}

}  // namespace obscura::client
