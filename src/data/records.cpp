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
  if (range.count == kAll) range.count = count - range.first;
  if (range.count > count - range.first) {
    return error(Code::io, "{}: {} images from image {} on asked for, but there are {} in all", path, range.count,
                 range.first, count);
  }
  return {};
}

Result<std::vector<std::uint8_t>> read_records(base::InputFile& file, std::size_t record_bytes, Range range) {
  std::array<std::byte, 1 << 16> skipped{};
  for (std::uint64_t left = std::uint64_t{range.first} * record_bytes; left > 0;) {
    const std::size_t piece = std::min<std::uint64_t>(left, skipped.size());
    OBSCURA_TRY_VOID(file.read(std::span(skipped).first(piece)));
    left -= piece;
  }
  std::vector<std::uint8_t> out(range.count * record_bytes);
  OBSCURA_TRY_VOID(file.read(std::as_writable_bytes(std::span(out))));
  return out;
}

}  // namespace obscura::data
