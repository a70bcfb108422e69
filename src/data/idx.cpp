// SPDX-License-Identifier: Apache-2.0
#include "data/idx.h"

#include <array>

#include "data/gzip.h"

namespace obscura::data {
namespace {

constexpr std::uint32_t kBytes = 0x800;  ///< of a magic: numbers are bytes; the number of sizes is added
constexpr std::uint64_t kWord = 4;

Result<std::uint32_t> read_big_endian(const Storage& storage, std::uint64_t word) {
  std::array<std::byte, kWord> bytes{};
  OBSCURA_TRY_VOID(storage.read(kWord * word, bytes));
  std::uint32_t value = 0;
  for (const std::byte b : bytes) value = value << 8 | std::to_integer<std::uint32_t>(b);
  return value;
}

Result<bool> is_gzip(const Storage& storage) {
  std::array<std::byte, 2> head{};
  OBSCURA_TRY_VOID(storage.read(0, head));
  return head == std::array{std::byte{0x1F}, std::byte{0x8B}};
}

/// An idx file of so many sizes. `what` stands in messages.
Result<Array> open_of(const std::filesystem::path& path, std::size_t axes, const char* what) {
  OBSCURA_TRY(Array array, open_idx(path));
  if (array.shape.size() == axes) return array;
  return error(Code::bad_format, "{}: not an idx file of {}: it starts with 0x{:08x} instead of 0x{:08x}",
               path.string(), what, kBytes + array.shape.size(), kBytes + axes);
}

}  // namespace

Result<Array> open_idx(const std::filesystem::path& path) {
  OBSCURA_TRY(Storage storage, Storage::of_file(path));
  OBSCURA_TRY(const bool packed, is_gzip(storage));
  if (packed) {
    OBSCURA_TRY(base::Bytes bytes, read_gzip(path, kMaxUnpackedBytes));
    storage = Storage::of_memory(path, std::move(bytes));
  }
  OBSCURA_TRY(const std::uint32_t magic, read_big_endian(storage, 0));
  const std::uint32_t axes = magic - kBytes;
  if (axes < 1 || axes > 4) {
    return error(Code::bad_format,
                 "{}: not an idx file of bytes: it starts with 0x{:08x} instead of 0x{:08x} to 0x{:08x}", path.string(),
                 magic, kBytes + 1, kBytes + 4);
  }
  std::vector<std::uint64_t> shape;
  for (std::uint32_t axis = 1; axis <= axes; ++axis) {
    OBSCURA_TRY(const std::uint32_t size, read_big_endian(storage, axis));
    shape.push_back(size);
  }
  return make_array(path.string(), std::move(shape), Number::u1, storage, kWord * (1 + axes));
}

Result<Dataset> read_idx_images(const std::filesystem::path& path, Range range) {
  OBSCURA_TRY(Array array, open_of(path, 3, "images"));
  const ImageShape shape{1, array.shape[1], array.shape[2]};
  OBSCURA_TRY(const ArrayImages images, ArrayImages::fit(std::move(array), shape));
  return images.read(range);
}

Result<std::vector<std::uint16_t>> read_idx_labels(const std::filesystem::path& path, Range range) {
  OBSCURA_TRY(const Array array, open_of(path, 1, "labels"));
  return labels_of(array, range);
}

}  // namespace obscura::data
