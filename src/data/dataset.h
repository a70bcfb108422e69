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

/// What a network takes: channels x height x width. One on a vector of F numbers takes 1 x 1 x F.
struct ImageShape {
  std::size_t channels = 1;
  std::size_t height = 0;
  std::size_t width = 0;
  std::size_t elements() const { return channels * height * width; }
  bool is_vector() const { return channels == 1 && height == 1; }
  bool operator==(const ImageShape&) const = default;
};
/// "3x32x32"
std::string to_string(const ImageShape& shape);

/// Images of one size, one after the other, each channels x height x width numbers (planar, row-major): bytes, 0 =
/// black, or where the source is finer than bytes floats in units of pixel / 255. One of `pixels` and `values` is
/// empty.
struct Dataset {
  std::string name;   ///< "mnist"; the path where read from a file
  std::string split;  ///< "train", "val" or "test"; empty where read from a file
  std::size_t channels = 1;
  std::size_t height = 0;
  std::size_t width = 0;
  std::vector<std::uint8_t> pixels;
  std::vector<float> values;             ///< 0 to 1
  std::vector<std::uint16_t> labels;     ///< one an image, or empty where unknown
  std::vector<std::string> class_names;  ///< of a named data set
  std::size_t available = 0;             ///< images in the split or file that these were taken from
  std::string changed;                   ///< what was done to a picture that did not fit; empty: nothing

  ImageShape shape() const { return {channels, height, width}; }
  std::size_t image_size() const { return channels * height * width; }
  std::size_t count() const { return image_size() == 0 ? 0 : (pixels.size() + values.size()) / image_size(); }
  /// Images [first, first + count) in units of pixel / 255, whichever they are stored as.
  std::vector<float> floats(std::size_t first, std::size_t count) const;
  std::vector<float> floats() const { return floats(0, count()); }
  /// Puts the images of `more`, of the same size, after these: as bytes if both are. Labels follow if both have them.
  void append(const Dataset& more);
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
