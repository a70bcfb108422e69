// SPDX-License-Identifier: Apache-2.0
/// What outlives a server's process, and replicas share, beside the files of keys and jobs: tenants and their tokens,
/// whose keys there are, jobs that were accepted, and who asked for what. Never pixels, logits or tokens.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <utility>

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
  std::string upload = {};  ///< another one for each upload, so that who has loaded an earlier one can tell
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
  std::int64_t attempts = 0;     ///< processes, worker's or server's, that ended on it
  std::int64_t made = 0, started = 0, ended = 0;
  /// The replica that runs it, ran it, or whose client waits for it; "": whoever claims it.
  std::string owner = {};
  std::int64_t run = 0;                        ///< how often it was claimed: names the files of its answer
  std::int64_t work_done = 0, work_total = 0;  ///< as far as its replica has told
};

/// Jobs of a tenant that wait or run, on all replicas.
struct Waiting {
  std::int64_t jobs = 0, images = 0;
};

/// What a replica takes next.
struct Claim {
  std::string replica;
  std::vector<std::pair<std::string, std::string>> models = {};  ///< names and plans' digests: what it can compute
  bool only_attended = false;                                    ///< those alone that its own clients wait for
};

/// A line of the audit log.
struct Event {
  std::string tenant, action, model, plan, key, outcome;
  std::int64_t images = 0, bytes_in = 0, bytes_out = 0;
  double seconds = 0;
};

/// All: threads concurrent; errors io. Several processes may hold one store (`obscura-server token` beside the server,
/// and replicas on PostgreSQL). A message that says io may come of a change that was made all the same.
class Store {
 public:
  /// errors  io; unsupported: made by a newer version
  static Result<Store> open(const std::filesystem::path& file);
  /// The same on PostgreSQL. errors: those of Database::connect
  static Result<Store> connect(const PostgresqlAddress& address);

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

  /// Whether other servers share it.
  bool shared() const { return database_.shared(); }
  /// Whether it answers. errors: io
  Result<void> check() const;
  /// The name of the folder that goes with a shared store. Where it has none yet it is `fresh`, unless that is "".
  Result<std::string> folder(const std::string& fresh) const;

  /// Tokens, keys, jobs and events of another store, into this one, which has none. Returns how many.
  Result<std::int64_t> take_all(const Store& from) const;

  /// A replica is a server's process. What it claims is its own until its lease is over, by the database's clock; each
  /// call begins the lease anew.
  Result<void> renew(const std::string& replica, std::chrono::milliseconds lease) const;
  /// What it had is anybody's.
  Result<void> leave(const std::string& replica) const;
  /// All leases are over: of a store that is not shared, where this process is the only one.
  Result<void> leave_all() const;
  /// Those whose leases hold.
  Result<std::set<std::string>> replicas() const;

  /// A job that its owner's client waits for. It counts at once.
  Result<void> add_job(const Job& job) const;
  /// Nobody waits for it any more: it is on disk, and where it is queued it is anybody's. False: there is no such job.
  Result<bool> keep_job(const std::string& id) const;
  Result<std::optional<Job>> job(const std::string& tenant, const std::string& id) const;
  Result<std::vector<Job>> jobs() const;  ///< in the order of their acceptance
  Result<std::set<std::string>> job_ids() const;
  Result<Waiting> waiting(const std::string& tenant) const;
  /// Jobs that wait or run, and were accepted before it.
  Result<std::int64_t> jobs_before(const std::string& id) const;
  Result<std::int64_t> queued_jobs() const;
  /// The oldest job of the tenant whose last turn is the longest ago, among those that wait, those whose replica's
  /// lease is over (which is one more of their attempts), and those that the replica itself claimed without having
  /// heard of it. It is running then, `run` is one more, and no other replica gets it. Who claims must not run one
  /// already.
  Result<std::optional<Job>> claim(const Claim& claim) const;
  /// How far it is. False: it is not this run's any more, which must stop.
  Result<bool> tell_work(const Job& job, std::int64_t done, std::int64_t total) const;
  /// Its state, error, code and time of its end. False: it is not this run's any more, whose answer does not count. May
  /// be said again.
  Result<bool> end_job(const Job& job) const;
  /// It waits again, with its attempts. False as above.
  Result<bool> requeue(const Job& job) const;
  /// The job that was removed, where there was one. One that was told of by a 202 must not come back: `counts`.
  Result<std::optional<Job>> remove_job(const std::string& tenant, const std::string& id,
                                        Database::Counts counts) const;
  /// Removes those that ended before then.
  Result<std::vector<Job>> remove_ended(std::int64_t then) const;
  /// Removes those that clients of replicas waited for whose lease is over.
  Result<std::vector<Job>> remove_abandoned() const;

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
