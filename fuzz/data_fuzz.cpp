// SPDX-License-Identifier: Apache-2.0
// Any bytes are an image file or one sentence: PNG in two shapes, idx images and labels, by the first byte.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/files.h"
#include "data/idx.h"
#include "data/png.h"

namespace {

using namespace obscura;

/// idx files are read by path; one for this process, rewritten for each input.
const std::filesystem::path& scratch_file() {
  static const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("obscura-data-fuzz-" + std::to_string(getpid()));
  return path;
}

template <class T>
bool read_or_sentence(const Result<T>& result) {
  OBSCURA_CHECK(result.ok() || !result.error().message.empty(), "an error without a sentence");
  return result.ok();
}

void read_png(base::ByteView bytes, std::size_t channels, std::size_t side) {
  const auto image = data::decode_png(bytes, "input", channels, side, side);
  if (!read_or_sentence(image)) return;
  OBSCURA_CHECK(image->pixels.size() == channels * side * side, "{} pixels", image->pixels.size());
  const auto again =
      data::decode_png(data::encode_png(image->pixels, channels, side, side), "written", channels, side, side);
  OBSCURA_CHECK(again.ok() && again->pixels == image->pixels, "a PNG changed on its way");
}

void read_idx(base::ByteView bytes) {
  OBSCURA_CHECK(base::write_file(scratch_file(), bytes, {.overwrite = true, .secret = false}).ok(), "no scratch file");
  const auto images = data::read_idx_images(scratch_file());
  if (read_or_sentence(images))
    OBSCURA_CHECK(images->pixels.size() <= bytes.size(), "{} pixels", images->pixels.size());
  const auto labels = data::read_idx_labels(scratch_file(), {1, 2});
  if (read_or_sentence(labels)) OBSCURA_CHECK(labels->size() == 2, "{} labels", labels->size());
  std::filesystem::remove(scratch_file());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::ByteView rest(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      read_png(rest, 1, 28);
      break;
    case 1:
      read_png(rest, 3, 8);
      break;
    default:
      read_idx(rest);
      break;
  }
  return 0;
}
