// SPDX-License-Identifier: Apache-2.0
/// SQLite, as far as the service needs it: statements with values in, rows out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "base/check.h"

struct sqlite3;

namespace obscura::service {

class Database {
 public:
  using Value = std::variant<std::nullptr_t, std::int64_t, double, std::string>;
  using Row = std::vector<Value>;

  /// Opens or makes it, mode 0600, with a write-ahead log, each change on disk before it counts. Where it is of an
  /// older version the `steps` after that version are taken: step k makes version k + 1.
  /// errors  io: cannot be opened, is damaged; unsupported: of a newer version
  static Result<Database> open(const std::filesystem::path& path, const std::vector<const char*>& steps);
  Database(Database&&) noexcept = default;
  Database& operator=(Database&&) noexcept = default;

  /// One statement. threads: concurrent, also with other processes. errors: io (disk full, damaged)
  Result<std::vector<Row>> run(const char* sql, std::initializer_list<Value> values = {}) const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  Database(std::unique_ptr<sqlite3, Close> handle, std::filesystem::path path)
      : handle_(std::move(handle)), path_(std::move(path)) {}
  Error failure() const;
  std::unique_ptr<sqlite3, Close> handle_;
  std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();
  std::filesystem::path path_;
};

std::int64_t number(const Database::Value& value);  ///< 0 where it is none
std::string text(const Database::Value& value);     ///< "" where it is none

}  // namespace obscura::service
