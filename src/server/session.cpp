// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "ckks/evaluator.h"
#include "run/ckks_backend.h"
#include "server/server.h"

namespace obscura::server {

Session::Session(std::shared_ptr<const ckks::Context> context, run::EncodedModel model, ckks::EvalKeys keys,
                 std::uint64_t memory, std::size_t kept)
    : context_(std::move(context)),
      model_(std::make_shared<const run::EncodedModel>(std::move(model))),
      keys_(std::make_shared<const ckks::EvalKeys>(std::move(keys))),
      transforms_(std::make_shared<const run::EncodedTransforms>(context_, *model_, kept)),
      memory_(memory) {}

Result<Allotment> allot(const plan::Plan& plan, std::uint64_t memory) {
  plan::Schedule schedule = plan::make_schedule(plan);
  const std::uint64_t beside = plan.predicted_bytes - std::min(plan.predicted_bytes, schedule.peak_bytes);
  const auto with = [&](plan::Schedule&& chosen) {
    const std::uint64_t bytes = chosen.peak_bytes + beside;
    return Allotment{std::move(chosen), bytes};
  };
  if (memory == 0 || schedule.peak_bytes + beside <= memory) return with(std::move(schedule));
  auto smaller = plan::make_schedule_within(plan, memory - std::min(memory, beside));
  if (smaller) return with(std::move(smaller).value());
  return error(
      Code::infeasible, "{:.2f} GB of memory are too little for plan {}: after {:.2f} GB of keys and weights, {}",
      static_cast<double>(memory) / 1e9, plan.name, static_cast<double>(beside) / 1e9, smaller.error().message);
}

Result<Session> Session::make(wire::NamedPlan plan, ckks::EvalKeys keys, std::uint64_t memory, std::size_t kept) {
  OBSCURA_TRY(const auto bootstrapper, plan::make_bootstrapper(plan.plan.bootstrap));
  OBSCURA_TRY(const auto context, plan::make_context(plan.plan.params, bootstrapper));
  const ckks::KeyNeeds needs = plan::key_needs(*context, plan.plan.keys, bootstrapper);
  return make(std::move(plan), context, needs, std::move(keys), memory, kept);
}

Result<Session> Session::make(wire::NamedPlan plan, std::shared_ptr<const ckks::Context> context,
                              const ckks::KeyNeeds& needs, ckks::EvalKeys keys, std::uint64_t memory,
                              std::size_t kept) {
  if (const auto checked = ckks::check_keys(*context, needs, keys); !checked) {
    return error(checked.error().code, "plan {}: {}", plan.plan.name, checked.error().message);
  }
  OBSCURA_TRY(Allotment allotment, allot(plan.plan, memory));
  run::EncodedModel model(std::move(plan.plan), std::move(allotment.schedule), needs.bootstrapper);
  return Session(std::move(context), std::move(model), std::move(keys), allotment.bytes, kept);
}

Result<std::vector<ckks::Ciphertext>> Session::run_batch(std::vector<ckks::Ciphertext> inputs,
                                                         const base::Progress& progress, run::Trace* trace,
                                                         run::Saving<ckks::Ciphertext> saving) const {
  const run::CkksBackend backend(*context_, *keys_, *transforms_);
  return run::execute(*model_, backend, std::move(inputs), progress, trace, std::move(saving));
}

Result<std::vector<ckks::Ciphertext>> Session::run_batch(std::vector<ckks::SeededCiphertext> inputs,
                                                         const base::Progress& progress, run::Trace* trace) const {
  std::vector<ckks::Ciphertext> expanded(inputs.size());
  base::parallel_for(inputs.size(),
                     [&](std::size_t i) { expanded[i] = ckks::expand(*context_, std::move(inputs[i])); });
  return run_batch(std::move(expanded), progress, trace);
}

}  // namespace obscura::server
