// SPDX-License-Identifier: Apache-2.0
#include "service/jobs.h"

#include <algorithm>
#include <utility>

#include "base/random.h"
#include "server/server.h"
#include "service/spool.h"

namespace obscura::service {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kHour = 3600;

bool ended(const Job& job) { return job.state == "done" || job.state == "failed" || job.state == "cancelled"; }

std::string fresh_id() {
  base::Seed random{};
  base::fill_random(random);
  std::string id;
  for (std::size_t i = 0; i < 16; ++i) id += fmt::format("{:02x}", random[i]);
  return id;
}

}  // namespace

Result<std::unique_ptr<Jobs>> Jobs::open(const Store& store, const Place& place,
                                         const std::map<std::string, Model>& models, worker::Options worker,
                                         const JobLimits& limits) {
  std::unique_ptr<Jobs> self(new Jobs(store, place, models, std::move(worker), limits));
  OBSCURA_TRY(const std::vector<Job> known, store.jobs());
  for (const Job& job : known) {
    Entry entry{job};
    if (!ended(job) && !models.contains(job.model)) {
      entry.job.state = "failed";
      entry.job.code = static_cast<std::int64_t>(Code::missing_key);
      entry.job.error = "its model is not served any more";
      self->save(entry);
    } else if (!ended(job)) {
      entry.job.state = "queued";
    }
    std::error_code ignored;
    if (ended(entry.job)) fs::remove(place.images(job.id), ignored);
    self->entries_.push_back(std::move(entry));
  }
  // Files of jobs that were never accepted, or are removed.
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(place.jobs(), ignored)) {
    const std::string name = file.path().filename().string();
    const std::string id = name.substr(0, name.find('.'));
    const bool mine = std::any_of(known.begin(), known.end(), [&](const Job& job) { return job.id == id; });
    if (!mine) fs::remove(file.path(), ignored);
  }
  self->thread_ = std::thread([jobs = self.get()] { jobs->serve(); });
  self->keeper_ = std::thread([jobs = self.get()] { jobs->keep_wanted(); });
  return self;
}

Jobs::~Jobs() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  for (std::thread* one : {&thread_, &keeper_}) {
    if (one->joinable()) one->join();
  }
}

Result<void> Jobs::room_for(const Job& job) const {
  std::int64_t waiting = 0, images = 0;
  for (const Entry& e : entries_) {
    if (e.job.tenant != job.tenant || ended(e.job)) continue;
    ++waiting;
    images += e.job.images;
  }
  if (waiting >= limits_.queued) {
    return error(Code::busy, "{} jobs wait or run already; at most {} of one tenant do", waiting, limits_.queued);
  }
  if (limits_.images_per_hour > 0) {
    OBSCURA_TRY(const std::int64_t before, store_.images_since(job.tenant, now() - kHour));
    if (before + images + job.images > limits_.images_per_hour) {
      return error(Code::busy, "{} images this hour already, and {} more; at most {} of one tenant in an hour",
                   before + images, job.images, limits_.images_per_hour);
    }
  }
  return {};
}

Result<std::string> Jobs::submit(Job job, const fs::path& images) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return error(Code::busy, "the server is going down");
  OBSCURA_TRY_VOID(room_for(job));
  job.id = fresh_id();
  job.made = now();
  std::error_code failed;
  fs::rename(images, place_.images(job.id), failed);
  if (failed) return error(Code::io, "the images cannot be kept: {}", failed.message());
  job.attended = true;
  entries_.push_back({job});
  changed_.notify_all();
  return job.id;
}

Result<bool> Jobs::keep(const std::string& tenant, const std::string& id) {
  const std::lock_guard lock(mutex_);
  Entry* found = find(tenant, id);
  if (found == nullptr) return error(Code::missing_key, "no job of this name");
  if (found->not_kept) return *found->not_kept;
  if (found->job.attended && !found->keep) {
    found->keep = true;
    changed_.notify_all();
  }
  return !found->job.attended;
}

Jobs::Entry* Jobs::wanted() {
  for (Entry& e : entries_) {
    if (e.keep && e.job.attended && !e.removed && !e.not_kept) return &e;
  }
  return nullptr;
}

/// On a thread of its own: disks may be slow, and neither the work nor other clients wait for one.
void Jobs::keep_wanted() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const Entry* entry = wanted();
    if (entry == nullptr && stopping_) return;
    if (entry == nullptr) {
      changed_.wait(lock);
      continue;
    }
    const auto [tenant, id] = std::pair(entry->job.tenant, entry->job.id);
    lock.unlock();
    Result<void> kept = flush(place_.images(id));
    lock.lock();
    Entry* still = find(tenant, id);
    if (still == nullptr) continue;
    still->keep = false;
    Job job = still->job;
    job.attended = false;
    // Of one that has ended meanwhile the images are gone, and what is left of it is on disk.
    if (kept || ended(job)) kept = store_.put_job(job);
    if (kept) {
      still->job.attended = false;
    } else {
      still->not_kept = kept.error();
    }
  }
}

const Jobs::Entry* Jobs::find(const std::string& tenant, const std::string& id) const {
  for (const Entry& e : entries_) {
    if (e.job.id == id && e.job.tenant == tenant && !e.removed) return &e;
  }
  return nullptr;
}

std::optional<JobStatus> Jobs::status(const std::string& tenant, const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const Entry* found = find(tenant, id);
  if (found == nullptr) return std::nullopt;
  JobStatus status{found->job, found->done, found->total, 0, 0};
  if (found->done > 0 && found->job.state == "running") {
    const double taken = std::chrono::duration<double>(Clock::now() - found->started).count();
    status.seconds_left = taken * static_cast<double>(found->total - found->done) / static_cast<double>(found->done);
  }
  for (const Entry& e : entries_) {
    if (&e == found) break;
    if (!ended(e.job)) ++status.before;
  }
  return status;
}

Result<base::InputFile> Jobs::answer(const std::string& tenant, const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const Entry* found = find(tenant, id);
  if (found == nullptr) return error(Code::missing_key, "no job of this name");
  const Job& job = found->job;
  if (job.state == "done") return base::InputFile::open(place_.answer(id));
  if (ended(job)) return Error{static_cast<Code>(job.code), job.error};
  return error(Code::busy, "the job is {}", job.state);
}

void Jobs::drop(const std::string& id) {
  std::error_code ignored;
  for (const fs::path& file : {place_.images(id), place_.answer(id), base::partial_of(place_.answer(id)),
                               server::state_of(place_.answer(id))}) {
    fs::remove(file, ignored);
  }
}

bool Jobs::remove(const std::string& tenant, const std::string& id) {
  const std::lock_guard lock(mutex_);
  for (auto e = entries_.begin(); e != entries_.end(); ++e) {
    if (e->job.id != id || e->job.tenant != tenant || e->removed) continue;
    if (!e->job.attended) static_cast<void>(store_.remove_job(id));
    if (e->job.state == "running") {
      e->stop = e->removed = true;
      return true;
    }
    if (e->job.state == "queued") ++counts_.cancelled;
    drop(id);
    entries_.erase(e);
    return true;
  }
  return false;
}

void Jobs::forget(const std::string& tenant, const std::string& key) { worker_.forget(tenant + "/" + key); }

void Jobs::expire() {
  std::vector<std::pair<std::string, std::string>> old;
  {
    const std::lock_guard lock(mutex_);
    for (const Entry& e : entries_) {
      if (ended(e.job) && e.job.ended + limits_.keep_answers.count() < now()) {
        old.emplace_back(e.job.tenant, e.job.id);
      }
    }
  }
  for (const auto& [tenant, id] : old) remove(tenant, id);
}

JobCounts Jobs::counts() const {
  const std::lock_guard lock(mutex_);
  JobCounts counts = counts_;
  for (const Entry& e : entries_) {
    counts.queued += e.job.state == "queued" ? 1 : 0;
    counts.running += e.job.state == "running" ? 1 : 0;
  }
  return counts;
}

/// The oldest job of the tenant whose last turn is the longest ago.
Jobs::Entry* Jobs::next() {
  Entry* best = nullptr;
  std::uint64_t best_turn = 0;
  for (Entry& e : entries_) {
    if (e.job.state != "queued") continue;
    const auto known = turns_.find(e.job.tenant);
    const std::uint64_t turn = known == turns_.end() ? 0 : known->second;
    if (best == nullptr || turn < best_turn) {
      best = &e;
      best_turn = turn;
    }
  }
  return best;
}

void Jobs::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    Entry* entry = next();
    // Of those that nobody waits for none begins any more.
    if (stopping_ && (entry == nullptr || !entry->job.attended)) return;
    if (entry == nullptr) {
      changed_.wait(lock);
      continue;
    }
    perform(*entry, lock);
  }
}

void Jobs::perform(Entry& entry, std::unique_lock<std::mutex>& lock) {
  Job& job = entry.job;
  job.state = "running";
  job.started = now();
  entry.started = Clock::now();
  turns_[job.tenant] = ++turn_;
  const Model& model = models_.at(job.model);
  const worker::Task task{job.model,
                          model.file,
                          job.tenant + "/" + job.key,
                          place_.key(job.tenant, job.key),
                          place_.images(job.id),
                          place_.answer(job.id)};
  if (!fs::exists(task.keys)) {
    finish(entry, {Error{Code::missing_key, "its key was deleted"}, false, 0, 0});
    return;
  }
  lock.unlock();
  const auto ran = worker_.run(task, [&](std::size_t done, std::size_t total) {
    const std::lock_guard inner(mutex_);
    entry.done = done;
    entry.total = total;
    const bool late = Clock::now() - entry.started > limits_.deadline;
    return !entry.stop && !late && !(stopping_ && !job.attended);
  });
  lock.lock();
  const worker::Outcome outcome = ran ? *ran : worker::Outcome{ran.error(), false, 0, 0};
  const bool cancelled = outcome.error && outcome.error->code == Code::cancelled;
  if (cancelled && stopping_ && !entry.stop) {  // goes on with the next process
    job.state = "queued";
    return;
  }
  if (outcome.crashed) {
    ++counts_.crashes;
    if (++job.attempts < limits_.attempts && !entry.stop) {
      job.state = "queued";
      save(entry);
      return;
    }
  }
  const fs::path images = place_.images(job.id);
  finish(entry, outcome);
  // Only now: a process that is killed before must find the images again. They may be large, and nobody waits for it.
  lock.unlock();
  std::error_code ignored;
  fs::remove(images, ignored);
  lock.lock();
}

void Jobs::finish(Entry& entry, const worker::Outcome& outcome) {
  Job& job = entry.job;
  job.ended = now();
  std::error_code ignored;
  Event event{job.tenant, "infer", job.model, job.plan, job.key, "done", job.images, job.bytes};
  if (!outcome.error) {
    job.state = "done";
    ++counts_.done;
    counts_.images += static_cast<std::uint64_t>(job.images);
    event.bytes_out = static_cast<std::int64_t>(fs::file_size(place_.answer(job.id), ignored));
  } else {
    const bool cancelled = outcome.error->code == Code::cancelled;
    const bool late = cancelled && !entry.stop;
    job.state = cancelled && !late ? "cancelled" : "failed";
    ++(job.state == "failed" ? counts_.failed : counts_.cancelled);
    job.code = static_cast<std::int64_t>(late ? Code::infeasible : outcome.error->code);
    job.error = outcome.crashed ? fmt::format("{}, {} times, on these images", outcome.error->message, job.attempts)
                : late          ? fmt::format("it took longer than {} s, the deadline", limits_.deadline.count())
                                : outcome.error->message;
    job.error = without(job.error, place_.images(job.id), "the encrypted images");
    job.error = without(job.error, place_.key(job.tenant, job.key), "the key");
    job.error = without(job.error, place_.answer(job.id), "the answer");
    event.outcome = job.state + ": " + job.error;
  }
  counts_.run_seconds += outcome.run_seconds;
  event.seconds = std::chrono::duration<double>(Clock::now() - entry.started).count();
  static_cast<void>(store_.note(event));  // a full disk must not take a finished answer away
  if (entry.removed) {
    drop(job.id);
    entries_.remove_if([&](const Entry& e) { return &e == &entry; });
    return;
  }
  save(entry);
  if (job.state != "done") drop(job.id);
}

void Jobs::save(Entry& entry) {
  if (!entry.job.attended) static_cast<void>(store_.put_job(entry.job));
}

}  // namespace obscura::service
