// SPDX-License-Identifier: Apache-2.0
#include "data/zip.h"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "data/gzip.h"

namespace obscura::data {
namespace {

// The records of a zip archive that are read here, each with its signature, and where its fields stand.
constexpr std::uint32_t kEndSignature = 0x06054B50;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kMaxComment = 65535;
constexpr std::uint32_t kEntrySignature = 0x02014B50;
constexpr std::size_t kEntryBytes = 46;
constexpr std::uint32_t kLocalSignature = 0x04034B50;
constexpr std::size_t kLocalBytes = 30;
constexpr std::uint32_t kElsewhere = 0xFFFFFFFF;  ///< a size that stands in a record for archives above 4 GiB

/// A little-endian field of a record.
std::uint32_t field(base::ByteView record, std::size_t at, std::size_t bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = bytes; i-- > 0;) value = value << 8 | std::to_integer<std::uint32_t>(record[at + i]);
  return value;
}

Error damaged(const Storage& archive, const char* what) {
  return error(Code::bad_format, "{}: no zip archive, or a damaged one: {}", archive.path().string(), what);
}

/// The directory of an archive: where the record at its end, which a comment may follow, says that it stands.
Result<base::Bytes> read_directory(const Storage& archive, std::size_t& entries) {
  const std::uint64_t tail_size = std::min<std::uint64_t>(archive.size(), kEndBytes + kMaxComment);
  OBSCURA_TRY(const base::Bytes tail, archive.part(archive.size() - tail_size, tail_size).read_all(tail_size));
  for (std::size_t at = tail.size() < kEndBytes ? 0 : tail.size() - kEndBytes + 1; at-- > 0;) {
    const auto record = base::ByteView(tail).subspan(at);
    if (field(record, 0, 4) != kEndSignature) continue;
    entries = field(record, 10, 2);
    const std::uint64_t size = field(record, 12, 4), offset = field(record, 16, 4);
    if (offset == kElsewhere || size == kElsewhere) {
      return error(Code::unsupported, "{}: an archive above 4 GiB; save its arrays as .npy files",
                   archive.path().string());
    }
    const std::uint64_t end = archive.size() - tail_size + at;
    if (offset > end || size != end - offset) return damaged(archive, "its directory is not where its end says");
    return archive.part(offset, size).read_all(size);
  }
  return damaged(archive, "it has no end");
}

Result<ZipMember> read_entry(const Storage& archive, base::ByteView entry) {
  ZipMember out;
  const auto name = entry.subspan(kEntryBytes, field(entry, 28, 2));
  out.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
  const std::uint32_t flags = field(entry, 8, 2), method = field(entry, 10, 2);
  out.checksum = field(entry, 16, 4);
  out.packed = field(entry, 20, 4);
  out.unpacked = field(entry, 24, 4);
  out.header = field(entry, 42, 4);
  if ((flags & 1U) != 0 || (method != 0 && method != 8)) {
    return error(Code::unsupported, "{}: its member '{}' is encrypted, or packed in a way (method {}) that is not read",
                 archive.path().string(), out.name, method);
  }
  if (out.packed == kElsewhere || out.unpacked == kElsewhere || out.header == kElsewhere) {
    return error(Code::unsupported, "{}: its member '{}' is above 4 GiB; save it as a .npy file",
                 archive.path().string(), out.name);
  }
  out.deflated = method == 8;
  if (!out.deflated && out.packed != out.unpacked) return damaged(archive, "a member has two sizes");
  return out;
}

}  // namespace

Result<std::vector<ZipMember>> list_zip(const Storage& archive) {
  std::size_t entries = 0;
  OBSCURA_TRY(const base::Bytes directory, read_directory(archive, entries));
  if (entries > kMaxMembers) {
    return error(Code::unsupported, "{}: an archive of {} members; at most {} are read", archive.path().string(),
                 entries, kMaxMembers);
  }
  base::ByteView rest = directory;
  std::vector<ZipMember> out;
  for (std::size_t i = 0; i < entries; ++i) {
    if (rest.size() < kEntryBytes || field(rest, 0, 4) != kEntrySignature) return damaged(archive, "its directory");
    const std::size_t size = kEntryBytes + field(rest, 28, 2) + field(rest, 30, 2) + field(rest, 32, 2);
    if (rest.size() < size) return damaged(archive, "its directory is truncated");
    OBSCURA_TRY(ZipMember member, read_entry(archive, rest));
    out.push_back(std::move(member));
    rest = rest.subspan(size);
  }
  return out;
}

Result<Storage> open_member(const Storage& archive, const ZipMember& member) {
  std::array<std::byte, kLocalBytes> local{};
  OBSCURA_TRY_VOID(archive.read(member.header, local));
  if (field(local, 0, 4) != kLocalSignature) return damaged(archive, "a member is not where its directory says");
  const std::uint64_t start = member.header + kLocalBytes + field(local, 26, 2) + field(local, 28, 2);
  if (start > archive.size() || member.packed > archive.size() - start) return damaged(archive, "it is truncated");
  const Storage packed = archive.part(start, member.packed);
  if (!member.deflated) return packed;
  OBSCURA_TRY(const base::Bytes bytes, packed.read_all(kMaxUnpackedBytes));
  OBSCURA_TRY(base::Bytes unpacked, inflate_raw(bytes, archive.path().string(), member.unpacked));
  const auto checksum = crc32_z(0, reinterpret_cast<const Bytef*>(unpacked.data()), unpacked.size());
  if (unpacked.size() != member.unpacked || checksum != member.checksum) {
    return damaged(archive, "a member's checksum or size is wrong");
  }
  return Storage::of_memory(archive.path(), std::move(unpacked));
}

}  // namespace obscura::data
