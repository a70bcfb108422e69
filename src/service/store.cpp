// SPDX-License-Identifier: Apache-2.0
#include "service/store.h"

#include <chrono>
#include <cmath>

#include "base/bytes.h"
#include "base/random.h"
#include "service/select.h"
#include "service/tables.h"

namespace obscura::service {

namespace {

constexpr std::size_t kShownOfToken = 8;

template <class Bytes>
std::string hexadecimal(const Bytes& bytes) {
  std::string out;
  for (const auto b : bytes) out += fmt::format("{:02x}", static_cast<unsigned>(b));
  return out;
}

std::string columns_of_events() { return fmt::format("{}", fmt::join(event_columns(), ", ")); }

std::string digest_of(const std::string& token) { return hexadecimal(base::digest(base::as_bytes(token))); }

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
  OBSCURA_TRY(Database database, Database::open(file, sqlite_tables()));
  return Store(std::move(database));
}

Result<Store> Store::connect(const PostgresqlAddress& address) {
  OBSCURA_TRY(Database database, Database::connect(address, postgresql_tables()));
  return Store(std::move(database));
}

Result<void> Store::check() const { return change(database_, "SELECT 1", {}, Database::Counts::at_once); }

Result<std::string> Store::folder(const std::string& fresh) const {
  if (!fresh.empty()) {
    OBSCURA_TRY_VOID(
        change(database_, "INSERT INTO folder (number, id) VALUES (1, ?1) ON CONFLICT (number) DO NOTHING", {fresh}));
  }
  OBSCURA_TRY(const auto one, select_one(database_, "SELECT id FROM folder", {},
                                         [](const Database::Row& row) { return text(row[0]); }));
  return one.value_or("");
}

Result<std::int64_t> Store::take_all(const Store& from) const {
  // Attended jobs ended with the process that their clients waited for.
  const std::pair<const char*, std::string> tables[] = {
      {"tokens", "digest, id, tenant, made, expires, revoked"},
      {"keys", "tenant, id, bytes, made, used, upload"},
      {"jobs",
       "id, tenant, model, key, plan, images, bytes, attended, state, error, code, attempts, made, started, ended, "
       "owner, run, work_done, work_total"},
      {"events", columns_of_events()}};
  std::int64_t taken = 0;
  OBSCURA_TRY_VOID(change(database_, "BEGIN", {}));
  for (const auto& [table, columns] : tables) {
    OBSCURA_TRY(const auto rows, from.database_.run(fmt::format("SELECT {} FROM {} ORDER BY rowid", columns, table)));
    for (const Database::Row& row : rows) {
      std::string places;
      for (std::size_t i = 1; i <= row.size(); ++i) places += fmt::format("{}?{}", i > 1 ? ", " : "", i);
      OBSCURA_TRY_VOID(change(database_, fmt::format("INSERT INTO {} ({}) VALUES ({})", table, columns, places), row));
    }
    taken += static_cast<std::int64_t>(rows.size());
  }
  OBSCURA_TRY_VOID(change(database_, "COMMIT", {}));
  return taken;
}

Result<std::string> Store::add_token(const std::string& tenant, std::int64_t days) const {
  base::Seed random{};
  base::fill_random(random);
  const std::string token = "obscura_" + hexadecimal(random);
  const std::int64_t time = now();
  const std::string id = token.substr(0, std::string("obscura_").size() + kShownOfToken);
  OBSCURA_TRY_VOID(change(database_,
                          "INSERT INTO tokens (digest, id, tenant, made, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
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
  OBSCURA_TRY(const auto rows, database_.run("UPDATE tokens SET revoked = 1 WHERE id = ?1 RETURNING id", {id}));
  return !rows.empty();
}

Result<std::optional<std::string>> Store::tenant_of(const std::string& token) const {
  return select_one(database_,
                    "SELECT tenant FROM tokens WHERE digest = ?1 AND revoked = 0 AND (expires = 0 OR expires > ?2)",
                    {digest_of(token), now()}, [](const Database::Row& row) { return text(row[0]); });
}

Result<void> Store::put_key(const std::string& tenant, const std::string& id, std::int64_t bytes) const {
  base::Seed random{};
  base::fill_random(random);
  return change(database_,
                "INSERT INTO keys (tenant, id, bytes, made, used, upload) VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
                "ON CONFLICT (tenant, id) DO UPDATE SET bytes = excluded.bytes, made = excluded.made, "
                "used = excluded.used, upload = excluded.upload",
                {tenant, id, bytes, now(), now(), hexadecimal(random)});
}

Result<std::optional<StoredKey>> Store::key(const std::string& tenant, const std::string& id) const {
  return select_one(database_, "SELECT bytes, made, used, upload FROM keys WHERE tenant = ?1 AND id = ?2", {tenant, id},
                    [&](const Database::Row& row) {
                      return StoredKey{id, number(row[0]), number(row[1]), number(row[2]), text(row[3])};
                    });
}

Result<void> Store::use_key(const std::string& tenant, const std::string& id) const {
  // Where nothing changes nothing is written, and no request waits for the disk.
  return change(database_, "UPDATE keys SET used = ?1 WHERE tenant = ?2 AND id = ?3 AND abs(?1 - used) >= 60",
                {now(), tenant, id}, Database::Counts::at_once);
}

Result<void> Store::remove_key(const std::string& tenant, const std::string& id) const {
  return change(database_, "DELETE FROM keys WHERE tenant = ?1 AND id = ?2", {tenant, id});
}

Result<std::int64_t> Store::bytes_of_keys(const std::string& tenant) const {
  return sum(database_, "SELECT CAST(sum(bytes) AS BIGINT) FROM keys WHERE tenant = ?1", {tenant});
}

Result<std::vector<std::pair<std::string, std::string>>> Store::keys_unused_since(std::int64_t then) const {
  return select(database_, "SELECT tenant, id FROM keys WHERE used < ?1", {then},
                [](const Database::Row& row) { return std::pair(text(row[0]), text(row[1])); });
}

Result<void> Store::note(const Event& e) const {
  if (watcher_) watcher_(e);
  return change(
      database_,
      fmt::format("INSERT INTO events ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)", columns_of_events()),
      {now(), e.tenant, e.action, e.model, e.plan, e.key, e.images, e.bytes_in, e.bytes_out,
       std::round(e.seconds * 1000) / 1000, e.outcome});
}

Result<std::vector<Database::Row>> Store::events(std::int64_t count) const {
  OBSCURA_TRY(
      auto rows,
      database_.run(fmt::format("SELECT {} FROM events ORDER BY rowid DESC LIMIT ?1", columns_of_events()), {count}));
  return std::vector<Database::Row>(rows.rbegin(), rows.rend());
}

Result<std::int64_t> Store::images_since(const std::string& tenant, std::int64_t then) const {
  return sum(database_,
             "SELECT CAST(sum(images) AS BIGINT) FROM events WHERE tenant = ?1 AND time > ?2 AND action = 'infer'",
             {tenant, then});
}

}  // namespace obscura::service
