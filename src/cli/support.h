// SPDX-License-Identifier: Apache-2.0
/// What several verbs need: paths and figures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "api/stopwatch.h"
#include "api/words.h"
#include "base/check.h"

namespace obscura::cli {

/// --data, else $OBSCURA_DATA, else ./data.
std::filesystem::path data_folder(const std::string& option);

/// Error where something stands at `path` already: asked before long work; the writer asks again.
Result<void> refuse_existing(const std::filesystem::path& path);

/// Whether a file begins as Obscura's own do (wire/frames.h). errors: absent, unreadable.
Result<bool> is_frame(const std::filesystem::path& path);

/// Largest resident memory of this process so far.
std::uint64_t peak_memory_bytes();

/// What a plan's server may take where nobody says: three quarters of this machine's memory.
std::uint64_t server_memory_bytes();

/// The one way from JSON to text: names of files need not be UTF-8, but JSON is, so what is not becomes U+FFFD.
std::string json_text(const nlohmann::ordered_json& json, int indent = -1);

/// "713 kB"
std::string bytes_text(std::uint64_t bytes);
/// "needs about 1.2 GB of memory of the 8 GB allowed", or of no limit where `allowed` is 0.
std::string memory_text(std::uint64_t needed, std::uint64_t allowed);
/// Size of a file; 0 where it is absent.
std::uint64_t file_bytes(const std::filesystem::path& path);

}  // namespace obscura::cli
