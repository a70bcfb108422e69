// SPDX-License-Identifier: Apache-2.0
/// A plan on the plaintext simulator.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "plan/plan.h"
#include "run/clear_backend.h"

namespace obscura::api {

class Simulator {
 public:
  /// `memory`: see server::allot. noise: run() may be given seeds.
  /// errors: those of server::allot; wrong_params: parameters that are refused
  static Result<Simulator> make(plan::Plan plan, std::uint64_t memory, bool noise);
  /// What the plan takes on ciphertexts.
  std::uint64_t memory() const { return memory_; }
  const plan::InputSpec& input() const { return model_.plan().input; }
  /// images x outputs. `images`: whole ones, in units of pixel / 255. With a seed the errors that encryption would make
  /// are added. errors: as run::run_clear
  Result<std::vector<float>> run(std::span<const float> images, std::optional<std::uint64_t> noise_seed,
                                 const base::Progress& progress = {}) const;

 private:
  Simulator(run::ClearModel model, std::uint64_t memory) : model_(std::move(model)), memory_(memory) {}
  run::ClearModel model_;
  std::uint64_t memory_ = 0;
};

}  // namespace obscura::api
