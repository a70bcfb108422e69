// SPDX-License-Identifier: Apache-2.0
#include "service/store.h"

#include <chrono>
#include <cmath>

#include "base/bytes.h"
#include "base/random.h"

namespace obscura::service {

namespace {

constexpr const char* kTables = R"(
CREATE TABLE tokens (digest TEXT PRIMARY KEY, id TEXT, tenant TEXT NOT NULL, made INTEGER, expires INTEGER,
                     revoked INTEGER DEFAULT 0) STRICT;
CREATE TABLE keys (tenant TEXT, id TEXT, bytes INTEGER, made INTEGER, used INTEGER, PRIMARY KEY (tenant, id)) STRICT;
CREATE TABLE jobs (id TEXT PRIMARY KEY, tenant TEXT, model TEXT, key TEXT, plan TEXT, images INTEGER, bytes INTEGER,
                   attended INTEGER, state TEXT, error TEXT, code INTEGER, attempts INTEGER, made INTEGER,
                   started INTEGER, ended INTEGER) STRICT;
CREATE TABLE events (time INTEGER, tenant TEXT, action TEXT, model TEXT, plan TEXT, key TEXT, images INTEGER,
                     bytes_in INTEGER, bytes_out INTEGER, seconds REAL, outcome TEXT) STRICT;
CREATE INDEX events_by_tenant ON events (tenant, time);
)";

constexpr std::size_t kShownOfToken = 8;

template <class Bytes>
std::string hexadecimal(const Bytes& bytes) {
  std::string out;
  for (const auto b : bytes) out += fmt::format("{:02x}", static_cast<unsigned>(b));
  return out;
}

std::string digest_of(const std::string& token) { return hexadecimal(base::digest(base::as_bytes(token))); }

Result<void> change(const Database& database, const char* sql, std::initializer_list<Database::Value> values) {
  const auto ran = database.run(sql, values);
  if (!ran) return ran.error();
  return {};
}

/// The rows of a query, each as `read` has it.
template <class Read>
auto select(const Database& database, const char* sql, std::initializer_list<Database::Value> values, Read read)
    -> Result<std::vector<decltype(read(Database::Row()))>> {
  OBSCURA_TRY(const auto rows, database.run(sql, values));
  std::vector<decltype(read(Database::Row()))> out;
  out.reserve(rows.size());
  for (const Database::Row& row : rows) out.push_back(read(row));
  return out;
}

/// Of a query that gives one row or none.
template <class Read>
auto select_one(const Database& database, const char* sql, std::initializer_list<Database::Value> values, Read read)
    -> Result<std::optional<decltype(read(Database::Row()))>> {
  OBSCURA_TRY(auto found, select(database, sql, values, read));
  std::optional<decltype(read(Database::Row()))> one;
  if (!found.empty()) one = std::move(found.front());
  return one;
}

/// A query that counts or adds.
Result<std::int64_t> sum(const Database& database, const char* sql, std::initializer_list<Database::Value> values) {
  OBSCURA_TRY(const auto found,
              select_one(database, sql, values, [](const Database::Row& row) { return number(row[0]); }));
  return found.value_or(0);
}

// Columns of a job, in the order that read_job has.
constexpr const char* kSelectJobs =
    "SELECT id, tenant, model, key, plan, images, bytes, attended, state, error, code, attempts, made, started, ended "
    "FROM jobs ORDER BY made, rowid";

Job read_job(const Database::Row& row) {
  return {.id = text(row[0]),
          .tenant = text(row[1]),
          .model = text(row[2]),
          .key = text(row[3]),
          .plan = text(row[4]),
          .images = number(row[5]),
          .bytes = number(row[6]),
          .attended = number(row[7]) != 0,
          .state = text(row[8]),
          .error = text(row[9]),
          .code = number(row[10]),
          .attempts = number(row[11]),
          .made = number(row[12]),
          .started = number(row[13]),
          .ended = number(row[14])};
}

}  // namespace

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

const std::vector<const char*>& event_columns() {
  static const std::vector<const char*> columns{"time",   "tenant",   "action",    "model",   "plan",   "key",
                                                "images", "bytes_in", "bytes_out", "seconds", "outcome"};
  return columns;
}

Result<Store> Store::open(const std::filesystem::path& file) {
  OBSCURA_TRY(Database database, Database::open(file, {kTables}));
  return Store(std::move(database));
}

Result<std::string> Store::add_token(const std::string& tenant, std::int64_t days) const {
  base::Seed random{};
  base::fill_random(random);
  const std::string token = "obscura_" + hexadecimal(random);
  const std::int64_t time = now();
  const std::string id = token.substr(0, std::string("obscura_").size() + kShownOfToken);
  OBSCURA_TRY_VOID(change(database_, "INSERT INTO tokens (digest, id, tenant, made, expires) VALUES (?, ?, ?, ?, ?)",
                          {digest_of(token), id, tenant, time, days == 0 ? std::int64_t{0} : time + days * 86400}));
  return token;
}

Result<std::vector<Token>> Store::tokens() const {
  return select(database_, "SELECT id, tenant, made, expires, revoked FROM tokens ORDER BY made, id", {},
                [](const Database::Row& row) {
                  return Token{text(row[0]), text(row[1]), number(row[2]), number(row[3]), number(row[4]) != 0};
                });
}

Result<bool> Store::revoke(const std::string& id) const {
  OBSCURA_TRY(const auto rows, database_.run("UPDATE tokens SET revoked = 1 WHERE id = ? RETURNING id", {id}));
  return !rows.empty();
}

Result<std::optional<std::string>> Store::tenant_of(const std::string& token) const {
  return select_one(database_,
                    "SELECT tenant FROM tokens WHERE digest = ? AND revoked = 0 AND (expires = 0 OR expires > ?)",
                    {digest_of(token), now()}, [](const Database::Row& row) { return text(row[0]); });
}

Result<void> Store::put_key(const std::string& tenant, const std::string& id, std::int64_t bytes) const {
  return change(database_, "INSERT OR REPLACE INTO keys (tenant, id, bytes, made, used) VALUES (?, ?, ?, ?, ?)",
                {tenant, id, bytes, now(), now()});
}

Result<std::optional<StoredKey>> Store::key(const std::string& tenant, const std::string& id) const {
  return select_one(database_, "SELECT bytes, made, used FROM keys WHERE tenant = ? AND id = ?", {tenant, id},
                    [&](const Database::Row& row) {
                      return StoredKey{id, number(row[0]), number(row[1]), number(row[2])};
                    });
}

Result<void> Store::use_key(const std::string& tenant, const std::string& id) const {
  // Where nothing changes nothing is written, and no request waits for the disk.
  return change(database_, "UPDATE keys SET used = ?1 WHERE tenant = ?2 AND id = ?3 AND abs(?1 - used) >= 60",
                {now(), tenant, id});
}

Result<void> Store::remove_key(const std::string& tenant, const std::string& id) const {
  return change(database_, "DELETE FROM keys WHERE tenant = ? AND id = ?", {tenant, id});
}

Result<std::int64_t> Store::bytes_of_keys(const std::string& tenant) const {
  return sum(database_, "SELECT sum(bytes) FROM keys WHERE tenant = ?", {tenant});
}

Result<std::vector<std::pair<std::string, std::string>>> Store::keys_unused_since(std::int64_t then) const {
  return select(database_, "SELECT tenant, id FROM keys WHERE used < ?", {then},
                [](const Database::Row& row) { return std::pair(text(row[0]), text(row[1])); });
}

Result<void> Store::put_job(const Job& job) const {
  return change(
      database_,
      "INSERT OR REPLACE INTO jobs (id, tenant, model, key, plan, images, bytes, attended, state, error, "
      "code, attempts, made, started, ended) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {job.id, job.tenant, job.model, job.key, job.plan, job.images, job.bytes, std::int64_t{job.attended ? 1 : 0},
       job.state, job.error, job.code, job.attempts, job.made, job.started, job.ended});
}

Result<void> Store::remove_job(const std::string& id) const {
  return change(database_, "DELETE FROM jobs WHERE id = ?", {id});
}

Result<std::vector<Job>> Store::jobs() const { return select(database_, kSelectJobs, {}, read_job); }

Result<void> Store::note(const Event& e) const {
  if (watcher_) watcher_(e);
  return change(database_, "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                {now(), e.tenant, e.action, e.model, e.plan, e.key, e.images, e.bytes_in, e.bytes_out,
                 std::round(e.seconds * 1000) / 1000, e.outcome});
}

Result<std::vector<Database::Row>> Store::events(std::int64_t count) const {
  OBSCURA_TRY(auto rows, database_.run("SELECT * FROM events ORDER BY rowid DESC LIMIT ?", {count}));
  return std::vector<Database::Row>(rows.rbegin(), rows.rend());
}

Result<std::int64_t> Store::images_since(const std::string& tenant, std::int64_t then) const {
  return sum(database_, "SELECT sum(images) FROM events WHERE tenant = ? AND time > ? AND action = 'infer'",
             {tenant, then});
}

}  // namespace obscura::service
