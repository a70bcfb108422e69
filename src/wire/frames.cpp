// SPDX-License-Identifier: Apache-2.0
#include "wire/frames.h"

#include <algorithm>
#include <cstring>

#include "base/random.h"

namespace obscura::wire {

namespace {

constexpr std::uint8_t kMagic[4] = {'O', 'B', 'S', 'C'};

bool known(std::uint32_t kind) { return kind >= 1 && kind <= static_cast<std::uint32_t>(Kind::trust); }

struct Header {
  Kind kind = Kind::plan;
  std::uint64_t length = 0;
};

Result<Header> parse_header(base::ByteView bytes, const std::string& name) {
  if (bytes.size() < sizeof kMagic || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) {
    return error(Code::bad_format, "{}: not a file of Obscura", name);
  }
  base::Reader reader(bytes.subspan(sizeof kMagic));
  const std::uint32_t kind = reader.u32();
  const std::uint32_t version = reader.u32();
  const std::uint64_t length = reader.u64();
  if (!reader.ok()) return error(Code::bad_format, "{}: truncated: {} bytes", name, bytes.size());
  if (version != kVersion) {
    return error(Code::unsupported,
                 "{}: format version {}, this program reads version {}: make the file again with this program{}", name,
                 version, kVersion, version < kVersion ? ", from the plan on (obscura compile)" : " or a newer one");
  }
  if (!known(kind)) return error(Code::bad_format, "{}: a file of unknown kind {}", name, kind);
  return Header{static_cast<Kind>(kind), length};
}

/// Bytes of the header of the next frame that the file still has.
std::size_t header_there(const base::InputFile& file) {
  return static_cast<std::size_t>(std::min<std::uint64_t>(kHeaderBytes, file.remaining()));
}

Result<void> check_header(const Header& header, Kind expected, std::uint64_t max_payload, const std::string& name) {
  if (header.kind != expected) {
    return error(Code::bad_format, "{}: {}, expected {}", name, describe(header.kind), describe(expected));
  }
  if (header.length > max_payload) {
    return error(Code::bad_format, "{}: a payload of {} bytes, at most {} are allowed here", name, header.length,
                 max_payload);
  }
  return {};
}

Result<void> check_digest(base::ByteView frame, const std::string& name) {
  const Digest actual = base::digest(frame.first(frame.size() - kDigestBytes));
  if (actual != frame_digest(frame)) {
    return error(Code::bad_format, "{}: damaged: the digest does not match its content", name);
  }
  return {};
}

}  // namespace

const char* describe(Kind kind) {
  switch (kind) {
    case Kind::plan:
      return "a plan";
    case Kind::offer:
      return "an offer";
    case Kind::secret_key:
      return "a secret-key file";
    case Kind::evaluation_keys:
      return "an evaluation-key file";
    case Kind::inputs:
      return "a file of encrypted inputs";
    case Kind::outputs:
      return "a file of encrypted outputs";
    case Kind::record:
      return "a ciphertext record";
    case Kind::key:
      return "an evaluation key";
    case Kind::state:
      return "a file of a run's state";
    case Kind::signature:
      return "a signature";
    case Kind::signing_key:
      return "a signing key, which is secret";
    case Kind::trust:
      return "a key to trust";
  }
  return "a file of unknown kind";
}

std::string hex(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const std::uint8_t b : bytes) text += fmt::format("{:02x}", b);
  return text;
}

std::string short_name(std::span<const std::uint8_t> bytes) {
  return hex(bytes.first(std::min<std::size_t>(8, bytes.size())));
}

base::Bytes make_frame(Kind kind, base::ByteView payload) {
  base::Writer writer;
  writer.reserve(kHeaderBytes + payload.size() + kDigestBytes);  // a secret may not stay in a smaller buffer
  writer.raw(std::as_bytes(std::span(kMagic)));
  writer.u32(static_cast<std::uint32_t>(kind));
  writer.u32(kVersion);
  writer.u64(payload.size());
  writer.raw(payload);
  const Digest digest = base::digest(writer.bytes());
  writer.raw(std::as_bytes(std::span(digest)));
  return writer.take();
}

Digest frame_digest(base::ByteView frame) {
  OBSCURA_CHECK(frame.size() >= kHeaderBytes + kDigestBytes, "a frame of {} bytes", frame.size());
  Digest digest;
  std::memcpy(digest.data(), frame.last(kDigestBytes).data(), kDigestBytes);
  return digest;
}

Result<base::ByteView> open_frame(base::ByteView bytes, Kind expected, const std::string& name) {
  OBSCURA_TRY(const Header header, parse_header(bytes, name));
  OBSCURA_TRY_VOID(check_header(header, expected, kMaxPayload, name));
  const std::uint64_t whole = kHeaderBytes + header.length + kDigestBytes;
  if (bytes.size() < whole) {
    return error(Code::bad_format, "{}: truncated: {} bytes of {}", name, bytes.size(), whole);
  }
  if (bytes.size() > whole) {
    return error(Code::bad_format, "{}: {} bytes after its end", name, bytes.size() - whole);
  }
  OBSCURA_TRY_VOID(check_digest(bytes, name));
  return bytes.subspan(kHeaderBytes, static_cast<std::size_t>(header.length));  // at most bytes.size()
}

Result<base::Bytes> read_frame(base::InputFile& file, Kind expected, std::uint64_t max_payload) {
  const std::string name = file.path().string();
  base::Bytes bytes(header_there(file));
  OBSCURA_TRY_VOID(file.read(bytes));
  OBSCURA_TRY(const Header header, parse_header(bytes, name));
  OBSCURA_TRY_VOID(check_header(header, expected, max_payload, name));
  if (file.remaining() < header.length + kDigestBytes) {
    return error(Code::bad_format, "{}: truncated: {} bytes are missing at its end", name,
                 header.length + kDigestBytes - file.remaining());
  }
  bytes.resize(
      static_cast<std::size_t>(kHeaderBytes + header.length + kDigestBytes));  // at most kMaxPayload, and there
  OBSCURA_TRY_VOID(file.read(std::span(bytes).subspan(kHeaderBytes)));
  return bytes;
}

Result<void> skip_frame(base::InputFile& file, Kind expected) {
  const std::string name = file.path().string();
  base::Bytes bytes(header_there(file));
  OBSCURA_TRY_VOID(file.read(bytes));
  OBSCURA_TRY(const Header header, parse_header(bytes, name));
  OBSCURA_TRY_VOID(check_header(header, expected, kMaxPayload, name));
  return file.seek(file.size() - file.remaining() + header.length + kDigestBytes);
}

bool only_frame_left(const base::InputFile& file, std::uint64_t payload) {
  return file.remaining() == kHeaderBytes + payload + kDigestBytes;
}

Result<base::Bytes> read_frame_file(const std::filesystem::path& path, Kind expected, std::uint64_t max_payload) {
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  OBSCURA_TRY(base::Bytes bytes, read_frame(file, expected, max_payload));
  if (file.remaining() > 0) {
    return error(Code::bad_format, "{}: {} bytes after its end", path.string(), file.remaining());
  }
  return bytes;
}

Result<Kind> read_kind(const std::filesystem::path& path) {
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  base::Bytes bytes(header_there(file));
  OBSCURA_TRY_VOID(file.read(bytes));
  OBSCURA_TRY(const Header header, parse_header(bytes, path.string()));
  return header.kind;
}

}  // namespace obscura::wire
