// SPDX-License-Identifier: Apache-2.0
/// Accepted files of encrypted images, from the queue to their answers. One is computed at a time, with all cores, in a
/// worker process; tenants take turns. Jobs that no client waits for outlive this process: the next one goes on with
/// them from what was saved.
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
  std::int64_t attempts = 3;                 ///< worker processes that may end on one job
  std::chrono::seconds keep_answers{86400};  ///< that nobody fetched
};

struct JobStatus {
  Job job;
  std::size_t done = 0, total = 0;  ///< predicted work
  double seconds_left = 0;          ///< predicted, of this job alone; 0: not known
  std::size_t before = 0;           ///< jobs that run or wait in front of it
};

/// What the numbers of a service count; see metrics.
struct JobCounts {
  std::uint64_t done = 0, failed = 0, cancelled = 0, crashes = 0, images = 0;
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
  /// threads  concurrent; cheap
  std::optional<JobStatus> status(const std::string& tenant, const std::string& id) const;
  /// The answer of a done job. errors: missing_key: no such job; busy: not done yet; its own error where it failed
  Result<base::InputFile> answer(const std::string& tenant, const std::string& id) const;
  /// Stops it where it waits or runs, and removes what is there of it. False: no such job. threads: concurrent
  bool remove(const std::string& tenant, const std::string& id);
  /// Lets go of loaded keys.
  void forget(const std::string& tenant, const std::string& key);
  /// Removes answers that nobody fetched in time.
  void expire();
  JobCounts counts() const;
  pid_t worker_process() const { return worker_.process(); }

 private:
  struct Entry {
    Job job;
    std::size_t done = 0, total = 0;
    std::chrono::steady_clock::time_point started = {};
    bool stop = false;
    bool removed = false;  ///< goes when it has ended
    bool keep = false;     ///< is wanted on disk
    std::optional<Error> not_kept = std::nullopt;
  };
  Jobs(const Store& store, const Place& place, const std::map<std::string, Model>& models, worker::Options worker,
       const JobLimits& limits)
      : store_(store), place_(place), models_(models), limits_(limits), worker_(std::move(worker)) {}
  void serve();
  void keep_wanted();
  Entry* next();
  void perform(Entry& entry, std::unique_lock<std::mutex>& lock);
  void finish(Entry& entry, const worker::Outcome& outcome);
  Entry* wanted();
  void save(Entry& entry);
  void drop(const std::string& id);
  Result<void> room_for(const Job& job) const;
  const Entry* find(const std::string& tenant, const std::string& id) const;
  Entry* find(const std::string& tenant, const std::string& id) {
    return const_cast<Entry*>(std::as_const(*this).find(tenant, id));
  }

  const Store& store_;
  const Place& place_;
  const std::map<std::string, Model>& models_;
  JobLimits limits_;
  worker::Worker worker_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Entry> entries_;                    ///< in the order of their acceptance; they stay where they are
  std::map<std::string, std::uint64_t> turns_;  ///< when each tenant was last served
  std::uint64_t turn_ = 0;
  JobCounts counts_;
  bool stopping_ = false;
  std::thread thread_;
  std::thread keeper_;
};

}  // namespace obscura::service
