// SPDX-License-Identifier: Apache-2.0
/// Ranges of equal records inside files.
#pragma once

#include "base/files.h"
#include "data/dataset.h"

namespace obscura::data {

/// Checks a range against `count` records and turns kAll, and what or_fewer leaves, into a number. `path` stands in
/// messages.
Result<void> check_range(const std::string& path, std::size_t count, Range& range);

/// Reads and forgets.
Result<void> skip(base::InputFile& file, std::uint64_t bytes);

/// From where the file stands: skips to record range.first and reads range.count records (a checked range).
Result<std::vector<std::uint8_t>> read_records(base::InputFile& file, std::size_t record_bytes, Range range);

}  // namespace obscura::data
