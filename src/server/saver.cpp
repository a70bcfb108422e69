// SPDX-License-Identifier: Apache-2.0
#include "server/saver.h"

#include <algorithm>
#include <utility>

#include "ckks/scale.h"

namespace obscura::server {

namespace {

// A save that takes longer than this makes the next one wait longer in proportion: with 2 s between two, saves stay
// below a twentieth of the time.
constexpr double kCheapSeconds = 0.1;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

std::filesystem::path state_of(const std::filesystem::path& out) { return out.string() + ".state"; }

Saver::Saver(Session session, const std::filesystem::path& out, const wire::Binding& binding,
             const wire::Digest& inputs, double seconds)
    : session_(std::move(session)),
      path_(state_of(out)),
      binding_(binding),
      inputs_(inputs),
      seconds_(seconds),
      points_(plan::save_points(session_.plan(), session_.schedule(), seconds)) {}

Result<void> Saver::check(const wire::StateHeader& header, const plan::Replay& replay) const {
  const plan::Plan& plan = session_.plan();
  bool same = header.live.size() == replay.live().size();
  auto at = header.live.begin();
  for (const plan::Element& element : replay.live()) same = same && (at++)->at == element;
  if (!same) {
    return error(Code::wrong_params,
                 "{}: {} ciphertexts after {} tasks; this run has others there: --memory was not the same",
                 path_.string(), header.live.size(), header.tasks);
  }
  for (const wire::StateHeader::Live& live : header.live) {
    const double expected = plan.value(live.at.value).scale;
    if (!ckks::same_scale(live.scale, expected)) {
      return error(Code::wrong_params, "{}: scale {} of value {}, the plan has {}", path_.string(), live.scale,
                   live.at.value, expected);
    }
  }
  return {};
}

Result<void> Saver::load(std::uint64_t batch) {
  if (!std::filesystem::exists(std::filesystem::symlink_status(path_))) return {};
  OBSCURA_TRY(wire::StateReader reader, wire::StateReader::open(path_));
  const wire::StateHeader& header = reader.header();
  if (header.binding != binding_ || header.inputs != inputs_) {
    return error(Code::wrong_params, "{}: saved with plan {}, key {}, inputs {}; these are plan {}, key {}, inputs {}",
                 path_.string(), wire::short_name(header.binding.plan), wire::short_name(header.binding.key),
                 wire::short_name(header.inputs), wire::short_name(binding_.plan), wire::short_name(binding_.key),
                 wire::short_name(inputs_));
  }
  if (header.batch != batch) return {};
  plan::Replay replay(session_.plan(), session_.schedule());
  while (replay.tasks() < header.tasks && !replay.ended()) replay.take();
  if (header.tasks == 0 || replay.ended()) {
    return error(Code::wrong_params, "{}: {} tasks are done; this run has {}: --memory was not the same",
                 path_.string(), header.tasks, session_.schedule().tasks.size());
  }
  OBSCURA_TRY_VOID(check(header, replay));
  OBSCURA_TRY(loaded_.live, reader.read(*session_.context(), session_.plan()));
  loaded_.tasks = replay.tasks();
  loaded_work_ = replay.work();
  steps_ = replay.steps();
  return {};
}

run::Saving<ckks::Ciphertext> Saver::saving(std::uint64_t batch, std::function<Result<void>()> keep) {
  run::Saving<ckks::Ciphertext> saving = std::exchange(loaded_, {});
  saving.after = points_;
  saving.save = [this, batch, keep = std::move(keep)](std::size_t tasks, auto live) -> Result<void> {
    if (seconds_since(last_) < pause_) return {};
    OBSCURA_TRY_VOID(keep());
    return save(batch, tasks, live);
  };
  last_ = Clock::now();
  pause_ = seconds_;
  return saving;
}

Result<void> Saver::save(std::uint64_t batch, std::size_t tasks,
                         std::span<const std::pair<plan::Element, const ckks::Ciphertext*>> live) {
  const auto start = Clock::now();
  wire::StateHeader header{binding_, inputs_, batch, tasks, {}};
  std::vector<const ckks::Ciphertext*> ciphertexts;
  for (const auto& [at, x] : live) {
    header.live.push_back({at, x->scale});
    ciphertexts.push_back(x);
  }
  OBSCURA_TRY_VOID(wire::write_state_file(path_, *session_.context(), header, ciphertexts));
  const plan::Schedule& schedule = session_.schedule();
  steps_ = schedule.stages[schedule.tasks[tasks - 1].stage].end;
  last_ = Clock::now();
  pause_ = seconds_ * std::max(1.0, seconds_since(start) / kCheapSeconds);
  return {};
}

void Saver::drop() {
  steps_ = 0;
  for (const std::filesystem::path& path : {path_, base::partial_of(path_)}) {
    std::error_code absent;
    std::filesystem::remove(path, absent);
  }
}

}  // namespace obscura::server
