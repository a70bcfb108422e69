// SPDX-License-Identifier: Apache-2.0
/// Long calls from Python: the work has a thread of its own, and the caller's thread, which waits without the
/// interpreter's lock, sees to signals and to the caller's progress function.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "errors.h"
#include "obscura/result.h"

namespace obscura::python {

namespace py = pybind11;

/// What the work has told of itself and whether it shall stop: between its threads and the one that waits.
class Watch {
 public:
  struct Told {
    std::string what;
    std::size_t done = 0, total = 0;
  };

  /// Of the work, from any thread. False: stop.
  bool tell(const std::string& what, std::size_t done, std::size_t total);
  /// As the library's functions take it.
  Progress progress(const std::string& what);
  void stop();
  bool stopped() const;
  /// What was told since the last call, if anything was.
  std::optional<Told> take();

 private:
  mutable std::mutex mutex_;
  std::optional<Told> told_;
  bool stopped_ = false;
};

/// Handles signals, then passes on what was told: progress(what, done, total), None for nobody. False of it stops.
/// throws  what a signal's handler or `progress` raised. needs: the interpreter's lock
void look_after(Watch& watch, const py::object& progress);

/// How often the waiting thread looks after signals and progress.
inline constexpr std::chrono::milliseconds kPeriod{20};

/// The value of work(watch), which runs on another thread. What a signal or `progress` raises stops the work and is
/// raised here once it has ended. throws: LibraryError of its error; what the work threw. needs: the interpreter's lock
template <class T>
T wait_for(const py::object& progress, const std::function<Result<T>(Watch&)>& work) {
  Watch watch;
  std::future<Result<T>> result = std::async(std::launch::async, [&] { return work(watch); });
  std::exception_ptr raised;
  for (bool ready = false; !ready;) {
    {
      const py::gil_scoped_release unlocked;
      ready = result.wait_for(kPeriod) == std::future_status::ready;
    }
    if (raised) continue;
    try {
      look_after(watch, progress);
    } catch (const py::error_already_set&) {
      raised = std::current_exception();
      watch.stop();
    }
  }
  Result<T> outcome = result.get();
  if (raised) std::rethrow_exception(raised);
  return value_of(std::move(outcome));
}

}  // namespace obscura::python
