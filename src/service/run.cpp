// SPDX-License-Identifier: Apache-2.0
/// The thread that computes jobs, one after the other.
#include <utility>

#include "service/jobs.h"

namespace obscura::service {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// How often a replica without work looks for what others have accepted, or have let go.
constexpr std::chrono::milliseconds kLook{250};
/// Between two tries where the store does not answer.
constexpr std::chrono::seconds kPause{1};

/// What a job ends as.
void set_end(Job& job, const worker::Outcome& outcome, bool stopped, std::chrono::seconds deadline) {
  job.ended = now();
  if (!outcome.error) {
    job.state = "done";
    return;
  }
  const bool cancelled = outcome.error->code == Code::cancelled;
  const bool late = cancelled && !stopped;
  job.state = cancelled && !late ? "cancelled" : "failed";
  job.code = static_cast<std::int64_t>(late ? Code::infeasible : outcome.error->code);
  job.error = outcome.crashed ? fmt::format("{}, {} times, on these images", outcome.error->message, job.attempts)
              : late          ? fmt::format("it took longer than {} s, the deadline", deadline.count())
                              : outcome.error->message;
}

}  // namespace

void Jobs::serve() {
  Lock lock(mutex_);
  for (;;) {
    // Of those that nobody waits for none begins any more.
    claim_.only_attended = stopping_;
    Result<std::optional<Job>> claimed = store_.claim(claim_);
    if (claimed && *claimed) {
      perform(entry_of(std::move(**claimed)), lock);
    } else if (stopping_) {
      return;
    } else if (!claimed) {
      changed_.wait_for(lock, kPause);
    } else if (store_.shared()) {
      changed_.wait_for(lock, kLook);
    } else {
      changed_.wait(lock);
    }
  }
}

/// The entry of a job that was claimed: the one whose client waits here, or a new one.
Jobs::Entry& Jobs::entry_of(Job claimed) {
  Entry* here = find(claimed.tenant, claimed.id);
  if (here == nullptr) return entries_.emplace_back(Entry{std::move(claimed)});
  here->job = std::move(claimed);
  return *here;
}

void Jobs::perform(Entry& entry, Lock& lock) {
  const Job job = entry.job;
  entry.started = Clock::now();
  entry.done = entry.total = 0;
  if (job.attempts >= limits_.attempts) {
    finish(entry, {Error{Code::io, "the server that computed it ended"}, true, 0, 0}, lock);
    return;
  }
  const auto key = store_.key(job.tenant, job.key);
  if (!key) {  // it does not answer: what was claimed can be claimed again
    requeue(entry);
    changed_.wait_for(lock, kPause);
    return;
  }
  const std::string name = job.tenant + "/" + job.key;
  const worker::Task task{job.model,
                          models_.at(job.model).file,
                          name,
                          place_.key(job.tenant, job.key),
                          place_.images(job.id),
                          place_.answer(job.id, job.run)};
  if (!*key || !fs::exists(task.keys)) {
    finish(entry, {Error{Code::missing_key, "its key was deleted"}, false, 0, 0}, lock);
    return;
  }
  // Another replica may have taken other keys of this name since.
  if (std::string& upload = loaded_[name]; upload != (*key)->upload) {
    worker_.forget(name);
    upload = (*key)->upload;
  }
  lock.unlock();
  adopt(job);
  const auto ran = worker_.run(task, [&](std::size_t done, std::size_t total) {
    const std::lock_guard inner(mutex_);
    entry.done = done;
    entry.total = total;
    const bool late = Clock::now() - entry.started > limits_.deadline;
    return !entry.stop && !entry.lost && !late && !(stopping_ && !entry.job.attended);
  });
  lock.lock();
  const worker::Outcome outcome = ran ? *ran : worker::Outcome{ran.error(), false, 0, 0};
  const bool cancelled = outcome.error && outcome.error->code == Code::cancelled;
  // With stopping it goes on in the next process, or another replica.
  if (cancelled && stopping_ && !entry.stop && !entry.lost && requeue(entry)) return;
  if (outcome.crashed) {
    ++counts_.crashes;
    if (++entry.job.attempts < limits_.attempts && !entry.stop && requeue(entry)) return;
  }
  finish(entry, outcome, lock);
}

/// Whether it waits again, for whoever claims it next; where the store does not answer, for this replica.
bool Jobs::requeue(Entry& entry) {
  const auto waits = store_.requeue(entry.job);
  if (waits && !*waits) return false;
  entry.job.state = "queued";
  if (!entry.job.attended) erase(entry);
  return true;
}

/// False: the answer does not count, since another replica has the job, or it is gone.
bool Jobs::end_in_store(const Job& job, Lock& lock) {
  for (;;) {
    const auto ended = store_.end_job(job);
    // Whose client waits here gets its answer, whatever became of the store: a full disk must not take it away.
    if (job.attended) return true;
    if (ended) return *ended;
    if (stopping_) return false;
    changed_.wait_for(lock, kPause);
  }
}

void Jobs::finish(Entry& entry, const worker::Outcome& outcome, Lock& lock) {
  Job job = entry.job;
  set_end(job, outcome, entry.stop, limits_.deadline);
  job.error = without(job.error, place_.images(job.id), "the encrypted images");
  job.error = without(job.error, place_.key(job.tenant, job.key), "the key");
  job.error = without(job.error, place_.answer(job.id, job.run), "the answer");
  counts_.run_seconds += outcome.run_seconds;
  if (!entry.removed && !end_in_store(job, lock) && !entry.removed) {
    ++counts_.lost;
    drop_run(job, job.run);
    erase(entry);
    return;
  }
  std::error_code ignored;
  Event event{job.tenant, "infer", job.model, job.plan, job.key, "done", job.images, job.bytes};
  if (job.state == "done") {
    ++counts_.done;
    counts_.images += static_cast<std::uint64_t>(job.images);
    event.bytes_out = static_cast<std::int64_t>(fs::file_size(place_.answer(job.id, job.run), ignored));
  } else {
    ++(job.state == "failed" ? counts_.failed : counts_.cancelled);
    event.outcome = job.state + ": " + job.error;
  }
  event.seconds = std::chrono::duration<double>(Clock::now() - entry.started).count();
  static_cast<void>(store_.note(event));
  if (entry.removed || job.state != "done") drop(job);
  job.attended = entry.job.attended;  // it may have been kept meanwhile
  entry.job = job;
  if (entry.removed || !job.attended) erase(entry);
  // Only now: a process that is killed before must find the images again. They may be large, and nobody waits for it.
  lock.unlock();
  fs::remove(place_.images(job.id), ignored);
  lock.lock();
}

}  // namespace obscura::service
