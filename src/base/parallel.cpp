// SPDX-License-Identifier: Apache-2.0
#include "base/parallel.h"

#include <tbb/global_control.h>
#include <tbb/parallel_for.h>

namespace obscura::base {

void parallel_for(std::size_t count, const std::function<void(std::size_t)>& body) {
  tbb::parallel_for(std::size_t{0}, count, body);
}

ThreadLimit::ThreadLimit(std::size_t threads) {
  if (threads > 0) control_ = new tbb::global_control(tbb::global_control::max_allowed_parallelism, threads);
}

ThreadLimit::~ThreadLimit() { delete static_cast<tbb::global_control*>(control_); }

std::size_t thread_count() { return tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism); }

}  // namespace obscura::base
