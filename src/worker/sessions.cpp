// SPDX-License-Identifier: Apache-2.0
#include "worker/sessions.h"

#include <algorithm>
#include <set>
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
  if (memory_ > 0 && allotment.bytes > memory_) {
    return error(Code::infeasible, "model {} takes {:.2f} GB of memory; this server has {:.2f} GB", model,
                 static_cast<double>(allotment.bytes) / 1e9, static_cast<double>(memory_) / 1e9);
  }
  const auto of_model = [&] {
    return std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.model == model; });
  };
  const Session same = of_model() == entries_.end() ? nullptr : of_model()->session;
  const auto more = [&] { return of_model() == entries_.end() ? allotment.bytes : same->session.key_bytes(); };
  while (memory_ > 0 && !entries_.empty() && taken() + more() > memory_) entries_.pop_back();
  OBSCURA_TRY(base::InputFile keys, base::InputFile::open(file));
  OBSCURA_TRY(server::ClientSession session,
              same ? server::make_session(*same, keys) : server::make_session(plan, keys, {.resources = resources_}));
  entries_.push_front({model, key, server::share(std::move(session))});
  return entries_.front().session;
}

std::uint64_t Sessions::taken() const {
  std::uint64_t bytes = 0;
  std::set<std::string> models;  // whose weights and ciphertexts count once: one batch runs at a time
  for (const Entry& e : entries_) {
    const server::Session& session = e.session->session;
    bytes += models.insert(e.model).second ? session.memory() : session.key_bytes();
  }
  return bytes;
}

void Sessions::forget(const std::string& key) {
  const std::lock_guard lock(mutex_);
  entries_.remove_if([&](const Entry& e) { return e.key == key; });
}

}  // namespace obscura::worker
