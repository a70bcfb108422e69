// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.h"

#include <algorithm>

#include "data/idx.h"

namespace obscura::data {
namespace {

std::vector<std::string> class_names(const std::string& name) {
  if (name == "fashion-mnist") {
    return {"T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"};
  }
  return {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
}

}  // namespace

const std::vector<std::string>& dataset_names() {
  static const std::vector<std::string> names = {"mnist", "fashion-mnist"};
  return names;
}

Result<Dataset> load(const std::string& name, const std::string& split, const std::filesystem::path& folder,
                     Range range) {
  const auto& names = dataset_names();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    return error(Code::unsupported, "data set '{}' is not known; there are {}", name, fmt::join(names, ", "));
  }
  if (split != "train" && split != "test") {
    return error(Code::unsupported, "data set {} has no split '{}'; there are train, test", name, split);
  }
  const std::string stem = split == "train" ? "train" : "t10k";
  const std::filesystem::path images = folder / name / (stem + "-images-idx3-ubyte");
  const std::filesystem::path labels = folder / name / (stem + "-labels-idx1-ubyte");
  for (const auto& path : {images, labels}) {
    std::error_code failed;
    if (std::filesystem::exists(path, failed)) continue;
    return error(Code::io, "{}: absent; `obscura data fetch {} --dir {}` brings the data set", path.string(), name,
                 folder.string());
  }
  OBSCURA_TRY(Dataset out, read_idx_images(images, range));
  OBSCURA_TRY(out.labels, read_idx_labels(labels, range));
  if (out.labels.size() != out.count()) {
    return error(Code::bad_format, "{}: {} labels for {} images", labels.string(), out.labels.size(), out.count());
  }
  out.name = name;
  out.split = split;
  out.class_names = class_names(name);
  const auto worst = std::max_element(out.labels.begin(), out.labels.end());
  if (*worst >= out.class_names.size()) {
    return error(Code::bad_format, "{}: label {} of image {}; labels are 0 to {}", labels.string(), *worst,
                 range.first + static_cast<std::size_t>(worst - out.labels.begin()), out.class_names.size() - 1);
  }
  return out;
}

}  // namespace obscura::data
