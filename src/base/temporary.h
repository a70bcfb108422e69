// SPDX-License-Identifier: Apache-2.0
/// A file that goes with what holds it.
#pragma once

#include <filesystem>
#include <system_error>
#include <utility>

namespace obscura::base {

class Temporary {
 public:
  explicit Temporary(std::filesystem::path path) : path_(std::move(path)) {}
  ~Temporary() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace obscura::base
