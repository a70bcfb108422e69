// SPDX-License-Identifier: Apache-2.0
/// Arrays of numpy: .npy files, and .npz archives of them.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "data/array.h"

namespace obscura::data {

/// A .npy file of format 1 to 3: integers of 1 to 8 bytes or floats of 2, 4 or 8, little-endian, the last axis fastest.
/// errors: absent; another kind, truncated; other numbers or another order, with the way out; sizes that do not fit.
Result<Array> open_npy(const std::filesystem::path& path);
/// The same of bytes that are somewhere else; `name` stands in messages.
Result<Array> read_npy(const Storage& storage, const std::string& name);

/// The bytes of a .npy file of rows x columns floats.
base::Bytes write_npy(std::span<const float> values, std::size_t rows, std::size_t columns);

/// What is wanted of an archive.
enum class Content { images, labels };

/// The array `x` or `images` of a .npz archive, else its first that is none of labels; or `y` or `labels`, and nothing
/// where there is none.
/// errors: as open_npy, and of an archive: damaged, encrypted, packed in another way, above 4 GiB, without arrays.
Result<std::optional<Array>> open_npz(const std::filesystem::path& path, Content content);

}  // namespace obscura::data
