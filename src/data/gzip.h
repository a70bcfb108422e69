// SPDX-License-Identifier: Apache-2.0
/// gzip files, as Debian packs the idx files of dataset-fashion-mnist.
#pragma once

#include <filesystem>

#include "base/bytes.h"

namespace obscura::data {

/// The unpacked content of a gzip file, at most `limit` bytes.
/// errors: absent; not gzip, truncated or damaged; more than `limit` bytes inside.
Result<base::Bytes> read_gzip(const std::filesystem::path& path, std::uint64_t limit);

}  // namespace obscura::data
