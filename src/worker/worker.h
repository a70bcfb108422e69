// SPDX-License-Identifier: Apache-2.0
/// Computes in a process of its own, which has no network and little else: whatever encrypted images make of it, the
/// server goes on. The process keeps the plans and keys that it has loaded, and is started again where it ended.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/parallel.h"

namespace obscura::worker {

/// One file of encrypted images.
struct Task {
  std::string model;           ///< names the plan
  std::filesystem::path plan;  ///< see server::run
  std::string key;             ///< names the keys
  std::filesystem::path keys, in, out;
};

struct Outcome {
  std::optional<Error> error;  ///< none: the answer is at Task::out
  bool crashed = false;        ///< the process ended on it
  double load_seconds = 0;     ///< of plan and keys, where they were not loaded yet
  double run_seconds = 0;
};

struct Options {
  /// The program whose `worker` verb this is (obscura-server).
  std::filesystem::path program;
  std::uint64_t memory = 0;                ///< that all loaded keys, weights and ciphertexts take together; 0: no limit
  std::filesystem::path signing_key = {};  ///< signs answers
};

class Worker {
 public:
  explicit Worker(Options options) : options_(std::move(options)) {}
  /// Ends the process.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Runs a task, after what an earlier process saved of it (server::RunOptions::Unfinished::resume). Progress is asked
  /// at least five times a second; where it is false the task ends as cancelled.
  /// threads  one at a time
  /// errors   io: no process can be started
  Result<Outcome> run(const Task& task, const base::Progress& progress);
  /// Lets go of a client's keys, where they are loaded. threads: concurrent
  void forget(const std::string& key);
  /// The process, for those who watch it; 0: none. threads: concurrent
  pid_t process() const;

 private:
  Result<void> start();
  void end();
  std::string how_it_ended();
  Options options_;
  mutable std::mutex mutex_;  ///< of process_ and channel_
  pid_t process_ = 0;
  int channel_ = -1;
  std::uint64_t tasks_ = 0;
};

/// The process's side: serves a channel until it closes. With `confined`, first gives up what it does not need: system
/// calls (seccomp), memory beyond the limit, core files.
/// returns  the exit status
int serve(int channel, const Options& options);

}  // namespace obscura::worker
