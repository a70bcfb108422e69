// SPDX-License-Identifier: Apache-2.0
/// Accepted files of encrypted images, from the queue to their answers. One is computed at a time, with all cores, in a
/// worker process; tenants take turns. Jobs that no client waits for outlive this process: the next one, or another
/// replica, goes on with them from what was saved.
///
/// The queue is the store's. What is here beside it is of the clients that wait on connections to this process, and of
/// the job that it runs: both end with it.
#pragma once

#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "service/place.h"
#include "service/store.h"
#include "wire/plan_frame.h"
#include "worker/worker.h"

namespace obscura::service {

struct Model {
  std::string name;
  std::filesystem::path file;
  wire::NamedPlan plan;
  base::Bytes offer;  ///< with its signature, where offers are signed
};

struct JobLimits {
  std::int64_t queued = 16;                  ///< jobs of one tenant that wait or run
  std::int64_t images_per_hour = 0;          ///< of one tenant; 0: any number
  std::chrono::seconds deadline{86400};      ///< of one job, from its start
  std::int64_t attempts = 3;                 ///< processes, worker's or server's, that may end on one job
  std::chrono::seconds keep_answers{86400};  ///< that nobody fetched
  /// Of a shared store: a replica that is not heard of for so long has lost its job to another.
  std::chrono::milliseconds lease{10'000};
};

/// Done, failed or cancelled.
bool has_ended(const Job& job);

struct JobStatus {
  Job job;
  std::size_t done = 0, total = 0;  ///< predicted work
  double seconds_left = 0;          ///< predicted, of this job alone; 0: not known
  std::int64_t before = 0;          ///< jobs that run or wait in front of it
};

/// What the numbers of a service count; see metrics. All are of this process, but for `queued`, which is of the store.
struct JobCounts {
  std::uint64_t done = 0, failed = 0, cancelled = 0, crashes = 0, images = 0;
  std::uint64_t lost = 0;  ///< that another replica has, since this one was not heard of
  std::size_t queued = 0, running = 0;
  double run_seconds = 0;
};

class Jobs {
 public:
  /// Takes up what an earlier process accepted. errors: io
  static Result<std::unique_ptr<Jobs>> open(const Store& store, const Place& place,
                                            const std::map<std::string, Model>& models, worker::Options worker,
                                            const JobLimits& limits);
  /// Ends after the job whose client waits; another that runs is saved, and goes on with the next process.
  ~Jobs();
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  /// Takes a job whose client waits: `images`, a file, is moved. Returns its id. threads: concurrent
  /// errors  busy: too many of this tenant are queued, or too many images this hour; io
  Result<std::string> submit(Job job, const std::filesystem::path& images);
  /// Whether it is on disk, to outlive this process, whoever waits for it; where not, it begins to be brought there.
  /// threads  concurrent; cheap
  /// errors   missing_key: no such job; io: the disk does not take it
  Result<bool> keep(const std::string& tenant, const std::string& id);
  /// threads  concurrent; cheap where its client waits here, else a query. errors: io
  Result<std::optional<Job>> job(const std::string& tenant, const std::string& id) const;
  /// The same with how far it is. threads: concurrent; a query or two. errors: io
  Result<std::optional<JobStatus>> status(const std::string& tenant, const std::string& id) const;
  /// The answer of a done job. errors: missing_key: no such job; busy: not done yet; its own error where it failed; io
  Result<base::InputFile> answer(const std::string& tenant, const std::string& id) const;
  /// Stops it where it waits or runs, and removes what is there of it; another replica that runs it stops within
  /// seconds. False: no such job. threads: concurrent. errors: io
  Result<bool> remove(const std::string& tenant, const std::string& id);
  /// Lets go of loaded keys.
  void forget(const std::string& tenant, const std::string& key);
  /// Removes answers that nobody fetched in time.
  void expire();
  JobCounts counts() const;
  pid_t worker_process() const { return worker_.process(); }

 private:
  /// A job that a client waits for on a connection to this process, or that this process runs.
  struct Entry {
    Job job;
    std::size_t done = 0, total = 0;
    std::chrono::steady_clock::time_point started = {};
    bool stop = false;
    bool removed = false;  ///< goes when it has ended
    bool lost = false;     ///< the store says that it is another's, or gone
    bool keep = false;     ///< is wanted on disk
    std::optional<Error> not_kept = std::nullopt;
  };
  using Lock = std::unique_lock<std::mutex>;
  Jobs(const Store& store, const Place& place, const std::map<std::string, Model>& models, worker::Options worker,
       const JobLimits& limits);
  // jobs.cpp
  void keep_wanted();
  Entry* wanted();
  Result<void> room_for(const Job& job) const;
  const Entry* find(const std::string& tenant, const std::string& id) const;
  Entry* find(const std::string& tenant, const std::string& id) {
    return const_cast<Entry*>(std::as_const(*this).find(tenant, id));
  }
  void erase(const Entry& entry) {
    entries_.remove_if([&](const Entry& e) { return &e == &entry; });
  }
  // run.cpp
  void serve();
  Entry& entry_of(Job claimed);
  void perform(Entry& entry, Lock& lock);
  bool requeue(Entry& entry);
  void finish(Entry& entry, const worker::Outcome& outcome, Lock& lock);
  bool end_in_store(const Job& job, Lock& lock);
  // replica.cpp
  void beat();
  void tell(Lock& lock);
  void sweep();
  void fail_unserved();
  bool is_served(const Job& job) const;
  void adopt(const Job& job) const;
  void drop(const Job& job) const;
  void drop_run(const Job& job, std::int64_t run) const;

  const Store& store_;
  const Place& place_;
  const std::map<std::string, Model>& models_;
  JobLimits limits_;
  Claim claim_;  ///< what serve() asks for
  worker::Worker worker_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Entry> entries_;                   ///< they stay where they are
  std::map<std::string, std::string> loaded_;  ///< keys that the worker may have, as TENANT/KEY, and their uploads
  JobCounts counts_;
  bool stopping_ = false;
  std::condition_variable over_changed_;
  bool over_ = false;  ///< nothing runs any more
  std::thread thread_;
  std::thread keeper_;
  std::thread beat_;
};

}  // namespace obscura::service
