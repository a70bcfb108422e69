// SPDX-License-Identifier: Apache-2.0
/// What clients ask of jobs. run.cpp computes them, replica.cpp shares them with others.
#include "service/jobs.h"

#include <algorithm>
#include <utility>

#include "service/spool.h"

namespace obscura::service {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kHour = 3600;
/// The lease where there is nobody to lose a job to.
constexpr std::chrono::hours kForever{24 * 36500};

}  // namespace

bool has_ended(const Job& job) { return job.state == "done" || job.state == "failed" || job.state == "cancelled"; }

Jobs::Jobs(const Store& store, const Place& place, const std::map<std::string, Model>& models, worker::Options worker,
           const JobLimits& limits)
    : store_(store), place_(place), models_(models), limits_(limits), worker_(std::move(worker)) {
  claim_.replica = place.replica();
  for (const auto& [name, model] : models) claim_.models.emplace_back(name, wire::hex(model.plan.digest));
}

Result<std::unique_ptr<Jobs>> Jobs::open(const Store& store, const Place& place,
                                         const std::map<std::string, Model>& models, worker::Options worker,
                                         const JobLimits& limits) {
  std::unique_ptr<Jobs> self(new Jobs(store, place, models, std::move(worker), limits));
  if (!store.shared()) OBSCURA_TRY_VOID(store.leave_all());
  OBSCURA_TRY_VOID(store.renew(place.replica(), store.shared() ? limits.lease : kForever));
  self->fail_unserved();
  self->sweep();
  self->thread_ = std::thread([jobs = self.get()] { jobs->serve(); });
  self->keeper_ = std::thread([jobs = self.get()] { jobs->keep_wanted(); });
  if (store.shared()) self->beat_ = std::thread([jobs = self.get()] { jobs->beat(); });
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
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    over_changed_.notify_all();
  }
  if (beat_.joinable()) beat_.join();
  static_cast<void>(store_.leave(place_.replica()));
}

Result<void> Jobs::room_for(const Job& job) const {
  OBSCURA_TRY(const Waiting waiting, store_.waiting(job.tenant));
  if (waiting.jobs >= limits_.queued) {
    return error(Code::busy, "{} jobs wait or run already; at most {} of one tenant do", waiting.jobs, limits_.queued);
  }
  if (limits_.images_per_hour > 0) {
    OBSCURA_TRY(const std::int64_t before, store_.images_since(job.tenant, now() - kHour));
    if (before + waiting.images + job.images > limits_.images_per_hour) {
      return error(Code::busy, "{} images this hour already, and {} more; at most {} of one tenant in an hour",
                   before + waiting.images, job.images, limits_.images_per_hour);
    }
  }
  return {};
}

Result<std::string> Jobs::submit(Job job, const fs::path& images) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return error(Code::busy, "the server is going down");
  OBSCURA_TRY_VOID(room_for(job));
  job.id = fresh_name();
  job.made = now();
  job.attended = true;
  job.owner = place_.replica();
  // Before its file: a file in the folder that no job of the store has is swept away.
  OBSCURA_TRY_VOID(store_.add_job(job));
  std::error_code failed;
  fs::rename(images, place_.images(job.id), failed);
  if (failed) {
    static_cast<void>(store_.remove_job(job.tenant, job.id, Database::Counts::at_once));
    return error(Code::io, "the images cannot be kept: {}", failed.message());
  }
  entries_.push_back({job});
  changed_.notify_all();
  return job.id;
}

Result<bool> Jobs::keep(const std::string& tenant, const std::string& id) {
  {
    const std::lock_guard lock(mutex_);
    if (Entry* found = find(tenant, id)) {
      if (found->not_kept) return *found->not_kept;
      if (found->job.attended && !found->keep) {
        found->keep = true;
        changed_.notify_all();
      }
      return !found->job.attended;
    }
  }
  OBSCURA_TRY(const auto kept, store_.job(tenant, id));
  if (!kept) return error(Code::missing_key, "no job of this name");
  return true;
}

Jobs::Entry* Jobs::wanted() {
  for (Entry& e : entries_) {
    if (e.keep && e.job.attended && !e.removed && !e.not_kept) return &e;
  }
  return nullptr;
}

/// On a thread of its own: disks may be slow, and neither the work nor other clients wait for one.
void Jobs::keep_wanted() {
  Lock lock(mutex_);
  for (;;) {
    const Entry* entry = wanted();
    if (entry == nullptr && stopping_) return;
    if (entry == nullptr) {
      changed_.wait(lock);
      continue;
    }
    const auto [tenant, id] = std::pair(entry->job.tenant, entry->job.id);
    lock.unlock();
    const Result<void> flushed = flush(place_.images(id));
    lock.lock();
    Entry* still = find(tenant, id);
    if (still == nullptr) continue;
    // Of one that has ended meanwhile the images are gone, and what is left of it is on disk.
    if (!flushed && !has_ended(still->job)) {
      still->not_kept = flushed.error();
      continue;
    }
    lock.unlock();
    const Result<bool> kept = store_.keep_job(id);
    lock.lock();
    still = find(tenant, id);
    if (still == nullptr) continue;
    if (!kept || !*kept) {
      still->not_kept = kept ? error(Code::io, "this server's lease of the job was over") : kept.error();
      continue;
    }
    still->job.attended = false;
    if (still->job.state != "running") erase(*still);  // the store has it
    changed_.notify_all();
  }
}

const Jobs::Entry* Jobs::find(const std::string& tenant, const std::string& id) const {
  for (const Entry& e : entries_) {
    if (e.job.id == id && e.job.tenant == tenant && !e.removed) return &e;
  }
  return nullptr;
}

Result<std::optional<Job>> Jobs::job(const std::string& tenant, const std::string& id) const {
  {
    const std::lock_guard lock(mutex_);
    const Entry* here = find(tenant, id);
    if (here != nullptr && here->job.attended) return std::optional<Job>(here->job);
  }
  return store_.job(tenant, id);
}

Result<std::optional<JobStatus>> Jobs::status(const std::string& tenant, const std::string& id) const {
  // Whether it is there at all the store says, which others change too; how far it is, who runs it.
  OBSCURA_TRY(const std::optional<Job> found, job(tenant, id));
  std::optional<JobStatus> out;
  if (!found) return out;
  out =
      JobStatus{*found, static_cast<std::size_t>(found->work_done), static_cast<std::size_t>(found->work_total), 0, 0};
  double taken = static_cast<double>(now() - found->started);
  {
    const std::lock_guard lock(mutex_);
    const Entry* here = find(tenant, id);
    if (here != nullptr && here->job.run == found->run) {
      out->done = here->done;
      out->total = here->total;
      taken = std::chrono::duration<double>(std::chrono::steady_clock::now() - here->started).count();
    }
  }
  if (out->done > 0 && out->job.state == "running") {
    const double left = static_cast<double>(out->total) - static_cast<double>(out->done);
    out->seconds_left = std::max(0.0, taken * left / static_cast<double>(out->done));
  }
  if (!has_ended(out->job)) {
    OBSCURA_TRY(out->before, store_.jobs_before(id));
  }
  return out;
}

Result<base::InputFile> Jobs::answer(const std::string& tenant, const std::string& id) const {
  OBSCURA_TRY(const std::optional<Job> found, job(tenant, id));
  if (!found) return error(Code::missing_key, "no job of this name");
  if (found->state == "done") return base::InputFile::open(place_.answer(id, found->run));
  if (has_ended(*found)) return Error{static_cast<Code>(found->code), found->error};
  return error(Code::busy, "the job is {}", found->state);
}

Result<bool> Jobs::remove(const std::string& tenant, const std::string& id) {
  const std::lock_guard lock(mutex_);
  Entry* here = find(tenant, id);
  using Counts = Database::Counts;
  const auto stored =
      store_.remove_job(tenant, id, here != nullptr && here->job.attended ? Counts::at_once : Counts::on_disk);
  if (!stored && (here == nullptr || !here->job.attended)) return stored.error();
  if (here == nullptr && !*stored) return false;
  if (here != nullptr && here->job.state == "running") {
    here->stop = here->removed = true;
    return true;
  }
  const Job job = here != nullptr ? here->job : **stored;
  if (job.state == "queued") ++counts_.cancelled;
  drop(job);
  if (here != nullptr) erase(*here);
  return true;
}

void Jobs::forget(const std::string& tenant, const std::string& key) {
  const std::lock_guard lock(mutex_);
  loaded_.erase(tenant + "/" + key);
  worker_.forget(tenant + "/" + key);
}

void Jobs::expire() {
  const auto old = store_.remove_ended(now() - limits_.keep_answers.count());
  if (!old) return;
  const std::lock_guard lock(mutex_);
  for (const Job& job : *old) {
    drop(job);
    if (const Entry* here = find(job.tenant, job.id); here != nullptr && has_ended(here->job)) erase(*here);
  }
}

JobCounts Jobs::counts() const {
  const auto queued = store_.queued_jobs();
  const std::lock_guard lock(mutex_);
  JobCounts counts = counts_;
  counts.queued = static_cast<std::size_t>(queued ? *queued : 0);
  for (const Entry& e : entries_) counts.running += e.job.state == "running" ? 1 : 0;
  return counts;
}

}  // namespace obscura::service
