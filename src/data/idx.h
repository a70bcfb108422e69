// SPDX-License-Identifier: Apache-2.0
/// The idx format of MNIST: a big-endian magic 0x0000080d, d sizes, then one byte a number. Images have three sizes
/// (0x00000803), labels one (0x00000801).
#pragma once

#include "data/array.h"

namespace obscura::data {

/// An idx file, which may be packed with gzip. errors: absent; another kind; sizes that do not fit the file's.
Result<Array> open_idx(const std::filesystem::path& path);

/// Images `range` of an idx3 file; labels stay empty. Reads only the bytes of the range.
/// errors: as above; a range that leaves the file.
Result<Dataset> read_idx_images(const std::filesystem::path& path, Range range = {});

/// Labels `range` of an idx1 file. errors: as above.
Result<std::vector<std::uint16_t>> read_idx_labels(const std::filesystem::path& path, Range range = {});

}  // namespace obscura::data
