// SPDX-License-Identifier: Apache-2.0
#include "service/database.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <utility>

namespace obscura::service {

namespace {

constexpr int kWaitMilliseconds = 10'000;  ///< for another process that writes

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

int bind(sqlite3_stmt* statement, int at, const Database::Value& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return sqlite3_bind_int64(statement, at, *whole);
  if (const auto* real = std::get_if<double>(&value)) return sqlite3_bind_double(statement, at, *real);
  if (const auto* words = std::get_if<std::string>(&value)) {
    return sqlite3_bind_text(statement, at, words->data(), static_cast<int>(words->size()), SQLITE_TRANSIENT);
  }
  return sqlite3_bind_null(statement, at);
}

Database::Value column(sqlite3_stmt* statement, int at) {
  switch (sqlite3_column_type(statement, at)) {
    case SQLITE_INTEGER:
      return std::int64_t{sqlite3_column_int64(statement, at)};
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, at);
    case SQLITE_TEXT:
      return std::string(reinterpret_cast<const char*>(sqlite3_column_text(statement, at)),
                         static_cast<std::size_t>(sqlite3_column_bytes(statement, at)));
    default:
      return nullptr;
  }
}

}  // namespace

void Database::Close::operator()(sqlite3* handle) const { sqlite3_close(handle); }

Error Database::failure() const {
  return error(Code::io, "{}: {}", path_.filename().string(), sqlite3_errmsg(handle_.get()));
}

Result<std::vector<Database::Row>> Database::run(const char* sql, std::initializer_list<Value> values) const {
  const std::lock_guard lock(*mutex_);
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(handle_.get(), sql, -1, &raw, nullptr) != SQLITE_OK) return failure();
  const std::unique_ptr<sqlite3_stmt, Finalize> statement(raw);
  int at = 0;
  for (const Value& value : values) {
    if (bind(raw, ++at, value) != SQLITE_OK) return failure();
  }
  std::vector<Row> rows;
  for (;;) {
    const int state = sqlite3_step(raw);
    if (state == SQLITE_DONE) return rows;
    if (state != SQLITE_ROW) return failure();
    Row row;
    for (int i = 0; i < sqlite3_column_count(raw); ++i) row.push_back(column(raw, i));
    rows.push_back(std::move(row));
  }
}

Result<Database> Database::open(const std::filesystem::path& path, const std::vector<const char*>& steps) {
  sqlite3* raw = nullptr;
  // SQLite's own log and index beside it take the mode of the file.
  const mode_t before = ::umask(0077);
  const int opened = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  ::umask(before);
  Database database(std::unique_ptr<sqlite3, Close>(raw), path);
  if (opened != SQLITE_OK) return database.failure();
  sqlite3_busy_timeout(raw, kWaitMilliseconds);
  for (const char* setting : {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON"}) {
    OBSCURA_TRY(const auto ignored, database.run(setting));
  }
  OBSCURA_TRY(const auto begun, database.run("BEGIN IMMEDIATE"));
  OBSCURA_TRY(const auto rows, database.run("PRAGMA user_version"));
  const auto version = static_cast<std::size_t>(number(rows.at(0).at(0)));
  if (version > steps.size()) {
    return error(Code::unsupported, "{}: of version {}, which a newer obscura-server made; this one knows {}",
                 path.string(), version, steps.size());
  }
  for (std::size_t k = version; k < steps.size(); ++k) {
    if (sqlite3_exec(raw, steps[k], nullptr, nullptr, nullptr) != SQLITE_OK) return database.failure();
  }
  const std::string set = fmt::format("PRAGMA user_version = {}", steps.size());
  OBSCURA_TRY(const auto marked, database.run(set.c_str()));
  OBSCURA_TRY(const auto committed, database.run("COMMIT"));
  return database;
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
