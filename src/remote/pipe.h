// SPDX-License-Identifier: Apache-2.0
/// Bytes that one thread makes while another sends them: a few MB of them at a time.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <span>

#include "base/bytes.h"

namespace obscura::remote {

class Pipe {
 public:
  /// Waits for room. errors: cancelled: nobody takes them any more
  Result<void> put(base::ByteView bytes) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopped_ || held_.size() - at_ < kMost; });
    if (stopped_) return error(Code::cancelled, "what was made is not sent any more");
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ = 0;
    held_.insert(held_.end(), bytes.begin(), bytes.end());
    changed_.notify_all();
    return {};
  }
  /// Nothing comes any more: who waits for bytes gets the error.
  void end(Error why) {
    const std::lock_guard lock(mutex_);
    ended_ = std::move(why);
    changed_.notify_all();
  }
  /// Fills `out` whole. errors: that of end()
  Result<void> take(std::span<std::byte> out) {
    std::unique_lock lock(mutex_);
    while (!out.empty()) {
      changed_.wait(lock, [&] { return ended_ || at_ < held_.size(); });
      if (at_ == held_.size()) return *ended_;
      const std::size_t some = std::min(out.size(), held_.size() - at_);
      std::copy_n(held_.begin() + static_cast<std::ptrdiff_t>(at_), some, out.begin());
      out = out.subspan(some);
      at_ += some;
      changed_.notify_all();
    }
    return {};
  }
  /// Nobody takes any more.
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }

 private:
  static constexpr std::size_t kMost = std::size_t{4} << 20;
  std::mutex mutex_;
  std::condition_variable changed_;
  base::Bytes held_;
  std::size_t at_ = 0;  ///< of them are taken
  std::optional<Error> ended_;
  bool stopped_ = false;
};

}  // namespace obscura::remote
