// SPDX-License-Identifier: Apache-2.0
#include "wait.h"

namespace obscura::python {

bool Watch::tell(const std::string& what, std::size_t done, std::size_t total) {
  const std::lock_guard lock(mutex_);
  told_ = Told{what, done, total};
  return !stopped_;
}

Progress Watch::progress(const std::string& what) {
  return [this, what](std::size_t done, std::size_t total) { return tell(what, done, total); };
}

void Watch::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
}

bool Watch::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

std::optional<Watch::Told> Watch::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(told_, std::nullopt);
}

void look_after(Watch& watch, const py::object& progress) {
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  if (progress.is_none() || watch.stopped()) return;
  const std::optional<Watch::Told> told = watch.take();
  if (told && progress(told->what, told->done, told->total).is(py::bool_(false))) watch.stop();
}

}  // namespace obscura::python
