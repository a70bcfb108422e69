// SPDX-License-Identifier: Apache-2.0
/// Calibrations as files: JSON that a person and a script can read (docs/FORMATS.md).
#pragma once

#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "calibrate/ranges.h"

namespace obscura::calibrate {

/// Files above this size are refused before they are parsed.
inline constexpr std::uint64_t kMaxRangesBytes = 64ULL << 20;

base::Bytes write_ranges(const Calibration& calibration, const std::string& network);

/// The calibration in JSON bytes, for this graph; `name` stands in messages.
/// errors  bad_format: not such a file, a number out of its bounds; wrong_params: activations that are not those of the
///         graph, naming the first that differs.
Result<Calibration> read_ranges(base::ByteView bytes, const nn::Graph& graph, const std::string& name);
Result<Calibration> read_ranges_file(const std::filesystem::path& path, const nn::Graph& graph);

}  // namespace obscura::calibrate
