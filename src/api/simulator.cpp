// SPDX-License-Identifier: Apache-2.0
#include "api/simulator.h"

#include <memory>
#include <utility>

#include "base/normalise.h"
#include "server/server.h"

namespace obscura::api {

Result<Simulator> Simulator::make(plan::Plan plan, std::uint64_t memory, bool noise) {
  OBSCURA_TRY(server::Allotment allotment, server::allot(plan, memory));
  std::shared_ptr<const ckks::Bootstrapper> bootstrapper;  // predicts noise
  if (noise) {
    OBSCURA_TRY(bootstrapper, plan::make_bootstrapper(plan.bootstrap));
  }
  auto program = std::make_shared<const run::Program>(
      run::Program{std::move(plan), std::move(allotment.schedule), std::move(bootstrapper)});
  return Simulator(run::ClearModel(std::move(program)), allotment.bytes);
}

Result<std::vector<float>> Simulator::run(std::span<const float> images, std::optional<std::uint64_t> noise_seed,
                                          const base::Progress& progress) const {
  const plan::InputSpec& in = input();
  const std::vector<float> values = base::normalise(images, in.normaliser());
  return run::run_clear(model_, values, values.size() / in.elements(), noise_seed, progress);
}

}  // namespace obscura::api
