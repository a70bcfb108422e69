// SPDX-License-Identifier: Apache-2.0
/// base/parallel.h on threads of the C++ runtime, for the client component, which needs no oneTBB: its loops are few
/// and long, so that each starts threads of its own.
#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/parallel.h"

namespace obscura::base {

namespace {

std::atomic<std::size_t> limit{0};  // 0: none
thread_local bool inside = false;   // a nested loop is its thread's own

/// Takes the next iteration until there is none, or one has thrown.
class Loop {
 public:
  Loop(std::size_t count, const std::function<void(std::size_t)>& body) : count_(count), body_(body) {}
  void work() {
    const bool outer = std::exchange(inside, true);
    for (std::size_t i = next_++; i < count_; i = next_++) {
      try {
        body_(i);
      } catch (...) {
        const std::scoped_lock lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
        next_ = count_;
      }
    }
    inside = outer;
  }
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::size_t count_;
  const std::function<void(std::size_t)>& body_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace

void parallel_for(std::size_t count, const std::function<void(std::size_t)>& body) {
  Loop loop(count, body);
  {
    const std::size_t threads = inside ? 1 : std::min(count, thread_count());
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < threads; ++i) others.emplace_back([&] { loop.work(); });
    loop.work();
  }
  loop.rethrow();
}

ThreadLimit::ThreadLimit(std::size_t threads) {
  if (threads > 0) control_ = new std::size_t(limit.exchange(threads));
}

ThreadLimit::~ThreadLimit() {
  if (control_ == nullptr) return;
  const auto* before = static_cast<std::size_t*>(control_);
  limit = *before;
  delete before;
}

std::size_t thread_count() {
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t most = limit;
  return most == 0 ? cores : std::min(most, cores);
}

}  // namespace obscura::base
