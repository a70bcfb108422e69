// SPDX-License-Identifier: Apache-2.0
/// Where bytes come from, and where they go: files, memory, or a stream of the caller's.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "obscura/result.h"

namespace obscura {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

/// Bytes to read: a file, or memory that outlives the call.
class Source {
 public:
  Source(std::filesystem::path path) : path_(std::move(path)) {}
  Source(const char* path) : path_(path) {}
  Source(const std::string& path) : path_(path) {}
  Source(const Bytes& memory) : Source(ByteView(memory), "memory") {}
  Source(ByteView memory, std::string name) : path_(std::move(name)), memory_(memory), is_memory_(true) {}

  bool is_memory() const { return is_memory_; }
  ByteView memory() const { return memory_; }
  /// Of a file; else the name that stands in messages.
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  ByteView memory_;
  bool is_memory_ = false;
};

/// Where bytes go, in order: a file, which is whole at the end or absent, memory, or a function. What an error ends
/// leaves part of its bytes in memory and with the function.
class Sink {
 public:
  using Function = std::function<Result<void>(ByteView)>;
  /// errors of writing  io: the file exists already, unless `overwrite`
  Sink(std::filesystem::path path, bool overwrite = false) : path_(std::move(path)), overwrite_(overwrite) {}
  Sink(const char* path) : path_(path) {}
  Sink(const std::string& path) : path_(path) {}
  /// Appends.
  Sink(Bytes& memory)
      : function_([&memory](ByteView bytes) -> Result<void> {
          memory.insert(memory.end(), bytes.begin(), bytes.end());
          return {};
        }) {}
  Sink(Function function) : function_(std::move(function)) {}

  const Function& function() const { return function_; }  ///< none: a file
  const std::filesystem::path& path() const { return path_; }
  bool overwrite() const { return overwrite_; }

 private:
  Function function_;
  std::filesystem::path path_;
  bool overwrite_ = false;
};

}  // namespace obscura
