// SPDX-License-Identifier: Apache-2.0
#include "data/png.h"

#include <png.h>

#include <cstring>

#include "base/files.h"
#include "data/idx.h"

namespace obscura::data {
namespace {

constexpr std::size_t kSignatureAndHeader = 33;

std::uint32_t big_endian(base::ByteView bytes) {
  std::uint32_t value = 0;
  for (const std::byte b : bytes.first(4)) value = value << 8 | std::to_integer<std::uint32_t>(b);
  return value;
}

struct Size {
  std::size_t height = 0;
  std::size_t width = 0;
};

/// Height and width as the header chunk says, so that nothing is allocated for a picture of the wrong size.
Result<Size> size_of(base::ByteView bytes, const std::string& name) {
  if (bytes.size() < kSignatureAndHeader || png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, 8) != 0) {
    return error(Code::bad_format, "{}: not a PNG file", name);
  }
  return Size{big_endian(bytes.subspan(20)), big_endian(bytes.subspan(16))};
}

/// All pixels of a picture whose size was found fit, in `format` of `channels` bytes a pixel.
Result<std::vector<std::uint8_t>> decode(base::ByteView bytes, const std::string& name, Size size, png_uint_32 format,
                                         std::size_t channels) {
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) {
    return error(Code::bad_format, "{}: a damaged PNG file: {}", name, image.message);
  }
  if (image.height != size.height || image.width != size.width) {
    png_image_free(&image);
    return error(Code::bad_format, "{}: a damaged PNG file: two sizes", name);
  }
  image.format = format;
  // Warnings up to here are about colour profiles and remarks. One from here on means pixels that libpng made up for
  // a short or corrupt stream, so it counts as an error.
  image.warning_or_error = 0;
  std::vector<std::uint8_t> pixels(channels * size.height * size.width);
  const png_color black{0, 0, 0};
  if (png_image_finish_read(&image, &black, pixels.data(), 0, nullptr) == 0 || image.warning_or_error != 0) {
    const std::string message = image.message;
    png_image_free(&image);
    return error(Code::bad_format, "{}: a damaged PNG file: {}", name, message);
  }
  return pixels;
}

/// Lays interleaved RGBA over black and sorts it into `channels` planes.
std::vector<std::uint8_t> to_planes(std::span<const std::uint8_t> rgba, std::size_t channels) {
  const std::size_t area = rgba.size() / 4;
  std::vector<std::uint8_t> out(channels * area);
  for (std::size_t i = 0; i < area; ++i) {
    std::uint32_t colour[3];
    for (std::size_t c = 0; c < 3; ++c) colour[c] = (rgba[4 * i + c] * std::uint32_t{rgba[4 * i + 3]} + 127) / 255;
    if (channels == 1) {
      out[i] = static_cast<std::uint8_t>((299 * colour[0] + 587 * colour[1] + 114 * colour[2] + 500) / 1000);
    } else {
      for (std::size_t c = 0; c < 3; ++c) out[c * area + i] = static_cast<std::uint8_t>(colour[c]);
    }
  }
  return out;
}

}  // namespace

Result<Dataset> decode_png(base::ByteView bytes, const std::string& name, std::size_t channels, std::size_t height,
                           std::size_t width) {
  OBSCURA_CHECK(channels == 1 || channels == 3, "decode_png: {} channels; 1 or 3", channels);
  OBSCURA_CHECK(height >= 1 && height <= kMaxSide && width >= 1 && width <= kMaxSide, "decode_png: {}x{} pixels",
                height, width);
  OBSCURA_TRY(const Size size, size_of(bytes, name));
  if (size.height != height || size.width != width) {
    return error(Code::unsupported, "{}: an image of {}x{} pixels (height x width); {}x{} is wanted", name, size.height,
                 size.width, height, width);
  }
  OBSCURA_TRY(const std::vector<std::uint8_t> rgba, decode(bytes, name, size, PNG_FORMAT_RGBA, 4));
  Dataset out;
  out.name = name;
  out.channels = channels;
  out.height = height;
  out.width = width;
  out.available = 1;
  out.pixels = to_planes(rgba, channels);
  return out;
}

Result<Rows> decode_rows(base::ByteView bytes, const std::string& name, std::size_t columns, std::size_t max_rows) {
  OBSCURA_TRY(const Size size, size_of(bytes, name));
  if (size.width != columns || size.height == 0 || size.height > max_rows) {
    return error(Code::unsupported, "{}: a picture of {} rows and {} columns; 1 to {} rows of {} are wanted", name,
                 size.height, size.width, max_rows, columns);
  }
  Rows rows;
  rows.count = size.height;
  OBSCURA_TRY(rows.rgb, decode(bytes, name, size, PNG_FORMAT_RGB, 3));
  return rows;
}

Result<Dataset> read_png(const std::filesystem::path& path, std::size_t channels, std::size_t height,
                         std::size_t width) {
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, kMaxPngBytes));
  return decode_png(bytes, path.string(), channels, height, width);
}

base::Bytes encode_png(std::span<const std::uint8_t> pixels, std::size_t channels, std::size_t height,
                       std::size_t width) {
  OBSCURA_CHECK(channels == 1 || channels == 3, "encode_png: {} channels; 1 or 3", channels);
  const std::size_t area = height * width;
  OBSCURA_CHECK(area > 0 && pixels.size() == channels * area, "encode_png: {} bytes for {}x{}x{}", pixels.size(),
                channels, height, width);
  std::vector<std::uint8_t> interleaved(pixels.size());
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t i = 0; i < area; ++i) interleaved[i * channels + c] = pixels[c * area + i];
  }
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  base::Bytes out(size);
  const int written = png_image_write_to_memory(&image, out.data(), &size, 0, interleaved.data(), 0, nullptr);
  OBSCURA_CHECK(written != 0, "encode_png: {}", image.message);
  out.resize(size);
  return out;
}

}  // namespace obscura::data
