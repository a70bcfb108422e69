// SPDX-License-Identifier: Apache-2.0
/// Bytes that stay on disk until they are asked for, or were unpacked into memory.
#pragma once

#include <filesystem>
#include <memory>

#include "base/bytes.h"

namespace obscura::data {

/// Compressed files that unpack to more are refused.
inline constexpr std::uint64_t kMaxUnpackedBytes = (4ULL << 30) - 1;

class Storage {
 public:
  /// A whole file. errors: absent, unreadable.
  static Result<Storage> of_file(const std::filesystem::path& path);
  /// What a file, which is named in messages, was unpacked to.
  static Storage of_memory(const std::filesystem::path& path, base::Bytes bytes);
  /// `size` of its bytes from `offset` on, which lie within it.
  Storage part(std::uint64_t offset, std::uint64_t size) const;

  std::uint64_t size() const { return size_; }
  const std::filesystem::path& path() const { return path_; }
  /// Fills `out` from `offset` on. errors: beyond the end ("truncated"); input/output error.
  Result<void> read(std::uint64_t offset, std::span<std::byte> out) const;
  /// All of it. errors: more than `limit` bytes; input/output error.
  Result<base::Bytes> read_all(std::uint64_t limit) const;

 private:
  std::filesystem::path path_;
  std::uint64_t start_ = 0;
  std::uint64_t size_ = 0;
  std::shared_ptr<const base::Bytes> memory_;  ///< null: on disk
};

}  // namespace obscura::data
