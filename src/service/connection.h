// SPDX-License-Identifier: Apache-2.0
/// One connection to a database, of which each kind has its own.
#pragma once

#include "service/database.h"

namespace obscura::service {

class Connection {
 public:
  virtual ~Connection() = default;
  /// See Database::run. threads: concurrent
  virtual Result<std::vector<Database::Row>> run(const std::string& sql,
                                                 const std::vector<Database::Value>& values) = 0;
  /// Statements without values. errors: io
  virtual Result<void> script(const char* sql) = 0;
  /// Begins a transaction that nobody else may be in, and says of which version the tables are; 0: there are none.
  /// errors  io
  virtual Result<std::int64_t> begin_upgrade() = 0;
  /// Notes the new version, and ends that transaction. errors: io
  virtual Result<void> end_upgrade(std::int64_t version) = 0;
  /// Names it in messages.
  virtual std::string name() const = 0;
};

/// errors  io
Result<std::unique_ptr<Connection>> open_sqlite(const std::filesystem::path& path, Database::Counts counts);
/// errors  io; wrong_params; unsupported: this program was built without it
Result<std::unique_ptr<Connection>> connect_postgresql(const PostgresqlAddress& address, Database::Counts counts);

}  // namespace obscura::service
