// SPDX-License-Identifier: Apache-2.0
#include "data/png.h"

#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <functional>

#include "base/files.h"

namespace obscura::data {
namespace {

/// libpng over bytes in memory. Its errors come back by longjmp, so the functions that call it hold nothing that needs
/// a destructor, and answer whether they got through.
class PngReader {
 public:
  explicit PngReader(base::ByteView bytes) : rest_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, fail, [](png_structp, png_const_charp) {});
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    OBSCURA_CHECK(info_ != nullptr, "libpng does not start");
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  /// Size and kind of the pixels.
  bool read_header() {
    if (setjmp(failed_) != 0) return false;
    png_set_read_fn(png_, this, take);
    // All but what makes pixels is passed over: IHDR, PLTE, tRNS, IDAT, IEND remain.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    // A checksum that is wrong, or pixels too many or few, mean damage, and never a guess.
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_benign_errors(png_, 0);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // the caller has narrower ones
    png_read_info(png_, info_);
    return true;
  }
  std::size_t height() const { return png_get_image_height(png_, info_); }
  std::size_t width() const { return png_get_image_width(png_, info_); }

  /// Palettes to colour, few bits to 8, a transparent colour to an alpha channel: nothing else changes.
  bool start() {
    if (setjmp(failed_) != 0) return false;
    png_set_expand(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }
  /// After start(): 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha; bytes of a sample.
  std::size_t channels() const { return png_get_channels(png_, info_); }
  std::size_t sample_bytes() const { return png_get_bit_depth(png_, info_) / 8U; }
  std::size_t row_bytes() const { return png_get_rowbytes(png_, info_); }

  bool read_rows(png_bytepp rows) {
    if (setjmp(failed_) != 0) return false;
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
    return true;
  }
  /// Whether the first rows can be had without the others.
  bool sequential() const { return png_get_interlace_type(png_, info_) == PNG_INTERLACE_NONE; }
  /// What follows them is not looked at.
  bool read_first(png_bytepp rows, std::size_t count) {
    if (setjmp(failed_) != 0) return false;
    png_read_rows(png_, rows, nullptr, static_cast<png_uint_32>(count));
    return true;
  }
  const char* message() const { return message_; }

 private:
  [[noreturn]] static void fail(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(self->message_, sizeof self->message_, "%s", message);
    std::longjmp(self->failed_, 1);
  }
  static void take(png_structp png, png_bytep to, std::size_t size) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (size > self->rest_.size()) png_error(png, "truncated");
    std::memcpy(to, self->rest_.data(), size);
    self->rest_ = self->rest_.subspan(size);
  }
  base::ByteView rest_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf failed_;
  char message_[128] = "";
};

/// Takes the alpha channel away. errors: a pixel that it makes transparent.
Result<void> drop_alpha(Picture& picture, const std::string& name) {
  const std::size_t stored = picture.channels, kept = stored - 1;
  for (std::size_t i = 0; i < picture.height * picture.width; ++i) {
    if (picture.samples[i * stored + kept] != picture.largest) {
      return error(Code::unsupported,
                   "{}: the pixel in row {}, column {} is not opaque, and what lies behind it is not said; save the "
                   "picture without transparency",
                   name, i / picture.width, i % picture.width);
    }
    for (std::size_t c = 0; c < kept; ++c) picture.samples[i * kept + c] = picture.samples[i * stored + c];
  }
  picture.samples.resize(picture.height * picture.width * kept);
  picture.channels = kept;
  return {};
}

/// All pixels, or those of the first `most` rows where the file has them first. `check` sees height and width before
/// anything is allocated for them.
Result<Picture> decode(base::ByteView bytes, const std::string& name,
                       const std::function<Result<void>(std::size_t, std::size_t)>& check,
                       std::size_t most = PNG_UINT_31_MAX) {
  if (bytes.size() < 8 || png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, 8) != 0) {
    return error(Code::bad_format, "{}: not a PNG file", name);
  }
  PngReader reader(bytes);
  const auto damaged = [&] { return error(Code::bad_format, "{}: a damaged PNG file: {}", name, reader.message()); };
  if (!reader.read_header()) return damaged();
  Picture picture;
  picture.height = reader.height();
  picture.width = reader.width();
  OBSCURA_TRY_VOID(check(picture.height, picture.width));
  if (!reader.start()) return damaged();
  const bool first = reader.sequential() && most < picture.height;
  if (first) picture.height = most;
  picture.channels = reader.channels();
  picture.largest = reader.sample_bytes() == 2 ? 65535 : 255;
  std::vector<png_byte> stored(picture.height * reader.row_bytes());
  std::vector<png_bytep> rows(picture.height);
  for (std::size_t y = 0; y < rows.size(); ++y) rows[y] = stored.data() + y * reader.row_bytes();
  if (!(first ? reader.read_first(rows.data(), most) : reader.read_rows(rows.data()))) return damaged();
  picture.samples.resize(picture.height * picture.width * picture.channels);
  for (std::size_t i = 0; i < picture.samples.size(); ++i) {
    picture.samples[i] = picture.largest == 255 ? std::uint16_t{stored[i]}
                                                : static_cast<std::uint16_t>(stored[2 * i] << 8U | stored[2 * i + 1]);
  }
  if (picture.channels % 2 == 0) OBSCURA_TRY_VOID(drop_alpha(picture, name));
  return picture;
}

}  // namespace

Result<Dataset> decode_png(base::ByteView bytes, const std::string& name, const ImageShape& wanted,
                           const Fitting& fitting) {
  OBSCURA_TRY(Picture picture, decode(bytes, name, [&](std::size_t height, std::size_t width) {
                return check_picture(name, height, width, wanted, fitting);
              }));
  return fit_picture(std::move(picture), name, wanted, fitting);
}

Result<Rows> decode_rows(base::ByteView bytes, const std::string& name, std::size_t columns, std::size_t max_rows,
                         std::size_t most) {
  Rows rows;
  const auto check = [&](std::size_t height, std::size_t width) -> Result<void> {
    rows.count = height;
    if (width == columns && height <= max_rows) return {};
    return error(Code::unsupported, "{}: a picture of {} rows and {} columns; 1 to {} rows of {} are wanted", name,
                 height, width, max_rows, columns);
  };
  OBSCURA_TRY(const Picture picture, decode(bytes, name, check, most));
  if (picture.largest != 255) return error(Code::unsupported, "{}: 16 bits a sample; 8 are wanted", name);
  const Dataset planes = to_image(picture, name, {3, picture.height, picture.width});
  rows.rgb.resize(planes.pixels.size());
  const std::size_t area = picture.height * picture.width;
  for (std::size_t i = 0; i < rows.rgb.size(); ++i) rows.rgb[i] = planes.pixels[i % 3 * area + i / 3];
  return rows;
}

Result<Dataset> read_png(const std::filesystem::path& path, const ImageShape& wanted, const Fitting& fitting) {
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, kMaxPictureBytes));
  return decode_png(bytes, path.string(), wanted, fitting);
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
