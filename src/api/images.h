// SPDX-License-Identifier: Apache-2.0
/// Images and labels of files and data sets, as a command line names them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/settings.h"
#include "api/shape.h"
#include "api/training.h"
#include "base/check.h"
#include "data/picture.h"

namespace obscura::api {

/// A file or folder named on the command line as PATH or PATH:FIRST:COUNT.
struct FileRange {
  std::filesystem::path path;
  data::Range range;
};
/// errors: FIRST or COUNT that are no numbers; COUNT 0. A file whose name itself has colons is taken where it exists.
Result<FileRange> parse_file_range(const std::string& argument);

/// "FIRST:COUNT"; `argument` stands in messages. errors: as above.
Result<data::Range> parse_range(const std::string& text, const std::string& argument);

/// Images of a split of a data set, or of files and folders: all, or `limit` of them from `first` on.
struct Selection {
  std::string dataset;
  std::vector<std::string> files;
  std::string labels;  ///< file of labels, which stand in for those that the files have
  std::string data;    ///< folder of data sets
  std::string split = "test";
  std::optional<std::size_t> limit;
  std::size_t first = 0;
  data::Fitting fitting;  ///< of pictures in files
  /// "mnist (test)", or the files: for people.
  std::string text() const;
};

/// Images of files or of a data set, one after the other, of the shape that a network takes, read from disk when they
/// are asked for: the one way in for all verbs.
class Images {
 public:
  /// errors: not either of files and a data set; a limit of 0, or images that are not there; those of of_files and of
  /// data::load; labels that are not one an image, or (unless 0) not below `classes`.
  static Result<Images> of(const Selection& selection, const data::ImageShape& shape, std::size_t classes = 0);
  /// Each argument a file as data::open_image_file takes them, PATH or PATH:FIRST:COUNT, or a folder as
  /// data::list_pictures takes them. Pictures are decoded once here, so that a bad one shows early.
  /// errors: theirs; folders of other classes than those before.
  static Result<Images> of_files(const std::vector<std::string>& arguments, const data::ImageShape& shape,
                                 const data::Fitting& fitting = {});
  /// Training images: of a data set if there is one name and it is a data set's, else of files.
  static Result<Images> of_training(const std::vector<std::string>& names, const std::filesystem::path& folder,
                                    const data::ImageShape& shape);

  std::size_t count() const { return count_; }
  const data::ImageShape& shape() const { return shape_; }
  /// Of files and folders; else of a data set.
  bool of_files() const { return of_files_; }
  /// Whether every image has a label.
  bool labelled() const { return labelled_; }
  /// "mnist (test)", or the files: for people.
  const std::string& source() const { return source_; }
  /// Those of a data set, or of folders; else none.
  const std::vector<std::string>& class_names() const { return class_names_; }
  /// Of files: "cat.png", or "cats.npy:12" of an image in an array. errors: ContractError where i is not below count().
  std::string name(std::size_t i) const;
  /// What is done to a picture that it fits: "resized from 30x20 to 28x28"; empty: nothing.
  const std::string& changed(std::size_t i) const { return piece_of(first_ + i).changed; }
  /// Images [first, first + count), with labels where all images have them. errors: those of the files; a label that is
  /// not below the number of classes.
  Result<data::Dataset> read(std::size_t first, std::size_t count) const;

 private:
  using Reader = std::function<Result<data::Dataset>(data::Range)>;
  struct Piece {
    std::size_t start = 0;  ///< of its images, among all
    data::Range range;
    std::string path;  ///< of a file
    bool picture = false;
    std::string changed;                 ///< of a picture
    std::optional<std::uint16_t> label;  ///< of all its images
    Reader read;
  };
  static Result<Images> of_dataset(const std::string& name, const std::string& split,
                                   const std::filesystem::path& folder, const data::ImageShape& shape);
  Result<void> add(Piece piece);
  Result<void> add_file(const FileRange& file, std::optional<std::uint16_t> label);
  Result<void> add_folder(FileRange folder);
  /// Leaves a range of them. errors: that of data::check_range.
  Result<void> keep(data::Range range, const std::string& name);
  Result<void> set_labels(const std::string& argument);
  const Piece& piece_of(std::size_t i) const;
  Result<void> check_labels(const data::Dataset& images, std::size_t first) const;

  data::ImageShape shape_;
  data::Fitting fitting_;
  std::string source_;
  std::vector<Piece> pieces_;
  std::size_t first_ = 0;  ///< of those that are kept, among all
  std::size_t count_ = 0;
  bool of_files_ = false;
  bool labelled_ = true;
  std::size_t classes_ = 0;
  std::vector<std::uint16_t> labels_;  ///< of a file of their own, one for each of all images
  std::vector<std::string> class_names_;
};

/// The labels of a file, as data::read_label_file takes them, FILE or FILE:FIRST:COUNT. errors: not `count` of them.
Result<std::vector<std::uint16_t>> read_labels(const std::string& argument, std::size_t count);

/// The images, normalised, image after image.
std::vector<float> normalise(const data::Dataset& images, const Normalization& normalization);

/// Training images as Images::of_training has them: the first of a data set; of files and folders, which may be sorted
/// by class, every so-manieth. Of no names there are none. errors of taking them: those of Images::of_training; fewer
TrainingData training_of(const std::vector<std::string>& names, const std::filesystem::path& folder);

}  // namespace obscura::api
