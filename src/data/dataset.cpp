// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.h"

#include <algorithm>

#include "data/catalogue.h"
#include "data/cifar.h"
#include "data/idx.h"
#include "data/records.h"
#include "data/sample.h"

namespace obscura::data {
namespace {

namespace fs = std::filesystem;

/// A file of labels must have one for each image.
Result<void> check_counts(const fs::path& labels, std::size_t count, std::size_t images) {
  if (count == images) return {};
  return error(Code::bad_format, "{}: {} labels for {} images", labels.string(), count, images);
}

Result<Dataset> load_idx(const fs::path& images, const fs::path& labels, Range range) {
  OBSCURA_TRY(Dataset out, read_idx_images(images, range));
  OBSCURA_TRY(const std::vector<std::uint16_t> all, read_idx_labels(labels));
  OBSCURA_TRY_VOID(check_counts(labels, all.size(), out.available));
  const auto first = all.begin() + static_cast<std::ptrdiff_t>(range.first);
  out.labels.assign(first, first + static_cast<std::ptrdiff_t>(out.count()));
  return out;
}

/// Pictures of kMaxImageRows images each, of which only those that the range touches are decoded.
Result<Dataset> load_rows(const std::vector<fs::path>& pictures, const fs::path& list, Range range) {
  OBSCURA_TRY(const std::vector<std::uint8_t> labels, read_label_list(list));
  OBSCURA_TRY_VOID(check_counts(list, labels.size(), pictures.size() * kMaxImageRows));
  OBSCURA_TRY_VOID(check_range(list.string(), labels.size(), range));
  const std::size_t end = range.first + range.count;
  Dataset out;
  for (std::size_t at = range.first; at < end;) {
    const std::size_t picture = at / kMaxImageRows;
    const std::size_t count = std::min(end, (picture + 1) * kMaxImageRows) - at;
    OBSCURA_TRY(Dataset part, read_image_rows(pictures[picture], {at % kMaxImageRows, count}));
    if (at == range.first) {
      out = std::move(part);
      out.pixels.reserve(range.count * out.image_size());
    } else {
      out.append(part);
    }
    at += count;
  }
  out.available = labels.size();
  const auto first = labels.begin() + static_cast<std::ptrdiff_t>(range.first);
  out.labels.assign(first, first + static_cast<std::ptrdiff_t>(range.count));
  return out;
}

/// The files of one split; labels last where they stand apart.
std::vector<fs::path> files_of(const Facts& facts, const std::string& split, const fs::path& folder) {
  const auto idx_pair = [&](const std::string& stem) -> std::vector<fs::path> {
    return {folder / (stem + "-images-idx3-ubyte"), folder / (stem + "-labels-idx1-ubyte")};
  };
  switch (facts.layout) {
    case Layout::mnist:
      return idx_pair(split == "test" ? "t10k" : split);
    case Layout::medmnist:
      return idx_pair(split);
    case Layout::cifar_binary:
      return {folder / (split + ".bin")};
    case Layout::sample:
      return {folder / kSampleImages, folder / kSampleClasses, folder / kSampleLabels};
    case Layout::cifar_png:
      break;
  }
  std::vector<fs::path> files;
  if (split == "test") files.push_back(folder / "test_batch.png");
  for (int batch = 1; split == "train" && batch <= 5; ++batch) {
    files.push_back(folder / fmt::format("data_batch_{}.png", batch));
  }
  files.push_back(folder / (split + "_lables.json"));  // as the package spells it
  return files;
}

Result<void> check_present(const Facts& facts, const std::vector<fs::path>& files, const fs::path& folder) {
  for (const fs::path& path : files) {
    std::error_code failed;
    if (fs::exists(path, failed)) continue;
    if (facts.where.empty()) {
      return error(Code::io, "{}: absent; `obscura data fetch {} --dir {}` brings the data set", path.string(),
                   facts.name, folder.string());
    }
    return error(Code::io,
                 "{}: absent; data set {} is not fetched: get it from {} and place its files in {}, as "
                 "docs/DATA.md says",
                 path.string(), facts.name, facts.where, (folder / facts.name).string());
  }
  return {};
}

Result<Dataset> read_files(const Facts& facts, std::vector<fs::path> files, const std::string& split, Range range) {
  if (facts.layout == Layout::sample) return read_sample({files[0], files[2], files[1]}, split, range);
  Dataset out;
  if (facts.layout == Layout::cifar_binary) {
    OBSCURA_TRY(out, read_cifar_binary(files.front(), range));
  } else if (facts.layout == Layout::cifar_png) {
    const fs::path labels = files.back();
    files.pop_back();
    OBSCURA_TRY(out, load_rows(files, labels, range));
  } else {
    OBSCURA_TRY(out, load_idx(files[0], files[1], range));
  }
  out.class_names = facts.classes;
  return out;
}

}  // namespace

std::string to_string(const ImageShape& shape) {
  return fmt::format("{}x{}x{}", shape.channels, shape.height, shape.width);
}

std::vector<float> Dataset::floats(std::size_t first, std::size_t count) const {
  OBSCURA_CHECK(first + count <= this->count(), "images {} to {} of {}", first, first + count, this->count());
  const std::size_t from = first * image_size(), size = count * image_size();
  if (pixels.empty()) {
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(from);
    return {begin, begin + static_cast<std::ptrdiff_t>(size)};
  }
  std::vector<float> out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<float>(pixels[from + i] / 255.0);
  return out;
}

void Dataset::append(const Dataset& more) {
  OBSCURA_CHECK(shape() == more.shape(), "images of {} after those of {}", to_string(more.shape()), to_string(shape()));
  const bool labelled = labels.size() == count() && more.labels.size() == more.count();
  if (values.empty() && more.values.empty()) {
    pixels.insert(pixels.end(), more.pixels.begin(), more.pixels.end());
  } else {
    if (values.empty()) values = floats();
    pixels.clear();
    const std::vector<float> others = more.floats();
    values.insert(values.end(), others.begin(), others.end());
  }
  if (labelled) {
    labels.insert(labels.end(), more.labels.begin(), more.labels.end());
  } else {
    labels.clear();
  }
}

Result<Dataset> load(const std::string& name, const std::string& split, const fs::path& folder, Range range) {
  const Facts* facts = find_facts(name);
  if (facts == nullptr) {
    return error(Code::unsupported, "data set '{}' is not known; there are {}", name, fmt::join(dataset_names(), ", "));
  }
  if (std::find(facts->splits.begin(), facts->splits.end(), split) == facts->splits.end()) {
    return error(Code::unsupported, "data set {} has no split '{}'; there are {}", name, split,
                 fmt::join(facts->splits, ", "));
  }
  const std::vector<fs::path> files = files_of(*facts, split, folder / name);
  OBSCURA_TRY_VOID(check_present(*facts, files, folder));
  OBSCURA_TRY(Dataset out, read_files(*facts, files, split, range));
  out.name = name;
  out.split = split;
  const auto worst = std::max_element(out.labels.begin(), out.labels.end());
  if (*worst >= out.class_names.size()) {
    return error(Code::bad_format, "{}: label {} of image {}; labels are 0 to {}", files.back().string(), *worst,
                 range.first + static_cast<std::size_t>(worst - out.labels.begin()), out.class_names.size() - 1);
  }
  return out;
}

}  // namespace obscura::data
