// SPDX-License-Identifier: Apache-2.0
/// Other programs, started without a shell.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/check.h"

namespace obscura::data {

/// Runs arguments[0], searched in PATH, with the rest as its arguments, in `folder`, with no input, and waits.
/// Result: the last 64 KiB of what it wrote. While it runs this process ignores Ctrl-C, which then ends the child
/// alone, so that the caller can tidy up.
/// errors: io where the program is absent, or failed (its last line is in the sentence); cancelled by Ctrl-C.
Result<std::string> run_program(const std::vector<std::string>& arguments, const std::filesystem::path& folder);

/// A fresh folder below `parent`, removed with all in it at the end of the scope.
class TemporaryFolder {
 public:
  static Result<TemporaryFolder> create(const std::filesystem::path& parent);
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace obscura::data
