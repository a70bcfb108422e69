// SPDX-License-Identifier: Apache-2.0
/// The idx format of MNIST: big-endian magic 0x00000803 and three sizes before images, 0x00000801 and one before
/// labels, then one byte a pixel or label.
#pragma once

#include "data/picture.h"

namespace obscura::data {

/// Images `range` of an idx3 file; labels stay empty. Reads only the bytes of the range.
/// errors: absent; of another kind; sizes that do not fit the file's; a range that leaves the file.
Result<Dataset> read_idx_images(const std::filesystem::path& path, Range range = {});

/// Labels `range` of an idx1 file. errors: as above.
Result<std::vector<std::uint8_t>> read_idx_labels(const std::filesystem::path& path, Range range = {});

}  // namespace obscura::data
