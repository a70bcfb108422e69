// SPDX-License-Identifier: Apache-2.0
#include "service/database.h"

#include <utility>

#include "service/connection.h"

namespace obscura::service {

namespace {

Result<void> upgrade(Connection& connection, const std::vector<const char*>& steps) {
  OBSCURA_TRY(const std::int64_t version, connection.begin_upgrade());
  if (version > static_cast<std::int64_t>(steps.size())) {
    return error(Code::unsupported, "{}: of version {}, which a newer obscura-server made; this one knows {}",
                 connection.name(), version, steps.size());
  }
  for (auto k = static_cast<std::size_t>(version); k < steps.size(); ++k) {
    OBSCURA_TRY_VOID(connection.script(steps[k]));
  }
  return connection.end_upgrade(static_cast<std::int64_t>(steps.size()));
}

}  // namespace

Database::Database(std::unique_ptr<Connection> on_disk, std::unique_ptr<Connection> at_once, bool shared)
    : on_disk_(std::move(on_disk)), at_once_(std::move(at_once)), shared_(shared) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::open(const std::filesystem::path& path, const std::vector<const char*>& steps) {
  OBSCURA_TRY(auto on_disk, open_sqlite(path, Counts::on_disk));
  OBSCURA_TRY_VOID(upgrade(*on_disk, steps));
  OBSCURA_TRY(auto at_once, open_sqlite(path, Counts::at_once));
  return Database(std::move(on_disk), std::move(at_once), false);
}

Result<Database> Database::connect(const PostgresqlAddress& address, const std::vector<const char*>& steps) {
  OBSCURA_TRY(auto on_disk, connect_postgresql(address, Counts::on_disk));
  OBSCURA_TRY_VOID(upgrade(*on_disk, steps));
  OBSCURA_TRY(auto at_once, connect_postgresql(address, Counts::at_once));
  return Database(std::move(on_disk), std::move(at_once), true);
}

Result<std::vector<Database::Row>> Database::run(const std::string& sql, const std::vector<Value>& values,
                                                 Counts counts) const {
  return (counts == Counts::on_disk ? on_disk_ : at_once_)->run(sql, values);
}

std::int64_t number(const Database::Value& value) {
  const auto* whole = std::get_if<std::int64_t>(&value);
  return whole != nullptr ? *whole : 0;
}

std::string text(const Database::Value& value) {
  const auto* words = std::get_if<std::string>(&value);
  return words != nullptr ? *words : "";
}

}  // namespace obscura::service
