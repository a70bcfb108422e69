// SPDX-License-Identifier: Apache-2.0
/// PNG images in and out (libpng).
#pragma once

#include "base/bytes.h"
#include "data/dataset.h"

namespace obscura::data {

/// PNG files above this size are refused before they are decoded.
inline constexpr std::uint64_t kMaxPngBytes = 64ULL << 20;

/// One image of exactly channels x height x width (channels 1 or 3). Palettes and 16 bits become 8 bits, transparency
/// is laid over black; colour becomes grey by 0.299 R + 0.587 G + 0.114 B where one channel is wanted, grey is
/// repeated where three are. `name` stands in messages (the path).
/// errors: not a PNG, truncated, damaged; another size, naming both.
Result<Dataset> decode_png(base::ByteView bytes, const std::string& name, std::size_t channels, std::size_t height,
                           std::size_t width);
Result<Dataset> read_png(const std::filesystem::path& path, std::size_t channels, std::size_t height,
                         std::size_t width);

/// The rows of a PNG as interleaved red, green, blue.
struct Rows {
  std::size_t count = 0;
  std::vector<std::uint8_t> rgb;  ///< count x columns x 3
};
/// A PNG of exactly `columns` columns and at most `max_rows` rows, converted to colour as decode_png does.
/// errors: as decode_png; another number of columns, or too many rows.
Result<Rows> decode_rows(base::ByteView bytes, const std::string& name, std::size_t columns, std::size_t max_rows);

/// PNG bytes of one planar image of channels x height x width (channels 1 or 3).
base::Bytes encode_png(std::span<const std::uint8_t> pixels, std::size_t channels, std::size_t height,
                       std::size_t width);

}  // namespace obscura::data
