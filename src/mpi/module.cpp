// SPDX-License-Identifier: Apache-2.0
/// The one file that calls MPI. Errors of MPI end the job (MPI_ERRORS_ARE_FATAL, its default).
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "mpi/world.h"

namespace obscura::mpi {

namespace {

using std::chrono::microseconds;

/// A rank that waits gives its core to others, which a wait inside of MPI would not. The first pause is about as long
/// as a message takes, the longest is short against any task.
constexpr microseconds kFirstPause{20}, kLongestPause{1000};
/// MPI counts bytes of a message in int.
constexpr std::size_t kPiece = std::size_t{1} << 30;

class MpiWorld final : public World {
 public:
  MpiWorld() {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);
    int rank = 0, count = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &count);
    rank_ = static_cast<std::size_t>(rank);
    count_ = static_cast<std::size_t>(count);
    if (provided >= MPI_THREAD_SERIALIZED) pusher_ = std::jthread([this](const std::stop_token& stop) { push(stop); });
  }
  ~MpiWorld() override {
    wait([this] { return delivered(); });
    pusher_ = {};
    MPI_Request all = MPI_REQUEST_NULL;
    MPI_Ibarrier(MPI_COMM_WORLD, &all);
    wait([&] { return done(all); });
    MPI_Finalize();
  }
  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;

  std::size_t rank() const override { return rank_; }
  std::size_t count() const override { return count_; }
  std::string host() const override {
    char name[MPI_MAX_PROCESSOR_NAME] = {};
    int length = 0;
    MPI_Get_processor_name(name, &length);
    return {name, static_cast<std::size_t>(length)};
  }
  void abort(int status) override {
    MPI_Abort(MPI_COMM_WORLD, status);
    std::_Exit(status);
  }

  void send(std::size_t to, std::uint32_t tag, base::Bytes bytes) override {
    {
      const std::scoped_lock lock(mutex_);
      const base::Bytes& kept = sent_bytes_.emplace_back(std::move(bytes));
      MPI_Isend(kept.data(), static_cast<int>(kept.size()), MPI_BYTE, static_cast<int>(to), static_cast<int>(tag),
                MPI_COMM_WORLD, &sent_.emplace_back(MPI_REQUEST_NULL));
    }
    pending_.notify_one();
  }

  base::Bytes receive(std::size_t from, std::uint32_t tag) override {
    MPI_Message message = MPI_MESSAGE_NULL;
    MPI_Status status{};
    wait([&] {
      int there = 0;
      MPI_Improbe(static_cast<int>(from), static_cast<int>(tag), MPI_COMM_WORLD, &there, &message, &status);
      return there != 0;
    });
    MPI_Request request = MPI_REQUEST_NULL;
    base::Bytes bytes;
    {
      const std::scoped_lock lock(mutex_);
      int size = 0;
      MPI_Get_count(&status, MPI_BYTE, &size);
      bytes.resize(static_cast<std::size_t>(size));
      MPI_Imrecv(bytes.data(), size, MPI_BYTE, &message, &request);
    }
    wait([&] { return done(request); });
    return bytes;
  }

  void broadcast(base::Bytes& bytes) override {
    std::uint64_t size = bytes.size();
    piece(&size, sizeof size);
    bytes.resize(static_cast<std::size_t>(size));
    for (std::size_t first = 0; first < bytes.size(); first += kPiece) {
      piece(bytes.data() + first, std::min(kPiece, bytes.size() - first));
    }
  }

 private:
  static bool done(MPI_Request& request) {
    int done = 0;
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    return done != 0;
  }
  /// Lets go of what has arrived; whether that is all. Needs the lock. One call for all messages: where cores are few,
  /// each call of MPI that finds nothing gives the core away.
  bool delivered() {
    std::vector<int> at(sent_.size());
    int count = 0;
    if (!sent_.empty()) {
      MPI_Testsome(static_cast<int>(sent_.size()), sent_.data(), &count, at.data(), MPI_STATUSES_IGNORE);
    }
    at.resize(count == MPI_UNDEFINED ? 0 : static_cast<std::size_t>(count));
    std::sort(at.begin(), at.end(), std::greater<>());
    for (const int i : at) {
      sent_.erase(sent_.begin() + i);
      sent_bytes_.erase(sent_bytes_.begin() + i);
    }
    return sent_.empty();
  }
  void wait(const std::function<bool()>& ready) {
    for (microseconds pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
      {
        const std::scoped_lock lock(mutex_);
        if (ready()) return;
      }
      std::this_thread::sleep_for(pause);
    }
  }
  void piece(void* bytes, std::size_t size) {
    MPI_Request request = MPI_REQUEST_NULL;
    {
      const std::scoped_lock lock(mutex_);
      MPI_Ibcast(bytes, static_cast<int>(size), MPI_BYTE, 0, MPI_COMM_WORLD, &request);
    }
    wait([&] { return done(request); });
  }
  /// Large messages move only while their sender is inside of MPI: while it computes, this is.
  void push(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      {
        std::unique_lock lock(mutex_);
        pending_.wait(lock, stop, [this] { return !sent_.empty(); });
        (void)delivered();
      }
      std::this_thread::sleep_for(kLongestPause);
    }
  }

  std::size_t rank_ = 0;
  std::size_t count_ = 1;
  std::mutex mutex_;  ///< of all calls of MPI after the first
  std::condition_variable_any pending_;
  std::vector<MPI_Request> sent_;        ///< not yet delivered
  std::vector<base::Bytes> sent_bytes_;  ///< by message: moving one leaves its bytes where they are
  std::jthread pusher_;
};

}  // namespace

}  // namespace obscura::mpi

/// What mpi/load.cpp looks for.
extern "C" __attribute__((visibility("default"))) obscura::mpi::World* obscura_mpi_start() {
  return new obscura::mpi::MpiWorld;
}
