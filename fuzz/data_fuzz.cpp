// SPDX-License-Identifier: Apache-2.0
// Any bytes are an image file or one sentence, by the first byte: PNG in two shapes, idx images and labels, a PNG of
// one image a row, a list of labels or of classes, records of CIFAR-10's binary layout, files of images and of labels
// that are known by their content (PNG, JPEG, .npy, .npz, idx with gzip, text).
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/files.h"
#include "data/cifar.h"
#include "data/idx.h"
#include "data/image_file.h"
#include "data/png.h"
#include "data/sample.h"

namespace {

using namespace obscura;

/// Files are read by path; one for this process, rewritten for each input.
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
  const auto image = data::decode_png(bytes, "input", {channels, side, side});
  if (!read_or_sentence(image)) return;
  OBSCURA_CHECK(image->count() == 1, "{} images", image->count());
  // Of 16 bits it comes as floats, which are not written.
  if (image->pixels.empty()) return;
  const auto again =
      data::decode_png(data::encode_png(image->pixels, channels, side, side), "written", {channels, side, side});
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

/// Few columns and rows, so that small inputs get through.
void read_rows(base::ByteView bytes) {
  const auto rows = data::decode_rows(bytes, "input", 4, 9);
  if (!read_or_sentence(rows)) return;
  OBSCURA_CHECK(rows->count >= 1 && rows->count <= 9, "{} rows", rows->count);
  OBSCURA_CHECK(rows->rgb.size() == rows->count * 12, "{} bytes", rows->rgb.size());
}

void read_classes(const std::string& text) {
  const auto classes = data::parse_class_list(text, "input");
  if (!read_or_sentence(classes)) return;
  std::string again;
  for (std::size_t i = 0; i < classes->size(); ++i) again += fmt::format("{} x {}\n", i, (*classes)[i]);
  OBSCURA_CHECK(*data::parse_class_list(again, "written") == *classes, "classes changed on their way");
}

void read_lists(base::ByteView bytes) {
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  read_classes(text);
  const auto labels = data::parse_label_list(text, "input");
  if (!read_or_sentence(labels)) return;
  const std::string again = fmt::format("[{}]", fmt::join(*labels, ","));
  OBSCURA_CHECK(*data::parse_label_list(again, "written") == *labels, "labels changed on their way");
}

void read_records(base::ByteView bytes) {
  OBSCURA_CHECK(base::write_file(scratch_file(), bytes, {.overwrite = true, .secret = false}).ok(), "no scratch file");
  const auto images = data::read_cifar_binary(scratch_file());
  if (read_or_sentence(images)) OBSCURA_CHECK(images->count() == images->labels.size(), "{} images", images->count());
  std::filesystem::remove(scratch_file());
}

/// Images of 2 x 3, few enough that small inputs get through.
void read_any(base::ByteView bytes) {
  OBSCURA_CHECK(base::write_file(scratch_file(), bytes, {.overwrite = true, .secret = false}).ok(), "no scratch file");
  for (const std::size_t channels : {1U, 3U}) {
    const auto file = data::open_image_file(scratch_file(), {channels, 2, 3});
    if (!read_or_sentence(file)) continue;
    const std::size_t first = file->count / 2;
    const auto images = file->read({first, data::kAll});
    if (!read_or_sentence(images)) continue;
    OBSCURA_CHECK(images->count() == file->count - first, "{} images of {}", images->count(), file->count);
    for (const float value : images->floats()) OBSCURA_CHECK(value >= 0 && value <= 1, "the value {}", value);
  }
  read_or_sentence(data::read_label_file(scratch_file()));
  std::filesystem::remove(scratch_file());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::ByteView rest(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  switch (data[0] % 7) {
    case 0:
      read_png(rest, 1, 28);
      break;
    case 1:
      read_png(rest, 3, 8);
      break;
    case 2:
      read_idx(rest);
      break;
    case 3:
      read_rows(rest);
      break;
    case 4:
      read_lists(rest);
      break;
    case 5:
      read_records(rest);
      break;
    default:
      read_any(rest);
      break;
  }
  return 0;
}
