// SPDX-License-Identifier: Apache-2.0
/// Images and labels named on the command line.
#include <algorithm>
#include <charconv>

#include "base/files.h"
#include "cli/support.h"
#include "data/idx.h"
#include "data/png.h"

namespace obscura::cli {
namespace {

Result<std::size_t> parse_number(const std::string& text, const std::string& argument) {
  std::size_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) {
    return error(Code::bad_format, "{}: '{}' is not a number; a range is written FIRST:COUNT", argument, text);
  }
  return number;
}

/// "FIRST:COUNT"
Result<data::Range> parse_range(const std::string& text, const std::string& argument) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) {
    return error(Code::bad_format, "{}: '{}' is not a range, which is written FIRST:COUNT", argument, text);
  }
  data::Range range;
  OBSCURA_TRY(range.first, parse_number(text.substr(0, colon), argument));
  OBSCURA_TRY(range.count, parse_number(text.substr(colon + 1), argument));
  if (range.count == 0) return error(Code::wrong_params, "{}: COUNT is 0; at least one image is needed", argument);
  return range;
}

Result<bool> is_png(const std::filesystem::path& path) {
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  constexpr std::array<std::byte, 4> kMagic{std::byte{0x89}, std::byte{'P'}, std::byte{'N'}, std::byte{'G'}};
  std::array<std::byte, 4> head{};
  if (file.size() < head.size()) {
    return error(Code::bad_format, "{}: {} bytes; neither a PNG image nor an idx file", path.string(), file.size());
  }
  OBSCURA_TRY_VOID(file.read(head));
  return head == kMagic;
}

Result<data::Dataset> read_one(const std::string& argument, const std::string& range_option,
                               const plan::InputSpec& input) {
  OBSCURA_TRY(FileRange file, parse_file_range(argument));
  OBSCURA_TRY(const bool png, is_png(file.path));
  if (png) return data::read_png(file.path, input.channels, input.height, input.width);
  if (!range_option.empty()) {
    OBSCURA_TRY(file.range, parse_range(range_option, "--range"));
  }
  OBSCURA_TRY(data::Dataset images, data::read_idx_images(file.path, file.range));
  if (images.channels != input.channels || images.height != input.height || images.width != input.width) {
    return error(Code::wrong_params, "{}: images of {}x{}x{}; the network takes {}x{}x{}", file.path.string(),
                 images.channels, images.height, images.width, input.channels, input.height, input.width);
  }
  return images;
}

}  // namespace

Result<FileRange> parse_file_range(const std::string& argument) {
  std::error_code ignored;
  const std::size_t last = argument.rfind(':');
  const std::size_t before = last == std::string::npos || last == 0 ? std::string::npos : argument.rfind(':', last - 1);
  if (before == std::string::npos || std::filesystem::exists(argument, ignored)) {
    return FileRange{argument, {}};
  }
  FileRange file{argument.substr(0, before), {}};
  OBSCURA_TRY(file.range, parse_range(argument.substr(before + 1), argument));
  return file;
}

Result<data::Dataset> read_images(const std::vector<std::string>& arguments, const std::string& range,
                                  const plan::InputSpec& input) {
  if (!range.empty() && arguments.size() != 1) {
    return error(Code::wrong_params, "--range: {} files are named; with more than one write FILE:FIRST:COUNT",
                 arguments.size());
  }
  data::Dataset all;
  all.channels = input.channels;
  all.height = input.height;
  all.width = input.width;
  for (const std::string& argument : arguments) {
    OBSCURA_TRY(const data::Dataset images, read_one(argument, range, input));
    all.pixels.insert(all.pixels.end(), images.pixels.begin(), images.pixels.end());
  }
  return all;
}

Result<std::vector<std::uint8_t>> read_labels(const std::string& argument, std::size_t count) {
  OBSCURA_TRY(FileRange file, parse_file_range(argument));
  OBSCURA_TRY(std::vector<std::uint8_t> labels, data::read_idx_labels(file.path, file.range));
  if (labels.size() != count) {
    return error(Code::wrong_params, "{}: {} labels for {} images; name a range as FILE:FIRST:COUNT", argument,
                 labels.size(), count);
  }
  return labels;
}

}  // namespace obscura::cli
