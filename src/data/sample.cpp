// SPDX-License-Identifier: Apache-2.0
#include "data/sample.h"

#include <string_view>

#include "base/files.h"
#include "data/records.h"

namespace obscura::data {
namespace {

constexpr std::size_t kImageBytes = 3 * kSampleSide * kSampleSide;
constexpr std::uint64_t kMaxClassBytes = 4ULL << 20;
constexpr std::size_t kTrainEvery = 5;

/// Index in the file of image i of a split.
std::size_t place_of(std::size_t i, bool train) {
  return train ? i * kTrainEvery : i / (kTrainEvery - 1) * kTrainEvery + 1 + i % (kTrainEvery - 1);
}

Result<std::vector<std::uint16_t>> read_labels(const std::filesystem::path& path, std::size_t count) {
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, 2 * kMaxSampleImages));
  if (bytes.size() != 2 * count) {
    return error(Code::bad_format, "{}: {} bytes; labels of {} images take {}", path.string(), bytes.size(), count,
                 2 * count);
  }
  std::vector<std::uint16_t> labels(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto low = std::to_integer<unsigned>(bytes[2 * i]), high = std::to_integer<unsigned>(bytes[2 * i + 1]);
    labels[i] = static_cast<std::uint16_t>(low | high << 8U);
  }
  return labels;
}

}  // namespace

Result<std::vector<std::string>> parse_class_list(const std::string& text, const std::string& name) {
  std::vector<std::string> classes;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    if (classes.size() == kMaxClasses) return error(Code::bad_format, "{}: more than {} classes", name, kMaxClasses);
    const std::size_t first = line.find(' ');
    const std::size_t second = first == line.npos ? line.npos : line.find(' ', first + 1);
    const bool whole = second != line.npos && second > first + 1 && second + 1 < line.size();
    if (!whole || line.substr(0, first) != std::to_string(classes.size())) {
      return error(Code::bad_format, "{}: line {} is not `{} IDENTIFIER NAME`", name, classes.size() + 1,
                   classes.size());
    }
    classes.emplace_back(line.substr(second + 1));
  }
  if (classes.empty()) return error(Code::bad_format, "{}: no classes; at least one is needed", name);
  return classes;
}

Result<Dataset> read_sample(const SampleFiles& files, const std::string& split, Range range) {
  const std::string name = files.images.string();
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(files.images));
  const std::uint64_t count = file.size() / kImageBytes;
  if (count == 0 || file.size() % kImageBytes != 0 || count > kMaxSampleImages) {
    return error(Code::bad_format, "{}: {} bytes; 1 to {} images of 3x{}x{} have a multiple of {}", name, file.size(),
                 kMaxSampleImages, kSampleSide, kSampleSide, kImageBytes);
  }
  OBSCURA_TRY(const std::vector<std::uint16_t> labels, read_labels(files.labels, count));
  OBSCURA_TRY(const base::Bytes classes, base::read_file(files.classes, kMaxClassBytes));
  Dataset out;
  OBSCURA_TRY(out.class_names, parse_class_list({reinterpret_cast<const char*>(classes.data()), classes.size()},
                                                files.classes.string()));
  const bool train = split == "train";
  const std::size_t trained = (count + kTrainEvery - 1) / kTrainEvery;
  out.available = train ? trained : count - trained;
  OBSCURA_TRY_VOID(check_range(fmt::format("{} ({})", name, split), out.available, range));
  out.name = name;
  out.channels = 3;
  out.height = out.width = kSampleSide;
  out.pixels.resize(range.count * kImageBytes);
  const auto pixels = std::as_writable_bytes(std::span(out.pixels));
  for (std::size_t i = 0, next = 0; i < range.count; ++i) {
    const std::size_t place = place_of(range.first + i, train);
    OBSCURA_TRY_VOID(skip(file, std::uint64_t{place - next} * kImageBytes));
    OBSCURA_TRY_VOID(file.read(pixels.subspan(i * kImageBytes, kImageBytes)));
    out.labels.push_back(labels[place]);
    next = place + 1;
  }
  return out;
}

}  // namespace obscura::data
