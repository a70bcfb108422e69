// SPDX-License-Identifier: Apache-2.0
/// Loops over independent work on all cores (oneTBB), and the number of threads they may use.
#pragma once

#include <cstddef>
#include <functional>

#include "obscura/result.h"

namespace obscura::base {

/// Calls body(i) once for each i in [0, count), in any order and on any thread. Exceptions of a body end the loop and
/// are rethrown here. Nested loops are fine.
void parallel_for(std::size_t count, const std::function<void(std::size_t)>& body);

/// Threads that parallel_for may use from now on in this scope; 0 = all cores.
class ThreadLimit {
 public:
  explicit ThreadLimit(std::size_t threads);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  void* control_ = nullptr;
};

/// Threads that parallel_for uses now.
std::size_t thread_count();

}  // namespace obscura::base
