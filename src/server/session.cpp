// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "ckks/evaluator.h"
#include "server/server.h"

namespace obscura::server {

Result<Allotment> allot(const plan::Plan& plan, std::uint64_t memory, Batches batches) {
  const std::uint64_t fixed = plan.predicted_bytes - plan.value_bytes - plan.kept_bytes;
  const std::uint64_t planned = batches == Batches::one ? 0 : plan.kept_bytes;
  const std::uint64_t allowed = memory == 0 ? plan.predicted_bytes : memory;
  auto schedule = plan::make_schedule_within(plan, allowed - std::min(allowed, fixed));
  // A plan that says too little of itself is refused only where there is a limit.
  if (!schedule && memory == 0) schedule = plan::make_schedule(plan, 1);
  if (schedule) {
    const std::uint64_t bytes = fixed + schedule->peak_bytes;
    const std::uint64_t kept = std::min(planned, allowed - std::min(allowed, bytes));
    return Allotment{std::move(schedule).value(), bytes + kept, kept};
  }
  const std::string way_out =
      !plan::is_batch(plan) ? "; `obscura compile --memory` looks for a plan that takes less, with other keys" : "";
  return error(Code::infeasible,
               "{:.2f} GB of memory are too little for plan {}: after {:.2f} GB of keys and weights, {}{}",
               static_cast<double>(allowed) / 1e9, plan.name, static_cast<double>(fixed) / 1e9,
               schedule.error().message, way_out);
}

Result<Session> Session::make(wire::NamedPlan plan, ckks::EvalKeys keys, const SessionOptions& options) {
  OBSCURA_TRY(const auto bootstrapper, plan::make_bootstrapper(plan.plan.bootstrap, options.resources));
  OBSCURA_TRY(const auto context, plan::make_context(plan.plan.params, bootstrapper, options.resources));
  const ckks::KeyNeeds needs = plan::key_needs(*context, plan.plan.keys, bootstrapper);
  return make(std::move(plan), context, needs, std::move(keys), options);
}

Result<Session> Session::make(wire::NamedPlan plan, std::shared_ptr<const ckks::Context> context,
                              const ckks::KeyNeeds& needs, ckks::EvalKeys keys, const SessionOptions& options) {
  if (const auto checked = ckks::check_keys(*context, needs, keys); !checked) {
    return error(checked.error().code, "plan {}: {}", plan.plan.name, checked.error().message);
  }
  OBSCURA_TRY(Allotment allotment, allot(plan.plan, options.memory, options.batches));
  const auto program = std::make_shared<const run::Program>(
      run::Program{std::move(plan.plan), std::move(allotment.schedule), needs.bootstrapper, allotment.kept});
  run::EngineParts parts{program, std::move(context), std::make_shared<const ckks::EvalKeys>(std::move(keys))};
  OBSCURA_TRY(auto engine, options.engine(parts));
  return Session(std::move(parts), options.engine, std::move(engine), allotment.bytes);
}

ckks::KeyNeeds Session::key_needs() const {
  return plan::key_needs(*parts_.context, plan().keys, parts_.program->bootstrapper);
}

std::uint64_t Session::key_bytes() const { return ckks::key_bytes(*parts_.context, key_needs()); }

Result<std::shared_ptr<const run::Engine>> Session::engine_for(plan::Plan plan, plan::Schedule schedule) const {
  const run::Program& own = *parts_.program;
  run::EngineParts parts = parts_;
  parts.program = std::make_shared<const run::Program>(
      run::Program{std::move(plan), std::move(schedule), own.bootstrapper, own.kept_bytes});
  return make_engine_(parts);
}

std::uint64_t Session::fixed_bytes() const { return memory_ - schedule().peak_bytes - parts_.program->kept_bytes; }

Result<Session> Session::with(ckks::EvalKeys keys) const {
  if (const auto checked = ckks::check_keys(*parts_.context, key_needs(), keys); !checked) {
    return error(checked.error().code, "plan {}: {}", plan().name, checked.error().message);
  }
  run::EngineParts parts = parts_;
  parts.keys = std::make_shared<const ckks::EvalKeys>(std::move(keys));
  auto engine = engine_->with(parts.keys);
  return Session(std::move(parts), make_engine_, std::move(engine), memory_);
}

Result<std::vector<ckks::Ciphertext>> Session::run_batch(std::vector<ckks::Ciphertext> inputs,
                                                         const base::Progress& progress, run::Trace* trace,
                                                         run::Saving<ckks::Ciphertext> saving) const {
  return engine_->run(std::move(inputs), progress, trace, std::move(saving), {});
}

Result<std::vector<ckks::Ciphertext>> Session::run_batch(std::vector<ckks::SeededCiphertext> inputs,
                                                         const base::Progress& progress, run::Trace* trace) const {
  std::vector<ckks::Ciphertext> expanded(inputs.size());
  base::parallel_for(inputs.size(),
                     [&](std::size_t i) { expanded[i] = ckks::expand(*parts_.context, std::move(inputs[i])); });
  return run_batch(std::move(expanded), progress, trace);
}

}  // namespace obscura::server
