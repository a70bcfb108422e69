// SPDX-License-Identifier: Apache-2.0
/// Counts work from many threads into one base::Progress whose calls never overlap.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "base/parallel.h"

namespace obscura::run {

class WorkCounter {
 public:
  WorkCounter(const base::Progress& progress, std::uint64_t total) : progress_(progress), total_(total) {}

  /// Work that was done before this run; not reported.
  void skip(std::uint64_t work) { done_ += work; }

  /// Adds finished work; reports it unless another thread is reporting.
  void add(std::uint64_t work) {
    const std::uint64_t done = done_.fetch_add(work) + work;
    if (!progress_) return;
    const bool last = done >= total_;
    std::unique_lock lock(mutex_, std::defer_lock);
    if (last) {
      lock.lock();
    } else if (!lock.try_lock()) {
      return;
    }
    if (!progress_(static_cast<std::size_t>(done_.load()), static_cast<std::size_t>(total_))) cancelled_ = true;
  }

  bool cancelled() const { return cancelled_; }

 private:
  const base::Progress& progress_;
  std::uint64_t total_;
  std::atomic<std::uint64_t> done_{0};
  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;
};

}  // namespace obscura::run
