// SPDX-License-Identifier: Apache-2.0
/// The half of the store that is about jobs, and about who computes them.
#include "service/select.h"
#include "service/store.h"

namespace obscura::service {

namespace {

using Counts = Database::Counts;

// Columns of a job, in the order that read_job has.
constexpr const char* kJob =
    "id, tenant, model, key, plan, images, bytes, attended, state, error, code, attempts, made, started, ended, owner, "
    "run, work_done, work_total";

// What the replica ?1 may claim: see Store::claim.
constexpr const char* kClaimable =
    "((state = 'queued' AND (owner = '' OR owner = ?1)) OR (state = 'running' AND (owner = ?1 OR "
    "(attended = 0 AND owner NOT IN (SELECT id FROM replicas WHERE expires > now_ms())))))";

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
          .ended = number(row[14]),
          .owner = text(row[15]),
          .run = number(row[16]),
          .work_done = number(row[17]),
          .work_total = number(row[18])};
}

std::string read_id(const Database::Row& row) { return text(row[0]); }

Result<std::set<std::string>> ids(const Database& database, const std::string& sql) {
  OBSCURA_TRY(const auto all, select(database, sql, {}, read_id));
  return std::set<std::string>(all.begin(), all.end());
}

/// Whether a statement that returns ids changed anything.
Result<bool> changed(const Database& database, const std::string& sql, const std::vector<Database::Value>& values,
                     Counts counts) {
  OBSCURA_TRY(const auto found, select_one(database, sql, values, read_id, counts));
  return found.has_value();
}

/// Who waits for an attended job would be gone with the machine.
Counts counts_of(const Job& job) { return job.attended ? Counts::at_once : Counts::on_disk; }

}  // namespace

Result<void> Store::renew(const std::string& replica, std::chrono::milliseconds lease) const {
  return change(database_,
                "INSERT INTO replicas (id, expires) VALUES (?1, now_ms() + ?2) "
                "ON CONFLICT (id) DO UPDATE SET expires = excluded.expires",
                {replica, std::int64_t{lease.count()}}, Counts::at_once);
}

Result<void> Store::leave(const std::string& replica) const {
  return change(database_, "DELETE FROM replicas WHERE id = ?1", {replica}, Counts::at_once);
}

Result<void> Store::leave_all() const { return change(database_, "DELETE FROM replicas", {}, Counts::at_once); }

Result<std::set<std::string>> Store::replicas() const {
  return ids(database_, "SELECT id FROM replicas WHERE expires > now_ms()");
}

Result<void> Store::add_job(const Job& job) const {
  return change(database_,
                "INSERT INTO jobs (id, tenant, model, key, plan, images, bytes, attended, state, error, code, "
                "attempts, made, started, ended, owner) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, 'queued', '', 0, 0, ?8, "
                "0, 0, ?9)",
                {job.id, job.tenant, job.model, job.key, job.plan, job.images, job.bytes, job.made, job.owner},
                Counts::at_once);
}

Result<bool> Store::keep_job(const std::string& id) const {
  return changed(database_,
                 "UPDATE jobs SET attended = 0, owner = CASE WHEN state = 'queued' THEN '' ELSE owner END "
                 "WHERE id = ?1 RETURNING id",
                 {id}, Counts::on_disk);
}

Result<std::optional<Job>> Store::job(const std::string& tenant, const std::string& id) const {
  return select_one(database_, fmt::format("SELECT {} FROM jobs WHERE id = ?1 AND tenant = ?2", kJob), {id, tenant},
                    read_job);
}

Result<std::vector<Job>> Store::jobs() const {
  return select(database_, fmt::format("SELECT {} FROM jobs ORDER BY rowid", kJob), {}, read_job);
}

Result<std::set<std::string>> Store::job_ids() const { return ids(database_, "SELECT id FROM jobs"); }

Result<Waiting> Store::waiting(const std::string& tenant) const {
  OBSCURA_TRY(
      const auto found,
      select_one(database_,
                 "SELECT count(*), CAST(sum(images) AS BIGINT) FROM jobs WHERE tenant = ?1 AND state IN ('queued', "
                 "'running')",
                 {tenant}, [](const Database::Row& row) {
                   return Waiting{number(row[0]), number(row[1])};
                 }));
  return found.value_or(Waiting{});
}

Result<std::int64_t> Store::jobs_before(const std::string& id) const {
  return sum(database_,
             "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running') AND rowid < "
             "(SELECT rowid FROM jobs WHERE id = ?1)",
             {id});
}

Result<std::int64_t> Store::queued_jobs() const {
  return sum(database_, "SELECT count(*) FROM jobs WHERE state = 'queued'", {});
}

Result<std::optional<Job>> Store::claim(const Claim& claim) const {
  std::vector<Database::Value> values{claim.replica};
  std::string models = "false";
  for (const auto& [name, plan] : claim.models) {
    models += fmt::format(" OR (model = ?{} AND plan = ?{})", values.size() + 1, values.size() + 2);
    values.insert(values.end(), {name, plan});
  }
  const std::string best = fmt::format(
      "SELECT id, attended FROM jobs LEFT JOIN turns ON turns.tenant = jobs.tenant WHERE {} AND ({}) {} "
      "ORDER BY coalesce(turn, 0), jobs.rowid LIMIT 1",
      kClaimable, models, claim.only_attended ? "AND attended = 1" : "");
  const std::string take = fmt::format(
      "UPDATE jobs SET state = 'running', run = run + 1, work_done = 0, work_total = 0, started = ?3, "
      "attempts = attempts + CASE WHEN state = 'running' AND owner <> ?1 THEN 1 ELSE 0 END, owner = ?1 "
      "WHERE id = ?2 AND {} RETURNING {}",
      kClaimable, kJob);
  for (;;) {
    OBSCURA_TRY(const auto found, select_one(database_, best, values, [](const Database::Row& row) {
                  return std::pair(text(row[0]), number(row[1]) != 0);
                }));
    std::optional<Job> none;
    if (!found) return none;
    const auto& [id, attended] = *found;
    OBSCURA_TRY(std::optional<Job> taken, select_one(database_, take, {claim.replica, id, now()}, read_job,
                                                     attended ? Counts::at_once : Counts::on_disk));
    if (!taken) continue;  // another replica was faster
    OBSCURA_TRY_VOID(change(database_,
                            "INSERT INTO turns (tenant, turn) VALUES (?1, now_ms()) "
                            "ON CONFLICT (tenant) DO UPDATE SET turn = excluded.turn",
                            {taken->tenant}, Counts::at_once));
    return taken;
  }
}

Result<bool> Store::tell_work(const Job& job, std::int64_t done, std::int64_t total) const {
  return changed(database_,
                 "UPDATE jobs SET work_done = ?4, work_total = ?5 WHERE id = ?1 AND owner = ?2 AND run = ?3 AND "
                 "state = 'running' RETURNING id",
                 {job.id, job.owner, job.run, done, total}, Counts::at_once);
}

Result<bool> Store::end_job(const Job& job) const {
  return changed(database_,
                 "UPDATE jobs SET state = ?4, error = ?5, code = ?6, ended = ?7, attempts = ?8 "
                 "WHERE id = ?1 AND owner = ?2 AND run = ?3 RETURNING id",
                 {job.id, job.owner, job.run, job.state, job.error, job.code, job.ended, job.attempts}, counts_of(job));
}

Result<bool> Store::requeue(const Job& job) const {
  return changed(database_,
                 "UPDATE jobs SET state = 'queued', attempts = ?4, owner = CASE WHEN attended = 1 THEN owner ELSE '' "
                 "END WHERE id = ?1 AND owner = ?2 AND run = ?3 RETURNING id",
                 {job.id, job.owner, job.run, job.attempts}, counts_of(job));
}

Result<std::optional<Job>> Store::remove_job(const std::string& tenant, const std::string& id, Counts counts) const {
  return select_one(database_, fmt::format("DELETE FROM jobs WHERE id = ?1 AND tenant = ?2 RETURNING {}", kJob),
                    {id, tenant}, read_job, counts);
}

Result<std::vector<Job>> Store::remove_ended(std::int64_t then) const {
  return select(database_, fmt::format("DELETE FROM jobs WHERE ended > 0 AND ended < ?1 RETURNING {}", kJob), {then},
                read_job, Counts::on_disk);
}

Result<std::vector<Job>> Store::remove_abandoned() const {
  return select(database_,
                fmt::format("DELETE FROM jobs WHERE attended = 1 AND owner NOT IN (SELECT id FROM replicas WHERE "
                            "expires > now_ms()) RETURNING {}",
                            kJob),
                {}, read_job, Counts::at_once);
}

}  // namespace obscura::service
