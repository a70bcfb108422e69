// SPDX-License-Identifier: Apache-2.0
/// Images of 3 x 32 x 32 in the three shapes in which CIFAR-10 and its relatives are handed round.
#pragma once

#include "data/dataset.h"

namespace obscura::data {

/// Side of an image, and the pixels of one.
inline constexpr std::size_t kCifarSide = 32;
inline constexpr std::size_t kCifarPixels = kCifarSide * kCifarSide;

/// Rows of one PNG and entries of one list of labels above this are refused before anything is allocated.
inline constexpr std::size_t kMaxImageRows = 10000;
inline constexpr std::size_t kMaxLabels = 1U << 20;

/// Images and labels `range` of the binary layout: records of 1 + 3072 bytes, the label, then red, green and blue
/// planes. CIFAR-100 has two labels, of which the second, the finer one, is taken; a file is of that layout if its size
/// is a whole number of such records only.
/// errors: absent; a size that is not a whole number of records; a range that leaves the file.
Result<Dataset> read_cifar_binary(const std::filesystem::path& path, Range range = {});

/// Images `range` of a colour PNG of 1024 columns whose row i is image i, pixel after pixel.
/// errors: absent, damaged; other than 1024 columns, more than kMaxImageRows rows; a range that leaves the file.
Result<Dataset> read_image_rows(const std::filesystem::path& path, Range range = {});

/// "[3,8,0]": a JSON list of whole numbers 0 to 255.
/// errors: absent; anything else, with its place; more than kMaxLabels numbers.
Result<std::vector<std::uint8_t>> read_label_list(const std::filesystem::path& path);
/// The same of a text; `name` stands in messages.
Result<std::vector<std::uint8_t>> parse_label_list(const std::string& text, const std::string& name);

}  // namespace obscura::data
