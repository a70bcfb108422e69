// SPDX-License-Identifier: Apache-2.0
#include <sqlite3.h>
#include <sys/stat.h>

#include <chrono>
#include <mutex>
#include <utility>

#include "service/connection.h"

namespace obscura::service {

namespace {

constexpr int kWaitMilliseconds = 10'000;  ///< for another process that writes

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
struct CloseFile {
  void operator()(sqlite3* handle) const { sqlite3_close(handle); }
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

/// The clock of a file is its machine's.
void now_ms(sqlite3_context* context, int, sqlite3_value**) {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  sqlite3_result_int64(context, std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
}

class Sqlite final : public Connection {
 public:
  Sqlite(std::unique_ptr<sqlite3, CloseFile> handle, std::filesystem::path path)
      : handle_(std::move(handle)), path_(std::move(path)) {}

  Result<std::vector<Database::Row>> run(const std::string& sql, const std::vector<Database::Value>& values) override {
    const std::lock_guard lock(mutex_);
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(handle_.get(), sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) return failure();
    const std::unique_ptr<sqlite3_stmt, Finalize> statement(raw);
    int at = 0;
    for (const Database::Value& value : values) {
      if (bind(raw, ++at, value) != SQLITE_OK) return failure();
    }
    std::vector<Database::Row> rows;
    for (;;) {
      const int state = sqlite3_step(raw);
      if (state == SQLITE_DONE) return rows;
      if (state != SQLITE_ROW) return failure();
      Database::Row row;
      for (int i = 0; i < sqlite3_column_count(raw); ++i) row.push_back(column(raw, i));
      rows.push_back(std::move(row));
    }
  }

  Result<void> script(const char* sql) override {
    const std::lock_guard lock(mutex_);
    if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failure();
    return {};
  }

  Result<void> prepare(Database::Counts counts) {
    sqlite3_busy_timeout(handle_.get(), kWaitMilliseconds);
    sqlite3_create_function(handle_.get(), "now_ms", 0, SQLITE_UTF8, nullptr, now_ms, nullptr, nullptr);
    OBSCURA_TRY_VOID(script("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON"));
    return script(counts == Database::Counts::on_disk ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  }

  Result<std::int64_t> begin_upgrade() override {
    OBSCURA_TRY_VOID(script("BEGIN IMMEDIATE"));
    OBSCURA_TRY(const auto rows, run("PRAGMA user_version", {}));
    return number(rows.at(0).at(0));
  }
  Result<void> end_upgrade(std::int64_t version) override {
    return script(fmt::format("PRAGMA user_version = {}; COMMIT", version).c_str());
  }
  std::string name() const override { return path_.string(); }

  Error failure() const { return error(Code::io, "{}: {}", path_.filename().string(), sqlite3_errmsg(handle_.get())); }

 private:
  std::unique_ptr<sqlite3, CloseFile> handle_;
  std::mutex mutex_;
  std::filesystem::path path_;
};

}  // namespace

Result<std::unique_ptr<Connection>> open_sqlite(const std::filesystem::path& path, Database::Counts counts) {
  sqlite3* raw = nullptr;
  // SQLite's own log and index beside it take the mode of the file.
  const mode_t before = ::umask(0077);
  const int opened = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  ::umask(before);
  auto connection = std::make_unique<Sqlite>(std::unique_ptr<sqlite3, CloseFile>(raw), path);
  if (opened != SQLITE_OK) return connection->failure();
  OBSCURA_TRY_VOID(connection->prepare(counts));
  return std::unique_ptr<Connection>(std::move(connection));
}

}  // namespace obscura::service
