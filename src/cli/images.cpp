// SPDX-License-Identifier: Apache-2.0
#include "cli/images.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/files.h"
#include "cli/support.h"
#include "data/idx.h"
#include "data/png.h"
#include "data/records.h"

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

Result<Images> Images::of_files(const std::vector<std::string>& arguments, const std::string& range,
                                const plan::InputSpec& input) {
  if (!range.empty() && arguments.size() != 1) {
    return error(Code::wrong_params, "--range: {} files are named; with more than one write FILE:FIRST:COUNT",
                 arguments.size());
  }
  Images out;
  for (const std::string& argument : arguments) {
    OBSCURA_TRY(FileRange file, parse_file_range(argument));
    OBSCURA_TRY(const bool png, is_png(file.path));
    const auto read = [path = file.path, png, input](data::Range part) -> Result<data::Dataset> {
      return png ? data::read_png(path, {input.channels, input.height, input.width})
                 : data::read_idx_images(path, part);
    };
    if (!png && !range.empty()) {
      OBSCURA_TRY(file.range, parse_range(range, "--range"));
    }
    OBSCURA_TRY_VOID(out.add(png ? data::Range{} : file.range, read));
    OBSCURA_TRY_VOID(out.check_size(input, file.path.string()));
  }
  return out;
}

CLI::Option* add_selection(CLI::App& command, Selection& selection) {
  CLI::Option* dataset = command.add_option("--dataset", selection.dataset,
                                            fmt::format("One of {}", fmt::join(data::dataset_names(), ", ")));
  command.add_option("--split", selection.split, "train, test, or val where the data set has it")
      ->check(CLI::IsMember(data::split_names()))
      ->capture_default_str();
  command.add_option("--limit", selection.limit, "Images to take (default: all)");
  command.add_option("--first", selection.first, "The first of them")->capture_default_str();
  command.add_option("--data", selection.data, "Folder of data sets (default: $OBSCURA_DATA, else ./data)");
  return dataset;
}

Result<Images> Images::of_dataset(const Selection& selection) {
  if (selection.limit == std::size_t{0}) return error(Code::wrong_params, "--limit 0: at least one image is needed");
  const auto read = [name = selection.dataset, split = selection.split, folder = data_folder(selection.data)](
                        data::Range part) { return data::load(name, split, folder, part); };
  Images out;
  OBSCURA_TRY_VOID(out.add({selection.first, selection.limit.value_or(data::kAll)}, read));
  return out;
}

Result<void> Images::add(data::Range range, std::function<Result<data::Dataset>(data::Range)> read) {
  OBSCURA_TRY(head_, read({range.first, 1}));
  OBSCURA_TRY_VOID(data::check_range(head_.name, head_.available, range));
  count_ += range.count;
  pieces_.push_back({range, std::move(read)});
  return {};
}

Result<void> Images::check_size(const plan::InputSpec& input, const std::string& name) const {
  if (head_.channels == input.channels && head_.height == input.height && head_.width == input.width) return {};
  return error(Code::wrong_params, "{}: images of {}x{}x{}; the network takes {}x{}x{}", name, head_.channels,
               head_.height, head_.width, input.channels, input.height, input.width);
}

Result<data::Dataset> Images::read(std::size_t first, std::size_t count) const {
  OBSCURA_CHECK(first + count <= count_, "images {} to {} of {}", first, first + count, count_);
  data::Dataset out;
  std::size_t start = 0;  // of the piece, among all images
  for (const Piece& piece : pieces_) {
    const std::size_t from = std::max(first, start), to = std::min(first + count, start + piece.range.count);
    if (from < to) {
      OBSCURA_TRY(data::Dataset part, piece.read({piece.range.first + from - start, to - from}));
      if (out.pixels.empty()) {
        out = std::move(part);
      } else {
        out.pixels.insert(out.pixels.end(), part.pixels.begin(), part.pixels.end());
      }
    }
    start += piece.range.count;
  }
  return out;
}

Result<data::Dataset> read_images(const std::vector<std::string>& arguments, const plan::InputSpec& input) {
  OBSCURA_TRY(const Images images, Images::of_files(arguments, "", input));
  return images.read(0, images.count());
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
