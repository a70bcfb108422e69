// SPDX-License-Identifier: Apache-2.0
#include "api/images.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/words.h"
#include "data/image_file.h"
#include "data/records.h"

namespace obscura::api {
namespace {

Result<std::size_t> parse_number(const std::string& text, const std::string& argument) {
  std::size_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) {
    return error(Code::bad_format, "{}: '{}' is not a number; a range is written FIRST:COUNT", argument, text);
  }
  return number;
}

}  // namespace

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

std::string Selection::text() const {
  if (!dataset.empty()) return fmt::format("{} ({})", dataset, split);
  return files.size() == 1 ? files.front() : plural(files.size(), "file");
}

Result<Images> Images::of(const Selection& selection, const data::ImageShape& shape, std::size_t classes) {
  if (selection.files.empty() == selection.dataset.empty()) {
    return error(Code::wrong_params, "name the images: files or folders, or a data set with --dataset, and not both");
  }
  if (selection.limit == std::size_t{0}) return error(Code::wrong_params, "--limit 0: at least one image is needed");
  Images out;
  if (selection.dataset.empty()) {
    OBSCURA_TRY(out, of_files(selection.files, shape, selection.fitting));
    if (!selection.labels.empty()) OBSCURA_TRY_VOID(out.set_labels(selection.labels));
  } else {
    OBSCURA_TRY(out, of_dataset(selection.dataset, selection.split, selection.data, shape));
  }
  out.classes_ = classes;
  out.source_ = selection.text();
  OBSCURA_TRY_VOID(out.keep({selection.first, selection.limit.value_or(data::kAll)}, selection.text()));
  return out;
}

Result<Images> Images::of_dataset(const std::string& name, const std::string& split,
                                  const std::filesystem::path& folder, const data::ImageShape& shape) {
  Images out;
  out.shape_ = shape;
  const auto read = [=](data::Range range) -> Result<data::Dataset> {
    OBSCURA_TRY(data::Dataset images, data::load(name, split, folder, range));
    OBSCURA_TRY_VOID(data::fit(images, shape, name));
    return images;
  };
  OBSCURA_TRY_VOID(out.add({0, {}, {}, false, {}, {}, read}));
  return out;
}

Result<Images> Images::of_files(const std::vector<std::string>& arguments, const data::ImageShape& shape,
                                const data::Fitting& fitting) {
  Images out;
  out.shape_ = shape;
  out.fitting_ = fitting;
  out.of_files_ = true;
  for (const std::string& argument : arguments) {
    OBSCURA_TRY(const FileRange file, parse_file_range(argument));
    std::error_code ignored;
    if (std::filesystem::is_directory(file.path, ignored)) {
      OBSCURA_TRY_VOID(out.add_folder(file));
    } else {
      OBSCURA_TRY_VOID(out.add_file(file, {}));
    }
  }
  return out;
}

Result<Images> Images::of_training(const std::vector<std::string>& names, const std::filesystem::path& folder,
                                   const data::ImageShape& shape) {
  const auto& sets = data::dataset_names();
  if (names.size() != 1 || std::find(sets.begin(), sets.end(), names.front()) == sets.end()) {
    return of_files(names, shape);
  }
  return of_dataset(names.front(), "train", folder, shape);
}

Result<void> Images::add(Piece piece) {
  OBSCURA_TRY(const data::Dataset head, piece.read({piece.range.first, 1}));
  OBSCURA_TRY_VOID(data::check_range(head.name, head.available, piece.range));
  if (!of_files_) class_names_ = head.class_names;
  labelled_ = labelled_ && (piece.label || !head.labels.empty());
  piece.start = count_;
  count_ += piece.range.count;
  pieces_.push_back(std::move(piece));
  return {};
}

Result<void> Images::add_file(const FileRange& file, std::optional<std::uint16_t> label) {
  OBSCURA_TRY(data::ImageFile images, data::open_image_file(file.path, shape_, fitting_));
  return add(
      {0, file.range, file.path.string(), images.picture, std::move(images.changed), label, std::move(images.read)});
}

Result<void> Images::add_folder(FileRange folder) {
  OBSCURA_TRY(const data::PictureFolder pictures, data::list_pictures(folder.path));
  if (pieces_.empty()) class_names_ = pictures.class_names;
  if (class_names_ != pictures.class_names) {
    return error(Code::wrong_params,
                 "{}: its folders of classes are not those of what is named before it, so their numbers would not be "
                 "the same",
                 folder.path.string());
  }
  OBSCURA_TRY_VOID(data::check_range(folder.path.string(), pictures.files.size(), folder.range));
  for (std::size_t i = folder.range.first; i < folder.range.first + folder.range.count; ++i) {
    std::optional<std::uint16_t> label;
    if (!pictures.labels.empty()) label = pictures.labels[i];
    OBSCURA_TRY_VOID(add_file({pictures.files[i], {}}, label));
  }
  return {};
}

Result<void> Images::keep(data::Range range, const std::string& name) {
  OBSCURA_TRY_VOID(data::check_range(name, count_, range));
  first_ = range.first;
  count_ = range.count;
  return {};
}

Result<void> Images::set_labels(const std::string& argument) {
  OBSCURA_TRY(labels_, read_labels(argument, count_));
  labelled_ = true;
  return {};
}

const Images::Piece& Images::piece_of(std::size_t i) const {
  const auto after = std::upper_bound(pieces_.begin(), pieces_.end(), i,
                                      [](std::size_t at, const Piece& piece) { return at < piece.start; });
  return *std::prev(after);
}

std::string Images::name(std::size_t i) const {
  OBSCURA_CHECK(i < count_, "image {} of {}", i, count_);
  const Piece& piece = piece_of(first_ + i);
  return piece.picture ? piece.path : fmt::format("{}:{}", piece.path, piece.range.first + first_ + i - piece.start);
}

Result<void> Images::check_labels(const data::Dataset& images, std::size_t first) const {
  for (std::size_t i = 0; classes_ > 0 && i < images.labels.size(); ++i) {
    if (images.labels[i] < classes_) continue;
    return error(Code::wrong_params, "image {} has label {}, but the network has {} classes, numbered from 0",
                 of_files_ ? name(first + i) : std::to_string(first_ + first + i), images.labels[i], classes_);
  }
  return {};
}

Result<data::Dataset> Images::read(std::size_t first, std::size_t count) const {
  OBSCURA_CHECK(count > 0 && first + count <= count_, "images {} to {} of {}", first, first + count, count_);
  data::Dataset out;
  const std::size_t end = first_ + first + count;
  for (std::size_t at = first_ + first; at < end;) {
    const Piece& piece = piece_of(at);
    const std::size_t some = std::min(end, piece.start + piece.range.count) - at;
    OBSCURA_TRY(data::Dataset part, piece.read({piece.range.first + at - piece.start, some}));
    if (piece.label) part.labels.assign(some, *piece.label);
    if (out.count() == 0) {
      out = std::move(part);
    } else {
      out.append(part);
    }
    at += some;
  }
  if (!labelled_) out.labels.clear();
  if (!labels_.empty()) {
    const auto from = labels_.begin() + static_cast<std::ptrdiff_t>(first_ + first);
    out.labels.assign(from, from + static_cast<std::ptrdiff_t>(count));
  }
  OBSCURA_TRY_VOID(check_labels(out, first));
  return out;
}

Result<std::vector<std::uint16_t>> read_labels(const std::string& argument, std::size_t count) {
  OBSCURA_TRY(const FileRange file, parse_file_range(argument));
  OBSCURA_TRY(std::vector<std::uint16_t> labels, data::read_label_file(file.path, file.range));
  if (labels.size() != count) {
    return error(Code::wrong_params, "{}: {} labels for {} images; name a range as FILE:FIRST:COUNT", argument,
                 labels.size(), count);
  }
  return labels;
}

std::vector<float> normalise(const data::Dataset& images, const Normalization& normalization) {
  return normalise(images.floats(), images.shape(), normalization);
}

namespace {

Result<std::vector<float>> take_training(const std::vector<std::string>& names, const std::filesystem::path& folder,
                                         const data::ImageShape& shape, const Normalization& normalization,
                                         data::Range range) {
  OBSCURA_TRY(const Images images, Images::of_training(names, folder, shape));
  OBSCURA_TRY_VOID(data::check_range(fmt::format("{}", fmt::join(names, " ")), images.count(), range));
  if (!images.of_files() || range.count == images.count()) {
    OBSCURA_TRY(const data::Dataset some, images.read(0, range.count));
    return normalise(some, normalization);
  }
  std::vector<float> out;
  for (std::size_t i = 0; i < range.count; ++i) {
    OBSCURA_TRY(const data::Dataset one, images.read(i * images.count() / range.count, 1));
    const std::vector<float> values = normalise(one, normalization);
    out.insert(out.end(), values.begin(), values.end());
  }
  return out;
}

}  // namespace

TrainingData training_of(const std::vector<std::string>& names, const std::filesystem::path& folder) {
  if (names.empty()) return {};
  return {[=](const data::ImageShape& shape, const Normalization& normalization, data::Range range) {
    return take_training(names, folder, shape, normalization, range);
  }};
}

}  // namespace obscura::api
