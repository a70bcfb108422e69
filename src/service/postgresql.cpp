// SPDX-License-Identifier: Apache-2.0
#include <libpq-fe.h>

#include <array>
#include <charconv>
#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

#include "service/connection.h"

namespace obscura::service {

namespace {

using Clock = std::chrono::steady_clock;

// PostgreSQL's numbers of types (catalog/pg_type.dat).
constexpr Oid kInt8 = 20, kInt2 = 21, kInt4 = 23, kText = 25, kFloat4 = 700, kFloat8 = 701, kNumeric = 1700;
/// Names the lock that holds others off an upgrade.
constexpr std::int64_t kUpgradeLock = 0x6f627363757261;
/// After a connection could not be made, statements fail at once for so long: requests do not queue up behind it.
constexpr std::chrono::seconds kPause{1};

struct Finish {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using Answer = std::unique_ptr<PGresult, Clear>;

/// libpq's messages are lines.
std::string one_line(const char* message) {
  std::string out(message);
  while (!out.empty() && out.back() == '\n') out.pop_back();
  for (char& c : out) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return out;
}

/// ?1 as $1.
std::string with_dollars(std::string sql) {
  for (char& c : sql) {
    if (c == '?') c = '$';
  }
  return sql;
}

Database::Value value_of(const PGresult* rows, int row, int column) {
  if (PQgetisnull(rows, row, column) != 0) return nullptr;
  const char* text = PQgetvalue(rows, row, column);
  switch (PQftype(rows, column)) {
    case kInt2:
    case kInt4:
    case kInt8: {
      std::int64_t whole = 0;
      std::from_chars(text, text + PQgetlength(rows, row, column), whole);
      return whole;
    }
    case kFloat4:
    case kFloat8:
    case kNumeric: {
      double real = 0;
      std::from_chars(text, text + PQgetlength(rows, row, column), real);
      return real;
    }
    default:
      return std::string(text);
  }
}

/// Values as libpq takes them: texts, each with its type.
class Parameters {
 public:
  explicit Parameters(const std::vector<Database::Value>& values) {
    texts_.reserve(values.size());
    for (const Database::Value& value : values) add(value);
  }
  int count() const { return static_cast<int>(pointers_.size()); }
  const char* const* pointers() const { return pointers_.data(); }
  const Oid* types() const { return types_.data(); }

 private:
  void add(const Database::Value& value) {
    const bool absent = std::holds_alternative<std::nullptr_t>(value);
    Oid type = 0;
    std::string words;
    if (const auto* whole = std::get_if<std::int64_t>(&value)) {
      type = kInt8;
      words = std::to_string(*whole);
    } else if (const auto* real = std::get_if<double>(&value)) {
      type = kFloat8;
      words = fmt::format("{}", *real);
    } else if (const auto* given = std::get_if<std::string>(&value)) {
      type = kText;
      words = *given;
    }
    texts_.push_back(std::move(words));
    pointers_.push_back(absent ? nullptr : texts_.back().c_str());
    types_.push_back(type);
  }
  std::vector<std::string> texts_;
  std::vector<const char*> pointers_;
  std::vector<Oid> types_;
};

class Postgresql final : public Connection {
 public:
  Postgresql(PostgresqlAddress address, std::string name, Database::Counts counts)
      : address_(std::move(address)), name_(std::move(name)), counts_(counts) {}

  Result<std::vector<Database::Row>> run(const std::string& sql, const std::vector<Database::Value>& values) override {
    const std::lock_guard lock(mutex_);
    OBSCURA_TRY_VOID(be_connected());
    const Parameters parameters(values);
    const Answer answer(PQexecParams(connection_.get(), with_dollars(sql).c_str(), parameters.count(),
                                     parameters.types(), parameters.pointers(), nullptr, nullptr, 0));
    OBSCURA_TRY_VOID(require(answer.get()));
    std::vector<Database::Row> rows(static_cast<std::size_t>(PQntuples(answer.get())));
    for (int r = 0; r < PQntuples(answer.get()); ++r) {
      for (int c = 0; c < PQnfields(answer.get()); ++c) {
        rows[static_cast<std::size_t>(r)].push_back(value_of(answer.get(), r, c));
      }
    }
    return rows;
  }

  Result<void> script(const char* sql) override {
    const std::lock_guard lock(mutex_);
    OBSCURA_TRY_VOID(be_connected());
    return execute(sql);
  }

  Result<std::int64_t> begin_upgrade() override {
    OBSCURA_TRY_VOID(script("BEGIN"));
    OBSCURA_TRY_VOID(script(fmt::format("SELECT pg_advisory_xact_lock({})", kUpgradeLock).c_str()));
    OBSCURA_TRY_VOID(script("CREATE TABLE IF NOT EXISTS obscura_version (version BIGINT)"));
    OBSCURA_TRY(const auto rows, run("SELECT version FROM obscura_version", {}));
    return rows.empty() ? 0 : number(rows[0][0]);
  }
  Result<void> end_upgrade(std::int64_t version) override {
    OBSCURA_TRY_VOID(script("DELETE FROM obscura_version"));
    OBSCURA_TRY_VOID(script(fmt::format("INSERT INTO obscura_version VALUES ({}); COMMIT", version).c_str()));
    return {};
  }
  std::string name() const override { return name_; }

  /// errors  io
  Result<void> be_connected() {
    if (connection_ != nullptr) {
      // Where the database has ended the connection meanwhile, this notices before a statement is sent.
      const bool alive = PQstatus(connection_.get()) == CONNECTION_OK && PQconsumeInput(connection_.get()) == 1;
      if (alive && PQstatus(connection_.get()) == CONNECTION_OK) return {};
      connection_.reset();
    }
    if (failed_ && Clock::now() < failed_->first) return failed_->second;
    auto connected = connect();
    if (!connected) {
      connection_.reset();
      failed_.emplace(Clock::now() + kPause, connected.error());
    }
    return connected;
  }

 private:
  Error failure(const char* message) const { return error(Code::io, "{}: {}", name_, one_line(message)); }

  Result<void> connect() {
    // A name that comes later counts: what stands before the address is what holds where that says nothing.
    const std::array<const char*, 8> names{"connect_timeout", "tcp_user_timeout", "keepalives_idle",           "dbname",
                                           "password",        "client_encoding",  "fallback_application_name", nullptr};
    const std::array<const char*, 8> values{"5",
                                            "20000",
                                            "20",
                                            address_.url.c_str(),
                                            address_.password.empty() ? nullptr : address_.password.c_str(),
                                            "UTF8",
                                            "obscura-server",
                                            nullptr};
    connection_.reset(PQconnectdbParams(names.data(), values.data(), 1));
    if (PQstatus(connection_.get()) != CONNECTION_OK) return failure(PQerrorMessage(connection_.get()));
    PQsetNoticeProcessor(
        connection_.get(), [](void*, const char*) {}, nullptr);
    const bool later = counts_ == Database::Counts::at_once;
    return execute(fmt::format("SET statement_timeout = '30s'; SET synchronous_commit = {}", later ? "off" : "on"));
  }

  Result<void> execute(const std::string& sql) {
    const Answer answer(PQexec(connection_.get(), sql.c_str()));
    return require(answer.get());
  }

  Result<void> require(const PGresult* answer) const {
    const ExecStatusType status = PQresultStatus(answer);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) return {};
    return failure(PQerrorMessage(connection_.get()));
  }

  PostgresqlAddress address_;
  std::string name_;
  Database::Counts counts_;
  std::mutex mutex_;
  std::unique_ptr<PGconn, Finish> connection_;
  std::optional<std::pair<Clock::time_point, Error>> failed_;
};

}  // namespace

Result<std::unique_ptr<Connection>> connect_postgresql(const PostgresqlAddress& address, Database::Counts counts) {
  char* raw = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> options(PQconninfoParse(address.url.c_str(), &raw));
  const std::unique_ptr<char, decltype(&PQfreemem)> message(raw, &PQfreemem);
  if (options == nullptr) {
    // The message would repeat the address, which may hold a password.
    return error(Code::wrong_params,
                 "the database's address cannot be read; it is postgresql://USER@HOST:PORT/NAME, as PostgreSQL's own "
                 "programs take it");
  }
  std::string host, name;
  for (const PQconninfoOption* one = options.get(); one->keyword != nullptr; ++one) {
    const std::string keyword = one->keyword, value = one->val == nullptr ? "" : one->val;
    if (keyword == "password" && !value.empty()) {
      return error(Code::wrong_params,
                   "a password in the database's address, which others on the machine can see: give it by "
                   "database.password_file, PGPASSWORD or PGPASSFILE");
    }
    if (keyword == "host") host = value;
    if (keyword == "dbname") name = value;
  }
  auto connection = std::make_unique<Postgresql>(address, fmt::format("database {} of {}", name, host), counts);
  OBSCURA_TRY_VOID(connection->be_connected());
  return std::unique_ptr<Connection>(std::move(connection));
}

}  // namespace obscura::service
