// SPDX-License-Identifier: Apache-2.0
/// base/parallel.h without threads: WebAssembly has them only on pages that are cut off from all others.
#include "base/parallel.h"

namespace obscura::base {

void parallel_for(std::size_t count, const std::function<void(std::size_t)>& body) {
  for (std::size_t i = 0; i < count; ++i) body(i);
}

ThreadLimit::ThreadLimit(std::size_t /*threads*/) {}

ThreadLimit::~ThreadLimit() { static_cast<void>(control_); }

std::size_t thread_count() { return 1; }

}  // namespace obscura::base
