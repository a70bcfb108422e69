// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "ckks/evaluator.h"
#include "run/ckks_backend.h"
#include "server/server.h"

namespace obscura::server {

Session::Session(std::shared_ptr<const ckks::Context> context, plan::Plan plan, ckks::EvalKeys keys)
    : context_(std::move(context)),
      model_(std::make_shared<const run::EncodedModel>(std::move(plan))),
      keys_(std::make_shared<const ckks::EvalKeys>(std::move(keys))) {}

Result<Session> Session::make(wire::NamedPlan plan, ckks::EvalKeys keys) {
  OBSCURA_TRY(const ckks::Params params, ckks::Params::make(plan.plan.params));
  if (plan.plan.keys.relinearization && keys.relinearization.empty()) {
    return error(Code::missing_key, "plan {} needs a relinearisation key", plan.plan.name);
  }
  return Session(ckks::Context::make(params), std::move(plan.plan), std::move(keys));
}

Result<std::vector<ckks::Ciphertext>> Session::run_batch(std::vector<ckks::Ciphertext> inputs,
                                                         const base::Progress& progress, run::Trace* trace) const {
  const run::CkksBackend backend(*context_, *keys_);
  return run::execute(*model_, backend, std::move(inputs), progress, trace);
}

Result<std::vector<ckks::Ciphertext>> Session::run_batch(std::vector<ckks::SeededCiphertext> inputs,
                                                         const base::Progress& progress, run::Trace* trace) const {
  std::vector<ckks::Ciphertext> expanded(inputs.size());
  base::parallel_for(inputs.size(),
                     [&](std::size_t i) { expanded[i] = ckks::expand(*context_, std::move(inputs[i])); });
  return run_batch(std::move(expanded), progress, trace);
}

}  // namespace obscura::server
