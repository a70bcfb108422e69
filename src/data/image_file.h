// SPDX-License-Identifier: Apache-2.0
/// Files and folders of images as people have them, known by their first bytes.
#pragma once

#include <functional>

#include "data/picture.h"

namespace obscura::data {

/// A file of images that fit a network.
struct ImageFile {
  std::size_t count = 1;
  bool picture = false;      ///< it is one image: PNG or JPEG
  std::string changed = {};  ///< what is done to it that it fits; empty: nothing
  /// Images of a range, with labels where the file has them. errors: a range that leaves the file; those of reading.
  std::function<Result<Dataset>(Range)> read;
};

/// PNG, JPEG, idx (with or without gzip), .npy, .npz, or else the binary layout of CIFAR.
/// Only pictures are made to fit. errors: absent, damaged; another kind of file; images that do not fit.
Result<ImageFile> open_image_file(const std::filesystem::path& path, const ImageShape& wanted,
                                  const Fitting& fitting = {});

/// Gives images the wanted shape. `name` stands in messages.
/// errors: they have another; but a network on a vector takes images of as many numbers in any shape.
Result<void> fit(Dataset& images, const ImageShape& wanted, const std::string& name);

/// Pictures in a folder by their names, in the order of their bytes. With a folder for each class the names of these,
/// in the same order, are the classes.
struct PictureFolder {
  std::vector<std::filesystem::path> files;
  std::vector<std::uint16_t> labels;  ///< one a file, or none
  std::vector<std::string> class_names;
};

/// More pictures than these are refused.
inline constexpr std::size_t kMaxPictures = 1U << 20;

/// What begins with a dot is passed over.
/// errors: unreadable; no pictures; other files than .png, .jpg and .jpeg; pictures beside folders, folders in folders.
Result<PictureFolder> list_pictures(const std::filesystem::path& folder);

/// Labels `range` of a file: idx (with or without gzip), .npy, the array `y` or `labels` of .npz, or a text of one
/// whole number a line. errors: absent, damaged; another kind; numbers that are no labels; a range that leaves the
/// file.
Result<std::vector<std::uint16_t>> read_label_file(const std::filesystem::path& path, Range range = {});

}  // namespace obscura::data
