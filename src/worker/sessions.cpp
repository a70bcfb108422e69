// SPDX-License-Identifier: Apache-2.0
#include "worker/sessions.h"

#include <algorithm>
#include <utility>

namespace obscura::worker {

Result<Sessions::Session> Sessions::get(const std::string& model, const wire::NamedPlan& plan, const std::string& key,
                                        const std::filesystem::path& file) {
  const std::lock_guard lock(mutex_);
  const auto known =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.model == model && e.key == key; });
  if (known != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, known);
    return entries_.front().session;
  }
  // What the plan says is known before a byte of the keys is read.
  OBSCURA_TRY(const server::Allotment allotment, server::allot(plan.plan, 0));
  const std::uint64_t needed = allotment.bytes;
  if (memory_ > 0) {
    if (needed > memory_) {
      return error(Code::infeasible, "model {} takes {:.2f} GB of memory; this server has {:.2f} GB", model,
                   static_cast<double>(needed) / 1e9, static_cast<double>(memory_) / 1e9);
    }
    std::uint64_t taken = needed;
    for (auto e = entries_.begin(); e != entries_.end();) {
      taken += e->session->session.memory();
      e = taken > memory_ ? entries_.erase(e) : std::next(e);
    }
  }
  OBSCURA_TRY(base::InputFile keys, base::InputFile::open(file));
  OBSCURA_TRY(server::ClientSession session, server::make_session(plan, keys, {.resources = resources_}));
  entries_.push_front({model, key, server::share(std::move(session))});
  return entries_.front().session;
}

void Sessions::forget(const std::string& key) {
  const std::lock_guard lock(mutex_);
  entries_.remove_if([&](const Entry& e) { return e.key == key; });
}

}  // namespace obscura::worker
