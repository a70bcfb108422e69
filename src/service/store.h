// SPDX-License-Identifier: Apache-2.0
/// What outlives the server's process, beside the files of keys and jobs: tenants and their tokens, whose keys there
/// are, jobs that were accepted, and who asked for what. Never pixels, logits or tokens.
#pragma once

#include <functional>
#include <optional>

#include "service/database.h"

namespace obscura::service {

/// Seconds since 1970.
std::int64_t now();

struct Token {
  std::string id;  ///< its first letters: names it to people
  std::string tenant;
  std::int64_t made = 0, expires = 0;  ///< expires 0: never
  bool revoked = false;
};

struct StoredKey {
  std::string id;
  std::int64_t bytes = 0, made = 0, used = 0;
};

/// A file of encrypted images that was accepted.
struct Job {
  std::string id, tenant, model, key;
  std::string plan;  ///< digest of the plan
  std::int64_t images = 0, bytes = 0;
  /// Its client waits on the connection: where that ends, so does the job.
  bool attended = false;
  std::string state = "queued";  ///< queued, running, done, failed, cancelled
  std::string error;             ///< of a failed one
  std::int64_t code = 0;         ///< of the error
  std::int64_t attempts = 0;     ///< worker processes that it began in
  std::int64_t made = 0, started = 0, ended = 0;
};

/// A line of the audit log.
struct Event {
  std::string tenant, action, model, plan, key, outcome;
  std::int64_t images = 0, bytes_in = 0, bytes_out = 0;
  double seconds = 0;
};

/// All: threads concurrent; errors io. Several processes may hold one store (`obscura-server token` beside the server).
class Store {
 public:
  /// errors  io; unsupported: made by a newer version
  static Result<Store> open(const std::filesystem::path& file);

  /// A new token of a tenant, who comes to be with it: 256 random bits, of which only the BLAKE2b digest is kept.
  /// days  0: never expires
  Result<std::string> add_token(const std::string& tenant, std::int64_t days) const;
  Result<std::vector<Token>> tokens() const;
  /// Whether there was one that begins so.
  Result<bool> revoke(const std::string& id) const;
  /// The token's tenant; none where it is not known, revoked or expired.
  Result<std::optional<std::string>> tenant_of(const std::string& token) const;

  Result<void> put_key(const std::string& tenant, const std::string& id, std::int64_t bytes) const;
  Result<std::optional<StoredKey>> key(const std::string& tenant, const std::string& id) const;
  Result<void> use_key(const std::string& tenant, const std::string& id) const;
  Result<void> remove_key(const std::string& tenant, const std::string& id) const;
  Result<std::int64_t> bytes_of_keys(const std::string& tenant) const;
  /// Tenant and id of keys that were last used before then.
  Result<std::vector<std::pair<std::string, std::string>>> keys_unused_since(std::int64_t then) const;

  Result<void> put_job(const Job& job) const;  ///< or writes it anew
  Result<void> remove_job(const std::string& id) const;
  Result<std::vector<Job>> jobs() const;

  Result<void> note(const Event& event) const;
  /// Whom note() tells too.
  void watch(std::function<void(const Event&)> watcher) { watcher_ = std::move(watcher); }
  /// The last `count` events, oldest first: columns by event_columns().
  Result<std::vector<Database::Row>> events(std::int64_t count) const;
  Result<std::int64_t> images_since(const std::string& tenant, std::int64_t then) const;

 private:
  explicit Store(Database database) : database_(std::move(database)) {}
  Database database_;
  std::function<void(const Event&)> watcher_;
};

/// time, tenant, action, model, plan, key, images, bytes_in, bytes_out, seconds, outcome
const std::vector<const char*>& event_columns();

}  // namespace obscura::service
