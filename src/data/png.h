// SPDX-License-Identifier: Apache-2.0
/// PNG images in and out (libpng).
#pragma once

#include "base/bytes.h"
#include "data/picture.h"

namespace obscura::data {

/// The samples as the file stores them: what it says of colour spaces and gamma (gAMA, iCCP, sRGB, cHRM) is passed
/// over, since training reads bytes too. Palettes become colour, 1, 2 and 4 bits of grey are stretched to 8, 16 bits
/// stay. `name` stands in messages (the path).
/// errors: not a PNG, truncated, damaged; what check_picture and fit_picture refuse; a pixel that is not opaque.
Result<Dataset> decode_png(base::ByteView bytes, const std::string& name, const ImageShape& wanted,
                           const Fitting& fitting = {});
Result<Dataset> read_png(const std::filesystem::path& path, const ImageShape& wanted, const Fitting& fitting = {});

/// The rows of a PNG as interleaved red, green, blue.
struct Rows {
  std::size_t count = 0;          ///< of the picture
  std::vector<std::uint8_t> rgb;  ///< rows x columns x 3, of those that were decoded
};
/// A PNG of exactly `columns` columns and at most `max_rows` rows of 8 bits or fewer. Where `most` are fewer, and the
/// file has its rows one after the other, only those are decoded: what follows them is not looked at.
/// errors: as decode_png; another number of columns, or too many rows; 16 bits.
Result<Rows> decode_rows(base::ByteView bytes, const std::string& name, std::size_t columns, std::size_t max_rows,
                         std::size_t most = kAll);

/// PNG bytes of one planar image of channels x height x width (channels 1 or 3).
base::Bytes encode_png(std::span<const std::uint8_t> pixels, std::size_t channels, std::size_t height,
                       std::size_t width);

}  // namespace obscura::data
