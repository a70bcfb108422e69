// SPDX-License-Identifier: Apache-2.0
/// Labelled images in memory, and the data sets known by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "base/check.h"

namespace obscura::data {

inline constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

/// Images first .. first + count - 1 of a file; count = kAll: from first to the end. A count of 0, or a range that
/// leaves the file, is an error that names both.
struct Range {
  std::size_t first = 0;
  std::size_t count = kAll;
  bool or_fewer = false;  ///< a count beyond the end means: to the end
};

/// Images of one size, one after the other, each channels x height x width bytes (planar, row-major), 0 = black.
struct Dataset {
  std::string name;   ///< "mnist"; the path where read from a file
  std::string split;  ///< "train", "val" or "test"; empty where read from a file
  std::size_t channels = 1;
  std::size_t height = 0;
  std::size_t width = 0;
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint16_t> labels;     ///< one an image, or empty where unknown
  std::vector<std::string> class_names;  ///< of a named data set
  std::size_t available = 0;             ///< images in the split or file that these were taken from

  std::size_t image_size() const { return channels * height * width; }
  std::size_t count() const { return image_size() == 0 ? 0 : pixels.size() / image_size(); }
};

/// Names that load() knows; docs/DATA.md says what they are.
const std::vector<std::string>& dataset_names();
/// Those of them that fetch() brings. The others a user places himself.
const std::vector<std::string>& fetchable_names();
/// "train", "val", "test"; not every data set has the second.
const std::vector<std::string>& split_names();

/// Images `range` of a split of a data set, from folder/<name>/.
/// errors: unknown name; a split that it has not; data absent (the sentence has the command that fetches it, or where
/// to get and place it); a damaged file; a range beyond the split; a label without a class.
Result<Dataset> load(const std::string& name, const std::string& split, const std::filesystem::path& folder,
                     Range range = {});

}  // namespace obscura::data
