// SPDX-License-Identifier: Apache-2.0
#include "plan/keys.h"

#include <utility>

namespace obscura::plan {

Result<std::shared_ptr<const ckks::Bootstrapper>> make_bootstrapper(const std::optional<BootstrapSpec>& spec,
                                                                    const std::shared_ptr<ckks::Resources>& resources) {
  if (!spec) return std::shared_ptr<const ckks::Bootstrapper>();
  OBSCURA_TRY(const ckks::BootstrapParams params, ckks::BootstrapParams::make(spec->literal));
  return ckks::Bootstrapper::make(params, {spec->input_scale, spec->output_scale, kBootstrapFactorBytes}, resources);
}

Result<std::shared_ptr<const ckks::Context>> make_context(const ckks::ParamsLiteral& params,
                                                          const std::shared_ptr<const ckks::Bootstrapper>& bootstrapper,
                                                          std::shared_ptr<ckks::Resources> resources) {
  if (bootstrapper != nullptr) return bootstrapper->context();
  OBSCURA_TRY(const ckks::Params checked, ckks::Params::make(params));
  return ckks::Context::make(checked, std::move(resources));
}

ckks::KeyNeeds key_needs(const ckks::Context& context, const KeyRequest& request,
                         std::shared_ptr<const ckks::Bootstrapper> bootstrapper) {
  ckks::KeyNeeds needs;
  needs.relinearization = request.relinearization;
  for (const auto& [step, limbs] : request.rotations) needs.add_galois(context.galois_element(step), limbs);
  if (request.conjugation > 0) needs.add_galois(ckks::conjugation_element(context.degree()), request.conjugation);
  if (bootstrapper != nullptr) needs.add_bootstrap(std::move(bootstrapper));
  return needs;
}

std::uint64_t key_bytes(const ckks::ParamsLiteral& params, const KeyRequest& request) {
  std::uint64_t bytes = request.relinearization ? ckks::key_bytes(params, params.chain.size()) : 0;
  for (const auto& [step, limbs] : request.rotations) bytes += ckks::key_bytes(params, limbs);
  if (request.conjugation > 0) bytes += ckks::key_bytes(params, request.conjugation);
  return bytes;
}

std::uint64_t server_key_bytes(const Plan& plan, const std::shared_ptr<const ckks::Bootstrapper>& bootstrapper) {
  if (bootstrapper == nullptr) return key_bytes(plan.params, plan.keys);
  const ckks::Context& context = *bootstrapper->context();
  return ckks::key_bytes(context, key_needs(context, plan.keys, bootstrapper));
}

}  // namespace obscura::plan
