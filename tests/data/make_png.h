// SPDX-License-Identifier: Apache-2.0
/// PNG files of every kind, written from samples by the specification and zlib, without libpng.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace obscura::data {

struct PngMaker {
  enum Kind : std::uint8_t { grey = 0, colour = 2, palette = 3, grey_alpha = 4, colour_alpha = 6 };
  Kind kind = grey;
  unsigned depth = 8;
  std::size_t height = 0;
  std::size_t width = 0;
  bool interlaced = false;
  std::vector<std::uint16_t> samples;                       ///< pixel after pixel, each below 2^depth
  std::vector<std::pair<std::string, std::string>> chunks;  ///< that stand before the pixels: type and content

  std::size_t channels() const { return kind == colour ? 3 : kind == grey_alpha ? 2 : kind == colour_alpha ? 4 : 1; }

  base::Bytes bytes() const {
    std::string out("\x89PNG\r\n\x1a\n", 8);
    std::string header = number(static_cast<std::uint32_t>(width)) + number(static_cast<std::uint32_t>(height));
    for (const unsigned field : {depth, static_cast<unsigned>(kind), 0U, 0U, interlaced ? 1U : 0U}) {
      header += static_cast<char>(field);
    }
    out += chunk("IHDR", header);
    for (const auto& [type, content] : chunks) out += chunk(type, content);
    out += chunk("IDAT", packed(rows()));
    out += chunk("IEND", "");
    const auto view = base::as_bytes(out);
    return {view.begin(), view.end()};
  }

  static std::string number(std::uint32_t value) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
    return out;
  }
  static std::string chunk(const std::string& type, const std::string& content) {
    const std::string body = type + content;
    const auto check = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
    return number(static_cast<std::uint32_t>(content.size())) + body + number(static_cast<std::uint32_t>(check));
  }

 private:
  static std::string packed(const std::string& raw) {
    uLongf size = compressBound(static_cast<uLong>(raw.size()));
    std::string out(size, '\0');
    compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(raw.data()),
             static_cast<uLong>(raw.size()));
    out.resize(size);
    return out;
  }
  /// Rows of the picture or of its seven passes, each after a byte 0: no filter.
  std::string rows() const {
    if (!interlaced) return pass(0, 0, 1, 1);
    return pass(0, 0, 8, 8) + pass(0, 4, 8, 8) + pass(4, 0, 8, 4) + pass(0, 2, 4, 4) + pass(2, 0, 4, 2) +
           pass(0, 1, 2, 2) + pass(1, 0, 2, 1);
  }
  std::string pass(std::size_t y0, std::size_t x0, std::size_t dy, std::size_t dx) const {
    std::string out;
    for (std::size_t y = y0; y < height && x0 < width; y += dy) {
      out += '\0';
      unsigned held = 0, bits = 0;
      for (std::size_t x = x0; x < width; x += dx) {
        for (std::size_t c = 0; c < channels(); ++c) {
          const std::uint16_t sample = samples[(y * width + x) * channels() + c];
          if (depth == 16) out += static_cast<char>(sample >> 8);
          held = held << (depth == 16 ? 8 : depth) | (sample & 0xFFU);
          bits += depth == 16 ? 8 : depth;
          if (bits == 8) out += static_cast<char>(held), held = bits = 0;
        }
      }
      if (bits > 0) out += static_cast<char>(held << (8 - bits));
    }
    return out;
  }
};

}  // namespace obscura::data
