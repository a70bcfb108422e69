// SPDX-License-Identifier: Apache-2.0
/// Files: bounded reading, and output that is whole or absent.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string>

#include "base/bytes.h"

namespace obscura::base {

/// The whole file. errors: absent, unreadable, a folder, or over `limit` bytes.
Result<Bytes> read_file(const std::filesystem::path& path, std::uint64_t limit);

/// Reads a file from its start in pieces.
class InputFile {
 public:
  static Result<InputFile> open(const std::filesystem::path& path);
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;
  ~InputFile();
  /// Fills `out` whole. errors: end of file ("truncated"), input/output error.
  Result<void> read(std::span<std::byte> out);
  std::uint64_t size() const { return size_; }
  std::uint64_t remaining() const { return size_ - offset_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  InputFile() = default;
  std::FILE* file_ = nullptr;
  std::uint64_t size_ = 0;
  std::uint64_t offset_ = 0;
  std::filesystem::path path_;
};

/// A file written under a temporary name beside its place and renamed by commit(). Without commit() nothing stays.
/// create() refuses a path that exists already, unless `overwrite`. Mode 0600 where `secret`, else 0644.
class OutputFile {
 public:
  struct Options {
    bool overwrite = false;
    bool secret = false;
  };
  static Result<OutputFile> create(const std::filesystem::path& path, Options options);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  ~OutputFile();
  Result<void> write(ByteView bytes);
  /// Flushes to disk and renames. errors: disk full, or the path came to exist meanwhile (unless overwrite).
  Result<void> commit();

 private:
  OutputFile() = default;
  void discard();
  int descriptor_ = -1;
  bool overwrite_ = false;
  std::filesystem::path path_;
  std::filesystem::path temporary_;
};

/// create + write + commit.
Result<void> write_file(const std::filesystem::path& path, ByteView bytes, OutputFile::Options options);

}  // namespace obscura::base
