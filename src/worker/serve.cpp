// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "worker/channel.h"
#include "worker/confine.h"
#include "worker/sessions.h"
#include "worker/worker.h"

namespace obscura::worker {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kSayEvery{100};
/// Address space for stacks, libraries and files in memory, beside what the plans say of themselves.
constexpr std::uint64_t kBeside = std::uint64_t{4} << 30;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class Service {
 public:
  Service(int channel, const Options& options) : channel_(channel), options_(options), sessions_(options.memory) {}

  /// On a thread of its own: what comes is kept for run(), but for what cannot wait. Ends the process with the channel.
  void listen() {
    for (;;) {
      Received received = receive_message(channel_, std::chrono::milliseconds(-1));
      if (received.ended) ::_exit(0);
      if (!received.message) continue;
      const nlohmann::json& message = *received.message;
      if (message.contains("cancel")) {
        cancelled_ = number_of(message, "cancel");
      } else if (message.contains("forget")) {
        sessions_.forget(text_of(message, "forget"));
      } else {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(message);
        arrived_.notify_one();
      }
    }
  }

  [[noreturn]] void run() {
    for (;;) {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, [&] { return !tasks_.empty(); });
      const nlohmann::json message = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      const std::uint64_t number = number_of(message, "task");
      double load_seconds = 0, run_seconds = 0;
      Result<void> ran = perform(message, number, load_seconds, run_seconds);
      nlohmann::json answer{{"task", number}, {"load_seconds", load_seconds}, {"run_seconds", run_seconds}};
      if (ran) {
        answer["done"] = true;
      } else {
        answer["code"] = static_cast<int>(ran.error().code);
        answer["error"] = ran.error().message.substr(0, kMaxMessage / 8);
      }
      send_message(channel_, answer);
    }
  }

 private:
  Result<void> perform(const nlohmann::json& message, std::uint64_t number, double& load_seconds, double& run_seconds) {
    try {
      OBSCURA_TRY(const Task task, task_of(message));
      const auto start = Clock::now();
      OBSCURA_TRY(const wire::NamedPlan* plan, plan_of(task));
      OBSCURA_TRY(const Sessions::Session session, sessions_.get(task.model, *plan, task.key, task.keys));
      load_seconds = seconds_since(start);
      server::RunOptions how;
      how.overwrite = true;
      how.unfinished = server::RunOptions::Unfinished::resume;
      how.signing_key = options_.signing_key;
      auto said = Clock::now();
      how.progress = [&](std::size_t done, std::size_t total) {
        if (Clock::now() - said >= kSayEvery) {
          said = Clock::now();
          send_message(channel_, {{"task", number}, {"work", done}, {"of", total}});
        }
        return cancelled_.load() != number;
      };
      OBSCURA_TRY(const server::Report report, server::run(*session, task.in, task.out, how));
      run_seconds = report.run_seconds;
      return {};
    } catch (const std::bad_alloc&) {
      return error(Code::infeasible, "the memory of the server does not suffice for it");
    }
  }

  Result<const wire::NamedPlan*> plan_of(const Task& task) {
    const auto known = plans_.find(task.model);
    if (known != plans_.end()) return &known->second;
    OBSCURA_TRY(wire::NamedPlan plan, wire::read_plan_file(task.plan));
    return &plans_.emplace(task.model, std::move(plan)).first->second;
  }

  int channel_;
  Options options_;
  Sessions sessions_;
  std::map<std::string, wire::NamedPlan> plans_;
  std::atomic<std::uint64_t> cancelled_{0};
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<nlohmann::json> tasks_;
};

}  // namespace

int serve(int channel, const Options& options) {
  if (const auto confined = confine(options.memory == 0 ? 0 : options.memory + kBeside); !confined) {
    fmt::print(stderr, "obscura-server worker: {}\n", confined.error().message);
    return 1;
  }
  Service service(channel, options);
  std::thread listener([&] { service.listen(); });
  service.run();
}

}  // namespace obscura::worker
