// SPDX-License-Identifier: Apache-2.0
/// Bars on a terminal, and Ctrl-C.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/parallel.h"

namespace obscura::cli {

/// A line on standard error that shows how far the work is and when it will end: nothing where that is no terminal,
/// at most ten times a second, and gone when the bar goes.
class ProgressBar {
 public:
  explicit ProgressBar(std::string title);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  /// To hand to the libraries; valid while the bar lives. It asks for an end once the user pressed Ctrl-C.
  base::Progress callback();
  double seconds() const;

 private:
  void draw(std::size_t done, std::size_t total);
  std::string title_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_{};
};

/// A bar for each thing that is done, one after the other: called with what it is, and how much of it is done.
std::function<bool(const std::string& what, std::size_t done, std::size_t total)> progress_bars();

/// "title  [=====     ]  50 %  ETA 0:12", in `columns` columns or fewer.
std::string progress_line(const std::string& title, std::size_t done, std::size_t total, double elapsed_seconds,
                          std::size_t columns);

/// A line before long work: on standard output, or on standard error where that is kept for JSON.
void note(const std::string& line, bool json);

/// From now on the first Ctrl-C or SIGTERM lets the work end by itself (nothing half-written stays); the second ends at
/// once.
void catch_interrupt();
/// And where the work has not ended by itself when this is over, the process does: for work that leaves no file without
/// its end, and whose pieces may be long because somebody else chose their size.
void end_within_a_second();
bool interrupted();

}  // namespace obscura::cli
