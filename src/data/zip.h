// SPDX-License-Identifier: Apache-2.0
/// zip archives, as far as numpy writes them.
#pragma once

#include <string>
#include <vector>

#include "data/storage.h"

namespace obscura::data {

struct ZipMember {
  std::string name;
  bool deflated = false;     ///< else its bytes stand as they are
  std::uint64_t header = 0;  ///< where its local header starts
  std::uint64_t packed = 0;  ///< bytes in the archive
  std::uint64_t unpacked = 0;
  std::uint32_t checksum = 0;  ///< CRC-32 of the unpacked bytes
};

/// Members more than these are refused.
inline constexpr std::size_t kMaxMembers = 4096;

/// In the order of the archive. errors: no zip archive, truncated or damaged; above 4 GiB; a member that is encrypted
/// or packed by other than deflate.
Result<std::vector<ZipMember>> list_zip(const Storage& archive);

/// A member's bytes, in the archive if they are not deflated, else unpacked into memory and held to their checksum.
/// errors: damaged, truncated; above kMaxUnpackedBytes.
Result<Storage> open_member(const Storage& archive, const ZipMember& member);

}  // namespace obscura::data
