// SPDX-License-Identifier: Apache-2.0
/// A sample of photographs as published networks take them: 3 x 224 x 224, and more classes than a byte can count.
#pragma once

#include "data/dataset.h"

namespace obscura::data {

inline constexpr std::size_t kSampleSide = 224;
/// The files' names; the number in them is that of the sample that they were first made for, and means nothing.
inline constexpr const char* kSampleImages = "sample100_224_u8_nchw.bin";
inline constexpr const char* kSampleLabels = "sample100_labels_u16le.bin";
inline constexpr const char* kSampleClasses = "classes.txt";

/// More images (1.5 GB), or classes, are refused before anything is allocated.
inline constexpr std::size_t kMaxSampleImages = 10000;
inline constexpr std::size_t kMaxClasses = 65536;

struct SampleFiles {
  std::filesystem::path images;   ///< red, green and blue planes of bytes, image after image
  std::filesystem::path labels;   ///< 16 bits each, little-endian
  std::filesystem::path classes;  ///< parse_class_list
};

/// Images `range` of a split: images 0, 5, 10, ... of the file are "train", the others "test". Pixels outside of the
/// range are read past, not kept.
/// errors: absent; sizes that are not a whole number of images, or do not fit each other; too many; a split without
/// images; a range that leaves the split; those of parse_class_list.
Result<Dataset> read_sample(const SampleFiles& files, const std::string& split, Range range = {});

/// Names of classes from lines "NUMBER IDENTIFIER NAME", the numbers counting from 0. `name` stands in messages.
/// errors: no lines, more than kMaxClasses, a line of another shape or with another number, each with its line.
Result<std::vector<std::string>> parse_class_list(const std::string& text, const std::string& name);

}  // namespace obscura::data
