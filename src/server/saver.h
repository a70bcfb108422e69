// SPDX-License-Identifier: Apache-2.0
/// Saves the state of the batch that a run is in, and finds it again. Image layout only: a batch is a few images there,
/// a few ciphertexts at any time, and the steps of a deep network take seconds each. In the batch layout a state is
/// gigabytes, and is not worth the time of writing it.
#pragma once

#include <chrono>

#include "server/server.h"
#include "wire/state.h"

namespace obscura::server {

class Saver {
 public:
  /// `seconds`: RunOptions::save_seconds. cost: follows the plan's schedule once
  Saver(Session session, const std::filesystem::path& out, const wire::Binding& binding, const wire::Digest& inputs,
        double seconds);
  /// Takes what an earlier run saved of this batch, where there is something. A state of another batch is left where it
  /// is: that batch was finished after it, or cut off.
  /// errors  wrong_params: of another plan, key, inputs, or order of work; bad_format: damaged; io
  Result<void> load(std::uint64_t batch);
  /// For a run of this batch, which begins now. `keep` is called before each save. Calls to this come from that run.
  run::Saving<ckks::Ciphertext> saving(std::uint64_t batch, std::function<Result<void>()> keep);
  /// Steps of the batch whose results are on disk.
  std::size_t steps() const { return steps_; }
  /// Predicted work (plan::Schedule::work) that load() found done.
  std::uint64_t loaded_work() const { return loaded_work_; }
  /// The batch is finished: what is on disk of it goes.
  void drop();

 private:
  Result<void> check(const wire::StateHeader& header, const plan::Replay& replay) const;
  Result<void> save(std::uint64_t batch, std::size_t tasks,
                    std::span<const std::pair<plan::Element, const ckks::Ciphertext*>> live);
  using Clock = std::chrono::steady_clock;
  Session session_;
  std::filesystem::path path_;
  wire::Binding binding_;
  wire::Digest inputs_;
  double seconds_;
  std::vector<std::size_t> points_;
  run::Saving<ckks::Ciphertext> loaded_;
  std::uint64_t loaded_work_ = 0;
  std::size_t steps_ = 0;
  Clock::time_point last_;  ///< when the batch began or was last saved
  double pause_ = 0;        ///< seconds that the next save waits for after that
};

}  // namespace obscura::server
