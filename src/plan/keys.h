// SPDX-License-Identifier: Apache-2.0
/// From what a plan or an offer says to keys. Arrow: client, wire and server -> ckks/key_needs.h.
#pragma once

#include <memory>

#include "ckks/key_needs.h"
#include "plan/plan.h"

namespace obscura::plan {

/// Encoded diagonals that each factor of bootstrapping keeps: all of them at the demonstrated sets.
inline constexpr std::size_t kBootstrapFactorBytes = std::size_t{1} << 30;

/// The one bootstrapper of a plan, with contexts on these resources; nothing where it has none.
/// cost    a second at N = 2^16
/// errors  as ckks::BootstrapParams::make and ckks::Bootstrapper::make
Result<std::shared_ptr<const ckks::Bootstrapper>> make_bootstrapper(
    const std::optional<BootstrapSpec>& spec,
    const std::shared_ptr<ckks::Resources>& resources = ckks::Resources::make());

/// The bootstrapper's context, or one of these parameters on these resources.
/// errors  as ckks::Params::make
Result<std::shared_ptr<const ckks::Context>> make_context(
    const ckks::ParamsLiteral& params, const std::shared_ptr<const ckks::Bootstrapper>& bootstrapper,
    std::shared_ptr<ckks::Resources> resources = ckks::Resources::make());

/// Every key: those that the plan requests, and those of its bootstrapper.
ckks::KeyNeeds key_needs(const ckks::Context& context, const KeyRequest& request,
                         std::shared_ptr<const ckks::Bootstrapper> bootstrapper);

/// Keys that are requested, both halves, without those of a bootstrapper.
std::uint64_t key_bytes(const ckks::ParamsLiteral& params, const KeyRequest& request);

/// Every key that a server holds, both halves, those of the plan's bootstrapper included.
std::uint64_t server_key_bytes(const Plan& plan, const std::shared_ptr<const ckks::Bootstrapper>& bootstrapper);

}  // namespace obscura::plan
