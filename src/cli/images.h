// SPDX-License-Identifier: Apache-2.0
/// Images and labels named on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "data/dataset.h"
#include "plan/plan.h"

namespace obscura::cli {

/// A file named on the command line as FILE or FILE:FIRST:COUNT.
struct FileRange {
  std::filesystem::path path;
  data::Range range;
};
/// errors: FIRST or COUNT that are no numbers; COUNT 0. A file whose name itself has colons is taken where it exists.
Result<FileRange> parse_file_range(const std::string& argument);

/// Images of a split of a data set: all, or `limit` of them from `first` on.
struct Selection {
  std::string dataset;
  std::string data;  ///< folder; see data_folder()
  std::string split = "test";
  std::optional<std::size_t> limit;
  std::size_t first = 0;
};
/// --dataset (which is returned), --split, --limit, --first, --data.
CLI::Option* add_selection(CLI::App& command, Selection& selection);

/// Images of files or of a data set, one after the other, read from disk when they are asked for.
class Images {
 public:
  /// PNG files and idx files with ranges. `range` (FIRST:COUNT, may be empty) holds for the only idx file.
  /// errors: those of the files; a file whose images are not channels x height x width.
  static Result<Images> of_files(const std::vector<std::string>& arguments, const std::string& range,
                                 const plan::InputSpec& input);
  /// errors: a limit of 0; those of data::load.
  static Result<Images> of_dataset(const Selection& selection);
  std::size_t count() const { return count_; }
  /// One of the images: their size and, of a data set, its name, split and classes.
  const data::Dataset& head() const { return head_; }
  /// errors: the images are not what the network takes; `name` stands in the message.
  Result<void> check_size(const plan::InputSpec& input, const std::string& name) const;
  /// Images [first, first + count), with labels where there are some. errors: those of the files.
  Result<data::Dataset> read(std::size_t first, std::size_t count) const;

 private:
  struct Piece {
    data::Range range;
    std::function<Result<data::Dataset>(data::Range)> read;
  };
  Result<void> add(data::Range range, std::function<Result<data::Dataset>(data::Range)> read);
  std::vector<Piece> pieces_;
  std::size_t count_ = 0;
  data::Dataset head_;
};

/// All images of PNG files and idx files with ranges. errors: those of Images::of_files.
Result<data::Dataset> read_images(const std::vector<std::string>& arguments, const plan::InputSpec& input);

/// The labels of an idx file, FILE or FILE:FIRST:COUNT. errors: not `count` of them.
Result<std::vector<std::uint8_t>> read_labels(const std::string& argument, std::size_t count);

}  // namespace obscura::cli
