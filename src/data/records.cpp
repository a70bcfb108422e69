// SPDX-License-Identifier: Apache-2.0
#include "data/records.h"

#include <algorithm>
#include <array>

namespace obscura::data {

Result<void> check_range(const std::string& path, std::size_t count, Range& range) {
  if (range.count == 0) return error(Code::io, "{}: 0 images asked for; at least 1 is needed", path);
  if (range.first >= count) {
    return error(Code::io, "{}: image {} asked for, but there are {} (counted from 0)", path, range.first, count);
  }
  const std::size_t there = count - range.first;
  if (range.count == kAll || (range.or_fewer && range.count > there)) range.count = there;
  if (range.count > there) {
    return error(Code::io, "{}: {} images from image {} on asked for, but there are {} in all", path, range.count,
                 range.first, count);
  }
  return {};
}

Result<void> skip(base::InputFile& file, std::uint64_t bytes) {
  std::array<std::byte, 1 << 16> skipped{};
  while (bytes > 0) {
    const std::size_t piece = std::min<std::uint64_t>(bytes, skipped.size());
    OBSCURA_TRY_VOID(file.read(std::span(skipped).first(piece)));
    bytes -= piece;
  }
  return {};
}

Result<std::vector<std::uint8_t>> read_records(base::InputFile& file, std::size_t record_bytes, Range range) {
  OBSCURA_TRY_VOID(skip(file, std::uint64_t{range.first} * record_bytes));
  std::vector<std::uint8_t> out(range.count * record_bytes);
  OBSCURA_TRY_VOID(file.read(std::as_writable_bytes(std::span(out))));
  return out;
}

}  // namespace obscura::data
