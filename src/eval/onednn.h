// SPDX-License-Identifier: Apache-2.0
/// oneDNN on one thread: images are what runs in parallel here.
#pragma once

namespace obscura::eval {

/// oneDNN shares out work over OpenMP's threads, which would fight with those of base::parallel_for. In this scope the
/// calling thread does all of it itself. Primitives must be made and run under it.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

}  // namespace obscura::eval
