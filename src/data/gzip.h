// SPDX-License-Identifier: Apache-2.0
/// What zlib compressed: gzip files, as Debian packs the idx files of dataset-fashion-mnist, and members of archives.
#pragma once

#include <filesystem>

#include "base/bytes.h"

namespace obscura::data {

/// The unpacked content of a gzip file, at most `limit` bytes, below 4 GiB.
/// errors: absent; not gzip, truncated or damaged; more than `limit` bytes inside.
Result<base::Bytes> read_gzip(const std::filesystem::path& path, std::uint64_t limit);

/// The same of a deflated stream without a header, as in archives. `name` stands in messages.
Result<base::Bytes> inflate_raw(base::ByteView packed, const std::string& name, std::uint64_t limit);

}  // namespace obscura::data
