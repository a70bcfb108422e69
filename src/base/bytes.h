// SPDX-License-Identifier: Apache-2.0
/// Bounds-checked little-endian reading and writing of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"

namespace obscura::base {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

ByteView as_bytes(const std::string& text);

/// Valid UTF-8 without control characters: what may be printed although it came from outside.
bool is_readable(const std::string& text);

/// Appends little-endian values to a buffer.
class Writer {
 public:
  void u8(std::uint8_t v);
  void u32(std::uint32_t v);
  void u64(std::uint64_t v);
  void f64(double v);
  /// u32 length, then the bytes.
  void text(const std::string& v);
  void raw(ByteView v);
  /// Room for `size` more bytes at once, where the size is known before.
  void reserve(std::size_t size) { bytes_.reserve(bytes_.size() + size); }
  const Bytes& bytes() const { return bytes_; }
  Bytes take() { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

/// Reads little-endian values from a view. Past the end every read returns zero and ok() turns false for good, so a
/// parser may read a whole record and ask once; sizes read from outside must still be bounded before they are
/// used to allocate (count()).
class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}
  std::uint8_t u8();
  std::uint32_t u32();
  std::uint64_t u64();
  double f64();
  /// A length-prefixed text of at most `limit` bytes.
  std::string text(std::size_t limit);
  ByteView raw(std::size_t size);
  /// Reads a u32 count of records of at least `record_bytes` each. It fails, and returns 0, where the count exceeds
  /// `limit` or could not fit into what is left.
  std::size_t count(std::size_t limit, std::size_t record_bytes);
  bool ok() const { return ok_; }
  std::size_t remaining() const { return rest_.size(); }

 private:
  ByteView take(std::size_t size);
  ByteView rest_;
  bool ok_ = true;
};

}  // namespace obscura::base
