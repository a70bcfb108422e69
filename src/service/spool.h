// SPDX-License-Identifier: Apache-2.0
/// A body on its way to a file. It begins to go to the disk while it comes, but nobody waits for that before flush():
/// a request that is answered at once never needs the disk.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/bytes.h"
#include "base/temporary.h"

namespace obscura::service {

class Spool {
 public:
  /// Mode 0600; the file goes with this, unless it was moved from its path.
  /// errors  of write() and end(): it cannot be made
  explicit Spool(std::filesystem::path path);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;
  /// errors  io: disk full, or worse
  Result<void> write(base::ByteView bytes);
  /// The last of the bytes are in the file. errors: io
  Result<void> end();
  std::uint64_t bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return file_.path(); }

 private:
  base::Temporary file_;
  int descriptor_ = -1;
  int why_ = 0;  ///< it could not be made: errno
  std::uint64_t bytes_ = 0;
  std::uint64_t written_ = 0;  ///< of them, in the file
  std::uint64_t started_ = 0;  ///< of those, on their way to the disk
  base::Bytes held_;
};

/// The file, and its name, stay whatever happens to this process or machine. errors: io
Result<void> flush(const std::filesystem::path& path);

}  // namespace obscura::service
