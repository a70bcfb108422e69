// SPDX-License-Identifier: Apache-2.0
/// Files: bounded reading, and output that is whole or absent.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/bytes.h"

namespace obscura::base {

/// The whole file. errors: absent, unreadable, a folder, or over `limit` bytes.
Result<Bytes> read_file(const std::filesystem::path& path, std::uint64_t limit);

/// Reads a file in pieces, from its start unless seek() says otherwise. Nothing that was read stays in a buffer of it.
class InputFile {
 public:
  /// errors (io): absent, unreadable, or no regular file: a pipe or device is refused without waiting for it
  static Result<InputFile> open(const std::filesystem::path& path);
  /// Bytes that outlive this, read like a file; `name` stands in messages.
  static InputFile of_memory(ByteView bytes, const std::string& name);
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;
  ~InputFile();
  /// Fills `out` whole. errors: end of file ("truncated"), input/output error.
  Result<void> read(std::span<std::byte> out);
  /// The next read() starts at this byte. errors: beyond the end ("truncated").
  Result<void> seek(std::uint64_t offset);
  /// errors (io): the file belongs to somebody else, or others than its owner may read or write it
  Result<void> require_private() const;
  std::uint64_t size() const { return size_; }
  std::uint64_t remaining() const { return size_ - offset_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  InputFile() = default;
  int descriptor_ = -1;  ///< below 0: memory
  ByteView memory_;
  std::uint64_t size_ = 0;
  std::uint64_t offset_ = 0;
  std::filesystem::path path_;
};

/// A file that commit() puts in its place, whole. Without commit() nothing stays: where the file system can, it has no
/// name until then, so that nothing stays of a process that was killed either; else it has a temporary name beside its
/// place, or, of a `secret` one, its place.
/// create() refuses a path that exists already, unless `overwrite`. Mode 0600 where `secret`, else 0644.
///
/// A `resumable` file has the one temporary name partial_of(path), and keep() makes what was written outlive this
/// process: without commit() it stays, and resume() goes on with it. One process at a time may hold it.
class OutputFile {
 public:
  struct Options {
    bool overwrite = false;
    bool secret = false;
    bool resumable = false;
    bool restart = false;  ///< of a resumable file: a partial file that is there already is emptied and taken over
  };
  /// errors  io: the path exists (unless overwrite), or the partial file of a resumable one (unless restart); cannot be
  ///         created. busy: another process holds the partial file
  static Result<OutputFile> create(const std::filesystem::path& path, Options options);
  /// Opens the partial file of a resumable one, cut to its first `bytes` bytes, to write what comes after them. Of 0
  /// bytes nothing is kept before keep() is called.
  /// errors  io: absent; no regular file; fewer bytes; the path exists (unless overwrite). busy: another process holds
  /// it
  static Result<OutputFile> resume(const std::filesystem::path& path, std::uint64_t bytes, Options options);
  /// No file: bytes go to the sink as they are written; keep() and commit() do nothing.
  using Sink = std::function<Result<void>(ByteView)>;
  static OutputFile to_sink(Sink sink);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  ~OutputFile();
  Result<void> write(ByteView bytes);
  /// Of a resumable file: brings what was written to disk, to stay there whatever happens to this process or machine.
  Result<void> keep();
  /// Flushes to disk and renames. errors: disk full, or the path came to exist meanwhile (unless overwrite).
  Result<void> commit();

 private:
  OutputFile() = default;
  Result<void> lock() const;
  void discard();
  Result<void> open_with_name(bool secret);
  bool place();
  int descriptor_ = -1;
  Sink sink_;
  bool overwrite_ = false;
  bool kept_ = false;  ///< the temporary file outlives this
  std::filesystem::path path_;
  std::filesystem::path temporary_;
};

/// Where a resumable file stands until it is whole: path.partial.
std::filesystem::path partial_of(const std::filesystem::path& path);

/// create + write + commit.
Result<void> write_file(const std::filesystem::path& path, ByteView bytes, OutputFile::Options options);

}  // namespace obscura::base
