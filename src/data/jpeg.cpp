// SPDX-License-Identifier: Apache-2.0
#include "data/jpeg.h"

#include <csetjmp>
#include <cstdio>
// jpeglib.h wants stdio.h before it.
#include <jpeglib.h>

#include "base/files.h"

namespace obscura::data {
namespace {

/// libjpeg over bytes in memory. Its errors come back by longjmp, so the functions that call it hold nothing that needs
/// a destructor, and answer whether they got through. A warning counts as an error once pixels are read: libjpeg makes
/// up those that are missing.
class JpegReader {
 public:
  explicit JpegReader(base::ByteView bytes) : bytes_(bytes) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = [](j_common_ptr info) { self_of(info).fail(); };
    errors_.emit_message = [](j_common_ptr info, int level) {
      if (level < 0 && self_of(info).decoding_) self_of(info).fail();
    };
    errors_.output_message = [](j_common_ptr) {};
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool read_header() {
    if (setjmp(failed_) != 0) return false;
    jpeg_create_decompress(&info_);
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_read_header(&info_, TRUE);
    return true;
  }
  std::size_t height() const { return info_.image_height; }
  std::size_t width() const { return info_.image_width; }
  /// 1 grey, 3 colour; 0: neither.
  std::size_t channels() const {
    if (info_.jpeg_color_space == JCS_GRAYSCALE) return 1;
    return info_.jpeg_color_space == JCS_YCbCr || info_.jpeg_color_space == JCS_RGB ? 3 : 0;
  }

  /// Into height x width x channels bytes.
  bool read_rows(JSAMPLE* out) {
    if (setjmp(failed_) != 0) return false;
    decoding_ = true;
    info_.out_color_space = channels() == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = out + info_.output_scanline * width() * channels();
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }
  const char* message() const { return message_; }

 private:
  static JpegReader& self_of(j_common_ptr info) { return *static_cast<JpegReader*>(info->client_data); }
  [[noreturn]] void fail() {
    errors_.format_message(reinterpret_cast<j_common_ptr>(&info_), message_);
    std::longjmp(failed_, 1);
  }
  base::ByteView bytes_;
  jpeg_error_mgr errors_{};
  jpeg_decompress_struct info_{};
  bool decoding_ = false;
  std::jmp_buf failed_;
  char message_[JMSG_LENGTH_MAX] = "";
};

}  // namespace

Result<Dataset> decode_jpeg(base::ByteView bytes, const std::string& name, const ImageShape& wanted,
                            const Fitting& fitting) {
  JpegReader reader(bytes);
  const auto damaged = [&] {
    return error(Code::bad_format, "{}: not a JPEG file, or a damaged one: {}", name, reader.message());
  };
  if (!reader.read_header()) return damaged();
  Picture picture;
  picture.height = reader.height();
  picture.width = reader.width();
  picture.channels = reader.channels();
  OBSCURA_TRY_VOID(check_picture(name, picture.height, picture.width, wanted, fitting));
  if (picture.channels == 0) {
    return error(Code::unsupported, "{}: neither grey nor red, green, blue (CMYK?); save it as RGB", name);
  }
  std::vector<JSAMPLE> samples(picture.height * picture.width * picture.channels);
  if (!reader.read_rows(samples.data())) return damaged();
  picture.samples.assign(samples.begin(), samples.end());
  return fit_picture(std::move(picture), name, wanted, fitting);
}

Result<Dataset> read_jpeg(const std::filesystem::path& path, const ImageShape& wanted, const Fitting& fitting) {
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, kMaxPictureBytes));
  return decode_jpeg(bytes, path.string(), wanted, fitting);
}

}  // namespace obscura::data
