// SPDX-License-Identifier: Apache-2.0
#include "data/cifar.h"

#include <algorithm>
#include <cctype>

#include "base/files.h"
#include "data/png.h"
#include "data/records.h"

namespace obscura::data {
namespace {

constexpr std::size_t kImageBytes = 3 * kCifarPixels;
/// Five characters a label: at most three digits, a comma and a space.
constexpr std::uint64_t kMaxListBytes = 5 * kMaxLabels;

Dataset colour_images(const std::string& name, std::size_t count) {
  Dataset out;
  out.name = name;
  out.channels = 3;
  out.height = kCifarSide;
  out.width = kCifarSide;
  out.pixels.resize(count * 3 * kCifarPixels);
  return out;
}

}  // namespace

Result<Dataset> read_cifar_binary(const std::filesystem::path& path, Range range) {
  const std::string name = path.string();
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  const std::size_t labels = file.size() % (1 + kImageBytes) != 0 && file.size() % (2 + kImageBytes) == 0 ? 2 : 1;
  const std::size_t record_bytes = labels + kImageBytes;
  if (file.size() == 0 || file.size() % record_bytes != 0) {
    return error(Code::bad_format, "{}: {} bytes; a file of images of 3x32x32 has a multiple of {}", name, file.size(),
                 record_bytes);
  }
  OBSCURA_TRY_VOID(check_range(name, file.size() / record_bytes, range));
  OBSCURA_TRY(const std::vector<std::uint8_t> records, read_records(file, record_bytes, range));
  Dataset out = colour_images(name, range.count);
  out.available = file.size() / record_bytes;
  out.labels.resize(range.count);
  for (std::size_t i = 0; i < range.count; ++i) {
    const auto image = records.begin() + static_cast<std::ptrdiff_t>(i * record_bytes + labels);
    out.labels[i] = *(image - 1);
    std::copy_n(image, kImageBytes, out.pixels.begin() + static_cast<std::ptrdiff_t>(i * kImageBytes));
  }
  return out;
}

Result<Dataset> read_image_rows(const std::filesystem::path& path, Range range) {
  const std::string name = path.string();
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, kMaxPictureBytes));
  const std::size_t most = range.first < kMaxImageRows ? range.first + std::min(range.count, kMaxImageRows) : kAll;
  OBSCURA_TRY(const Rows rows, decode_rows(bytes, name, kCifarPixels, kMaxImageRows, std::max<std::size_t>(most, 1)));
  OBSCURA_TRY_VOID(check_range(name, rows.count, range));
  Dataset out = colour_images(name, range.count);
  out.available = rows.count;
  for (std::size_t i = 0; i < range.count; ++i) {
    const std::uint8_t* from = rows.rgb.data() + (range.first + i) * 3 * kCifarPixels;
    std::uint8_t* to = out.pixels.data() + i * 3 * kCifarPixels;
    for (std::size_t p = 0; p < kCifarPixels; ++p) {
      for (std::size_t c = 0; c < 3; ++c) to[c * kCifarPixels + p] = from[3 * p + c];
    }
  }
  return out;
}

Result<std::vector<std::uint8_t>> parse_label_list(const std::string& text, const std::string& name) {
  std::size_t at = 0;
  const auto peek = [&] {
    while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) != 0) ++at;
    return at < text.size() ? text[at] : '\0';
  };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto wrong = [&](const char* wanted) {
    return error(Code::bad_format, "{}: a list of labels [3,8,0] has {} at byte {}", name, wanted, at);
  };
  if (peek() != '[') return wrong("'['");
  ++at;
  std::vector<std::uint8_t> labels;
  do {
    if (!is_digit(peek())) return wrong("a number");
    if (labels.size() == kMaxLabels) return error(Code::bad_format, "{}: more than {} labels", name, kMaxLabels);
    unsigned label = 0;
    for (; at < text.size() && is_digit(text[at]); ++at) {
      label = 10 * label + static_cast<unsigned>(text[at] - '0');
      if (label > 255) return wrong("a number up to 255");
    }
    labels.push_back(static_cast<std::uint8_t>(label));
  } while (peek() == ',' && ++at != 0);
  if (peek() != ']') return wrong("',' or ']'");
  ++at;
  if (peek() != '\0' || at < text.size()) return wrong("nothing more");
  return labels;
}

Result<std::vector<std::uint8_t>> read_label_list(const std::filesystem::path& path) {
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, kMaxListBytes));
  return parse_label_list({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

}  // namespace obscura::data
