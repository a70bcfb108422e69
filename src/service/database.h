// SPDX-License-Identifier: Apache-2.0
/// A database, as far as the service needs it: statements with values in, rows out. One interface, two databases: a
/// file of SQLite, which one server holds, and PostgreSQL, which many share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/check.h"

namespace obscura::service {

class Connection;

/// Where a database of PostgreSQL is.
struct PostgresqlAddress {
  std::string url;  ///< postgresql://USER@HOST:PORT/NAME?..., or keywords of libpq; without a password
  std::string password = {};
};

class Database {
 public:
  using Value = std::variant<std::nullptr_t, std::int64_t, double, std::string>;
  using Row = std::vector<Value>;
  /// When a change counts: once it is on disk; or at once, so that all see it, but a machine that loses its power
  /// (PostgreSQL: the database's) may lose it. Who changes nothing takes the second.
  enum class Counts { on_disk, at_once };

  /// Opens or makes a file of SQLite, mode 0600, with a write-ahead log. Where it is of an older version the `steps`
  /// after that version are taken: step k makes version k + 1.
  /// errors  io: cannot be opened, is damaged; unsupported: of a newer version
  static Result<Database> open(const std::filesystem::path& path, const std::vector<const char*>& steps);
  /// The same of PostgreSQL. A connection that ended is made again with the next statement.
  /// errors  io: does not answer; wrong_params: no address, or a password in it; unsupported: of a newer version, or
  ///         this program was built without PostgreSQL
  static Result<Database> connect(const PostgresqlAddress& address, const std::vector<const char*>& steps);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  /// One statement of the SQL that both have: values stand as ?1, ?2 ..., and now_ms() is the database's clock,
  /// milliseconds since 1970. threads: concurrent, also with other processes.
  /// errors  io: disk full, damaged, no connection. A change may have been made all the same where that broke meanwhile
  Result<std::vector<Row>> run(const std::string& sql, const std::vector<Value>& values = {},
                               Counts counts = Counts::on_disk) const;
  /// Whether other servers may hold it too.
  bool shared() const { return shared_; }

 private:
  Database(std::unique_ptr<Connection> on_disk, std::unique_ptr<Connection> at_once, bool shared);
  /// Two, so that who reads does not wait for who waits for the disk.
  std::unique_ptr<Connection> on_disk_, at_once_;
  bool shared_ = false;
};

std::int64_t number(const Database::Value& value);  ///< 0 where it is none
std::string text(const Database::Value& value);     ///< "" where it is none

}  // namespace obscura::service
