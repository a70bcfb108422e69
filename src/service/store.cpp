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

Result<void> done(const Result<std::vector<Database::Row>>& ran) {
  if (!ran) return ran.error();
  return {};
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
  OBSCURA_TRY_VOID(
      done(database_.run("INSERT INTO tokens (digest, id, tenant, made, expires) VALUES (?, ?, ?, ?, ?)",
                         {digest_of(token), id, tenant, time, days == 0 ? std::int64_t{0} : time + days * 86400})));
  return token;
}

Result<std::vector<Token>> Store::tokens() const {
  OBSCURA_TRY(const auto rows,
              database_.run("SELECT id, tenant, made, expires, revoked FROM tokens ORDER BY made, id"));
  std::vector<Token> out;
  out.reserve(rows.size());
  for (const auto& row : rows) {
    out.push_back({text(row[0]), text(row[1]), number(row[2]), number(row[3]), number(row[4]) != 0});
  }
  return out;
}

Result<bool> Store::revoke(const std::string& id) const {
  OBSCURA_TRY(const auto rows, database_.run("UPDATE tokens SET revoked = 1 WHERE id = ? RETURNING id", {id}));
  return !rows.empty();
}

Result<std::optional<std::string>> Store::tenant_of(const std::string& token) const {
  OBSCURA_TRY(
      const auto rows,
      database_.run("SELECT tenant FROM tokens WHERE digest = ? AND revoked = 0 AND (expires = 0 OR expires > ?)",
                    {digest_of(token), now()}));
  if (rows.empty()) return std::optional<std::string>();
  return std::optional<std::string>(text(rows[0][0]));
}

Result<void> Store::put_key(const std::string& tenant, const std::string& id, std::int64_t bytes) const {
  return done(database_.run("INSERT OR REPLACE INTO keys (tenant, id, bytes, made, used) VALUES (?, ?, ?, ?, ?)",
                            {tenant, id, bytes, now(), now()}));
}

Result<std::optional<StoredKey>> Store::key(const std::string& tenant, const std::string& id) const {
  OBSCURA_TRY(const auto rows,
              database_.run("SELECT bytes, made, used FROM keys WHERE tenant = ? AND id = ?", {tenant, id}));
  if (rows.empty()) return std::optional<StoredKey>();
  return std::optional<StoredKey>({id, number(rows[0][0]), number(rows[0][1]), number(rows[0][2])});
}

Result<void> Store::use_key(const std::string& tenant, const std::string& id) const {
  return done(database_.run("UPDATE keys SET used = ? WHERE tenant = ? AND id = ?", {now(), tenant, id}));
}

Result<void> Store::remove_key(const std::string& tenant, const std::string& id) const {
  return done(database_.run("DELETE FROM keys WHERE tenant = ? AND id = ?", {tenant, id}));
}

Result<std::int64_t> Store::bytes_of_keys(const std::string& tenant) const {
  OBSCURA_TRY(const auto rows, database_.run("SELECT coalesce(sum(bytes), 0) FROM keys WHERE tenant = ?", {tenant}));
  return number(rows[0][0]);
}

Result<std::vector<std::pair<std::string, std::string>>> Store::keys_unused_since(std::int64_t then) const {
  OBSCURA_TRY(const auto rows, database_.run("SELECT tenant, id FROM keys WHERE used < ?", {then}));
  std::vector<std::pair<std::string, std::string>> out;
  out.reserve(rows.size());
  for (const auto& row : rows) out.emplace_back(text(row[0]), text(row[1]));
  return out;
}

Result<void> Store::put_job(const Job& job) const {
  return done(database_.run(
      "INSERT OR REPLACE INTO jobs (id, tenant, model, key, plan, images, bytes, attended, state, error, code, "
      "attempts, made, started, ended) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {job.id, job.tenant, job.model, job.key, job.plan, job.images, job.bytes, std::int64_t{job.attended ? 1 : 0},
       job.state, job.error, job.code, job.attempts, job.made, job.started, job.ended}));
}

Result<void> Store::remove_job(const std::string& id) const {
  return done(database_.run("DELETE FROM jobs WHERE id = ?", {id}));
}

Result<std::vector<Job>> Store::jobs() const {
  OBSCURA_TRY(const auto rows,
              database_.run("SELECT id, tenant, model, key, plan, images, bytes, attended, state, error, code, "
                            "attempts, made, started, ended FROM jobs ORDER BY made, rowid"));
  std::vector<Job> out;
  for (const auto& r : rows) {
    Job job;
    job.id = text(r[0]);
    job.tenant = text(r[1]);
    job.model = text(r[2]);
    job.key = text(r[3]);
    job.plan = text(r[4]);
    job.images = number(r[5]);
    job.bytes = number(r[6]);
    job.attended = number(r[7]) != 0;
    job.state = text(r[8]);
    job.error = text(r[9]);
    job.code = number(r[10]);
    job.attempts = number(r[11]);
    job.made = number(r[12]);
    job.started = number(r[13]);
    job.ended = number(r[14]);
    out.push_back(std::move(job));
  }
  return out;
}

Result<void> Store::note(const Event& e) const {
  if (watcher_) watcher_(e);
  return done(database_.run("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                            {now(), e.tenant, e.action, e.model, e.plan, e.key, e.images, e.bytes_in, e.bytes_out,
                             std::round(e.seconds * 1000) / 1000, e.outcome}));
}

Result<std::vector<Database::Row>> Store::events(std::int64_t count) const {
  OBSCURA_TRY(auto rows, database_.run("SELECT * FROM events ORDER BY rowid DESC LIMIT ?", {count}));
  return std::vector<Database::Row>(rows.rbegin(), rows.rend());
}

Result<std::int64_t> Store::images_since(const std::string& tenant, std::int64_t then) const {
  OBSCURA_TRY(const auto rows,
              database_.run("SELECT coalesce(sum(images), 0) FROM events WHERE tenant = ? AND time > ? AND "
                            "action = 'infer'",
                            {tenant, then}));
  return number(rows[0][0]);
}

}  // namespace obscura::service
