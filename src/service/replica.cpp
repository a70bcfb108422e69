// SPDX-License-Identifier: Apache-2.0
/// What a process does beside the others that share its store and folder, and after those that were there before it.
#include <algorithm>
#include <utility>

#include "server/server.h"
#include "service/jobs.h"

namespace obscura::service {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTellEvery{1000};

}  // namespace

/// On a thread of its own, where the store is shared: the lease is renewed, progress told, and what replicas that are
/// gone have left is removed. Where the store does not answer, the next beat tries again: the lease may be over then,
/// which the store says.
void Jobs::beat() {
  const auto every = std::min<std::chrono::milliseconds>(kTellEvery, limits_.lease / 4);
  auto swept = Clock::now();
  Lock lock(mutex_);
  while (!over_changed_.wait_for(lock, every, [&] { return over_; })) {
    lock.unlock();
    static_cast<void>(store_.renew(place_.replica(), limits_.lease));
    lock.lock();
    tell(lock);
    if (Clock::now() - swept < limits_.lease) continue;
    swept = Clock::now();
    lock.unlock();
    fail_unserved();
    sweep();
    lock.lock();
  }
}

/// How far the job is that runs here; whether it still is this replica's.
void Jobs::tell(Lock& lock) {
  const auto running =
      std::find_if(entries_.begin(), entries_.end(), [](const Entry& e) { return e.job.state == "running"; });
  if (running == entries_.end()) return;
  const Job job = running->job;
  const auto [done, total] = std::pair(running->done, running->total);
  lock.unlock();
  const auto told = store_.tell_work(job, static_cast<std::int64_t>(done), static_cast<std::int64_t>(total));
  lock.lock();
  Entry* still = find(job.tenant, job.id);
  const bool same = still != nullptr && still->job.run == job.run && still->job.state == "running";
  if (told && !*told && same && !still->job.attended) still->lost = true;
}

bool Jobs::is_served(const Job& job) const {
  return std::find(claim_.models.begin(), claim_.models.end(), std::pair(job.model, job.plan)) != claim_.models.end();
}

/// Jobs whose model nobody serves end. Where others share the store, one of them may: these get the time of a deadline.
void Jobs::fail_unserved() {
  const auto all = store_.jobs();
  if (!all) return;
  const std::int64_t since = now() - (store_.shared() ? limits_.deadline.count() : 0);
  for (Job job : *all) {
    if (has_ended(job) || job.attended || is_served(job) || job.made > since) continue;
    if (store_.shared() && job.state == "running") continue;
    job.state = "failed";
    job.code = static_cast<std::int64_t>(Code::missing_key);
    job.error = "its model is not served any more";
    job.ended = now();
    const auto ended = store_.end_job(job);
    if (ended && *ended) drop(job);
  }
}

/// Removes what nobody can ask for: jobs whose clients waited on processes that are gone, files of jobs that are no
/// more, bodies that were on their way to such processes; and keys that the worker has loaded, but others have deleted.
void Jobs::sweep() {
  // Files first: one that comes after has a job, or a process, that the store names by then.
  const Place::Named files = place_.files_of_jobs(), bodies = place_.bodies();
  if (const auto abandoned = store_.remove_abandoned()) {
    for (const Job& job : *abandoned) drop(job);
  }
  std::error_code ignored;
  if (const auto known = store_.job_ids()) {
    for (const auto& [file, job] : files) {
      if (!known->contains(job)) fs::remove(file, ignored);
    }
  }
  if (const auto alive = store_.replicas()) {
    for (const auto& [file, replica] : bodies) {
      if (replica != place_.replica() && !alive->contains(replica)) fs::remove(file, ignored);
    }
  }
  Lock lock(mutex_);
  const std::map<std::string, std::string> loaded = loaded_;
  lock.unlock();
  for (const auto& [name, upload] : loaded) {
    const std::size_t slash = name.find('/');
    const auto key = store_.key(name.substr(0, slash), name.substr(slash + 1));
    if (key && !*key) forget(name.substr(0, slash), name.substr(slash + 1));
  }
}

/// What an earlier run saved becomes this one's. A copy: a process that was taken for dead may still write its own.
void Jobs::adopt(const Job& job) const {
  const fs::path before = place_.answer(job.id, job.run - 1), now = place_.answer(job.id, job.run);
  for (const auto of : {base::partial_of, server::state_of}) {
    const fs::path copy = place_.fresh();
    std::error_code failed;
    // A file that is not whole would be refused: it gets its name when it is.
    if (fs::copy_file(of(before), copy, failed)) fs::rename(copy, of(now), failed);
    fs::remove(copy, failed);
  }
  drop_run(job, job.run - 1);
}

void Jobs::drop_run(const Job& job, std::int64_t run) const {
  const fs::path answer = place_.answer(job.id, run);
  std::error_code ignored;
  for (const fs::path& file :
       {answer, base::partial_of(answer), server::state_of(answer), base::partial_of(server::state_of(answer))}) {
    fs::remove(file, ignored);
  }
}

void Jobs::drop(const Job& job) const {
  std::error_code ignored;
  fs::remove(place_.images(job.id), ignored);
  for (std::int64_t run = 0; run <= job.run; ++run) drop_run(job, run);
}

}  // namespace obscura::service
