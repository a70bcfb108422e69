// SPDX-License-Identifier: Apache-2.0
#include "data/idx.h"

#include <array>

#include "base/files.h"
#include "data/records.h"

namespace obscura::data {
namespace {

constexpr std::uint32_t kImageMagic = 0x803;
constexpr std::uint32_t kLabelMagic = 0x801;

Result<std::uint32_t> read_big_endian(base::InputFile& file) {
  std::array<std::byte, 4> bytes{};
  OBSCURA_TRY_VOID(file.read(bytes));
  std::uint32_t value = 0;
  for (const std::byte b : bytes) value = value << 8 | std::to_integer<std::uint32_t>(b);
  return value;
}

Result<void> check_magic(const std::string& path, std::uint32_t actual, std::uint32_t wanted, const char* what) {
  if (actual == wanted) return {};
  return error(Code::bad_format, "{}: not an idx file of {}: it starts with 0x{:08x} instead of 0x{:08x}", path, what,
               actual, wanted);
}

}  // namespace

Result<Dataset> read_idx_images(const std::filesystem::path& path, Range range) {
  const std::string name = path.string();
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  OBSCURA_TRY(const std::uint32_t magic, read_big_endian(file));
  OBSCURA_TRY_VOID(check_magic(name, magic, kImageMagic, "images"));
  OBSCURA_TRY(const std::uint32_t count, read_big_endian(file));
  OBSCURA_TRY(const std::uint32_t height, read_big_endian(file));
  OBSCURA_TRY(const std::uint32_t width, read_big_endian(file));
  if (height == 0 || width == 0 || height > kMaxSide || width > kMaxSide) {
    return error(Code::bad_format, "{}: images of {}x{} pixels; each side must be 1 to {}", name, height, width,
                 kMaxSide);
  }
  // At most 2^32 * 2^24, so the product holds 64 bits.
  const std::uint64_t wanted = std::uint64_t{count} * height * width;
  if (file.remaining() != wanted) {
    return error(Code::bad_format, "{}: {} images of {}x{} take {} bytes after the header, the file has {}", name,
                 count, height, width, wanted, file.remaining());
  }
  OBSCURA_TRY_VOID(check_range(name, count, range));
  Dataset out;
  out.name = name;
  out.height = height;
  out.width = width;
  out.available = count;
  OBSCURA_TRY(out.pixels, read_records(file, out.image_size(), range));
  return out;
}

Result<std::vector<std::uint8_t>> read_idx_labels(const std::filesystem::path& path, Range range) {
  const std::string name = path.string();
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  OBSCURA_TRY(const std::uint32_t magic, read_big_endian(file));
  OBSCURA_TRY_VOID(check_magic(name, magic, kLabelMagic, "labels"));
  OBSCURA_TRY(const std::uint32_t count, read_big_endian(file));
  if (file.remaining() != count) {
    return error(Code::bad_format, "{}: {} labels take {} bytes after the header, the file has {}", name, count, count,
                 file.remaining());
  }
  OBSCURA_TRY_VOID(check_range(name, count, range));
  return read_records(file, 1, range);
}

}  // namespace obscura::data
