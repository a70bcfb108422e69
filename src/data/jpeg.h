// SPDX-License-Identifier: Apache-2.0
/// JPEG pictures (libjpeg).
#pragma once

#include "base/bytes.h"
#include "data/picture.h"

namespace obscura::data {

/// The pixels as libjpeg decodes them, without turning by what EXIF says. `name` stands in messages (the path).
/// errors: not a JPEG, truncated, damaged; what check_picture and fit_picture refuse; other than grey and colour
/// (CMYK).
Result<Dataset> decode_jpeg(base::ByteView bytes, const std::string& name, const ImageShape& wanted,
                            const Fitting& fitting = {});
Result<Dataset> read_jpeg(const std::filesystem::path& path, const ImageShape& wanted, const Fitting& fitting = {});

}  // namespace obscura::data
