// SPDX-License-Identifier: Apache-2.0
#include "data/image_file.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string_view>
#include <system_error>

#include "base/files.h"
#include "data/cifar.h"
#include "data/idx.h"
#include "data/jpeg.h"
#include "data/npy.h"
#include "data/png.h"
#include "data/records.h"

namespace obscura::data {
namespace {

namespace fs = std::filesystem;

enum class Kind { png, jpeg, npy, npz, idx, other };

/// By the first bytes: names may say anything.
Result<Kind> kind_of(const fs::path& path) {
  using namespace std::string_view_literals;
  constexpr std::array<std::pair<std::string_view, Kind>, 6> kStarts = {{{"\x89PNG"sv, Kind::png},
                                                                         {"\xFF\xD8\xFF"sv, Kind::jpeg},
                                                                         {"\x93NUMPY"sv, Kind::npy},
                                                                         {"PK\3\4"sv, Kind::npz},
                                                                         {"\x1F\x8B"sv, Kind::idx},
                                                                         {"\0\0\x08"sv, Kind::idx}}};
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  std::string head(std::min<std::uint64_t>(file.size(), 8), '\0');
  OBSCURA_TRY_VOID(file.read(std::as_writable_bytes(std::span(head))));
  for (const auto& [start, kind] : kStarts) {
    if (head.starts_with(start)) return kind;
  }
  return Kind::other;
}

/// One picture, which is decoded once now, so that a bad one shows before the work begins.
Result<ImageFile> open_picture(std::function<Result<Dataset>(Range)> read) {
  OBSCURA_TRY(const Dataset image, read({0, 1}));
  return ImageFile{1, true, image.changed, std::move(read)};
}

Result<ImageFile> open_array(Array array, std::vector<std::uint16_t> labels, const ImageShape& wanted) {
  const std::string name = array.name;
  OBSCURA_TRY(const ArrayImages images, ArrayImages::fit(std::move(array), wanted));
  if (!labels.empty() && labels.size() != images.count()) {
    return error(Code::bad_format, "{}: {} labels for {} images", name, labels.size(), images.count());
  }
  return ImageFile{images.count(), false, {}, [images, labels](Range range) -> Result<Dataset> {
                     OBSCURA_TRY(Dataset out, images.read(range));
                     if (labels.empty()) return out;
                     const auto first = labels.begin() + static_cast<std::ptrdiff_t>(range.first);
                     out.labels.assign(first, first + static_cast<std::ptrdiff_t>(out.count()));
                     return out;
                   }};
}

Result<ImageFile> open_archive(const fs::path& path, const ImageShape& wanted) {
  OBSCURA_TRY(std::optional<Array> images, open_npz(path, Content::images));
  OBSCURA_TRY(const std::optional<Array> labels, open_npz(path, Content::labels));
  std::vector<std::uint16_t> numbers;
  if (labels) {
    OBSCURA_TRY(numbers, labels_of(*labels, {}));
  }
  return open_array(std::move(*images), std::move(numbers), wanted);
}

Result<ImageFile> open_records(const fs::path& path, const ImageShape& wanted) {
  const auto read = [path, wanted](Range range) -> Result<Dataset> {
    OBSCURA_TRY(Dataset out, read_cifar_binary(path, range));
    OBSCURA_TRY_VOID(fit(out, wanted, path.string()));
    return out;
  };
  const auto first = read({0, 1});
  if (first) return ImageFile{first->available, false, {}, read};
  if (first.error().code != Code::bad_format) return first.error();
  return error(
      Code::bad_format,
      "{}: neither a picture (PNG, JPEG) nor images in an idx, .npy or .npz file or the binary layout of CIFAR",
      path.string());
}

/// A record of label 0 may begin as an idx file does.
Result<ImageFile> open_idx_or_records(const fs::path& path, const ImageShape& wanted) {
  Result<Array> array = open_idx(path);
  if (array) return open_array(std::move(*array), {}, wanted);
  Result<ImageFile> records = open_records(path, wanted);
  return records ? records : array.error();
}

Result<std::vector<std::uint16_t>> read_label_text(const fs::path& path, Range range) {
  constexpr std::uint64_t kMaxBytes = 16ULL << 20;
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, kMaxBytes));
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::vector<std::uint16_t> all;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    std::uint16_t label = 0;
    const auto parsed = std::from_chars(line.data(), line.data() + line.size(), label);
    if (parsed.ec != std::errc() || parsed.ptr != line.data() + line.size()) {
      return error(Code::bad_format, "{}: line {} is no label; a whole number from 0 to 65535 is wanted", path.string(),
                   all.size() + 1);
    }
    all.push_back(label);
  }
  OBSCURA_TRY_VOID(check_range(path.string(), all.size(), range));
  const auto first = all.begin() + static_cast<std::ptrdiff_t>(range.first);
  return std::vector<std::uint16_t>(first, first + static_cast<std::ptrdiff_t>(range.count));
}

bool is_picture_name(const fs::path& path) {
  std::string ending = path.extension().string();
  for (char& letter : ending) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

struct Listing {
  std::vector<fs::path> files;
  std::vector<fs::path> folders;
};

/// By names. errors: unreadable; files that are no pictures; too many.
Result<Listing> list(const fs::path& folder) {
  Listing out;
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    const fs::path path = at->path();
    if (path.filename().native().starts_with('.')) continue;
    std::error_code ignored;
    const bool is_folder = fs::is_directory(path, ignored);
    if (!is_folder && !is_picture_name(path)) {
      return error(Code::unsupported, "{}: a folder of pictures holds .png, .jpg and .jpeg files and nothing else",
                   path.string());
    }
    (is_folder ? out.folders : out.files).push_back(path);
    if (out.files.size() + out.folders.size() > kMaxPictures) {
      return error(Code::unsupported, "{}: more than {} pictures", folder.string(), kMaxPictures);
    }
  }
  if (failed) return error(Code::io, "{}: cannot be listed: {}", folder.string(), failed.message());
  std::sort(out.files.begin(), out.files.end());
  std::sort(out.folders.begin(), out.folders.end());
  return out;
}

}  // namespace

Result<void> fit(Dataset& images, const ImageShape& wanted, const std::string& name) {
  if (images.shape() != wanted && !(wanted.is_vector() && images.image_size() == wanted.elements())) {
    return error(Code::wrong_params, "{}: images of {}; the network takes {}", name, to_string(images.shape()),
                 to_string(wanted));
  }
  images.channels = wanted.channels;
  images.height = wanted.height;
  images.width = wanted.width;
  return {};
}

Result<ImageFile> open_image_file(const fs::path& path, const ImageShape& wanted, const Fitting& fitting) {
  OBSCURA_TRY(const Kind kind, kind_of(path));
  switch (kind) {
    case Kind::png:
      return open_picture([=](Range) { return read_png(path, wanted, fitting); });
    case Kind::jpeg:
      return open_picture([=](Range) { return read_jpeg(path, wanted, fitting); });
    case Kind::npy: {
      OBSCURA_TRY(Array array, open_npy(path));
      return open_array(std::move(array), {}, wanted);
    }
    case Kind::idx:
      return open_idx_or_records(path, wanted);
    case Kind::npz:
      return open_archive(path, wanted);
    case Kind::other:
      break;
  }
  return open_records(path, wanted);
}

Result<PictureFolder> list_pictures(const fs::path& folder) {
  OBSCURA_TRY(Listing top, list(folder));
  if (!top.files.empty() && !top.folders.empty()) {
    return error(Code::unsupported, "{}: it holds pictures and folders; either pictures, or one folder a class",
                 folder.string());
  }
  PictureFolder out;
  out.files = std::move(top.files);
  for (const fs::path& one : top.folders) {
    OBSCURA_TRY(const Listing inner, list(one));
    if (!inner.folders.empty()) {
      return error(Code::unsupported, "{}: a folder in the folder of a class", inner.folders.front().string());
    }
    if (out.class_names.size() > std::numeric_limits<std::uint16_t>::max()) {
      return error(Code::unsupported, "{}: more than 65536 classes", folder.string());
    }
    out.labels.insert(out.labels.end(), inner.files.size(), static_cast<std::uint16_t>(out.class_names.size()));
    out.files.insert(out.files.end(), inner.files.begin(), inner.files.end());
    out.class_names.push_back(one.filename().string());
  }
  if (out.files.empty()) {
    return error(Code::io, "{}: no pictures in this folder (.png, .jpg, .jpeg)", folder.string());
  }
  if (out.files.size() > kMaxPictures) {
    return error(Code::unsupported, "{}: more than {} pictures", folder.string(), kMaxPictures);
  }
  return out;
}

Result<std::vector<std::uint16_t>> read_label_file(const fs::path& path, Range range) {
  OBSCURA_TRY(const Kind kind, kind_of(path));
  if (kind == Kind::idx) return read_idx_labels(path, range);
  if (kind == Kind::other) return read_label_text(path, range);
  if (kind == Kind::npy) {
    OBSCURA_TRY(const Array array, open_npy(path));
    return labels_of(array, range);
  }
  if (kind != Kind::npz) return error(Code::bad_format, "{}: a picture, not a file of labels", path.string());
  OBSCURA_TRY(const std::optional<Array> array, open_npz(path, Content::labels));
  if (!array) return error(Code::bad_format, "{}: it has no array `y` or `labels`", path.string());
  return labels_of(*array, range);
}

}  // namespace obscura::data
