// SPDX-License-Identifier: Apache-2.0
/// In place of postgresql.cpp where libpq was not there when this was built.
#include "service/connection.h"

namespace obscura::service {

Result<std::unique_ptr<Connection>> connect_postgresql(const PostgresqlAddress&, Database::Counts) {
  return error(Code::unsupported,
               "this obscura-server was built without PostgreSQL: install libpq-dev and build it again, or leave "
               "database.url and --database out, for SQLite");
}

}  // namespace obscura::service
