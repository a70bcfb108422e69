// SPDX-License-Identifier: Apache-2.0
/// Circuits of networks that need more levels than a secure modulus holds, in the image layout: with bootstrapping.
#pragma once

#include "compile/search/candidate.h"

namespace obscura::compile {

/// A circuit for a choice, with its transforms split.
struct Lowered {
  std::shared_ptr<const Circuit> circuit;
  Splits splits;
  std::shared_ptr<const ckks::Bootstrapper> bootstrapper = {};
  std::optional<Memory> memory = {};  ///< once something is precise enough: it hardly depends on primes and scales
  bool fits = true;
};

/// Whether one set of parameters leaves the levels that each activation takes, told before anything is laid out: after
/// an activation of more levels than a bootstrapping gives none can follow.
/// errors  infeasible, naming the activation
Result<void> check_activation_levels(const MonicNetwork& network, const ckks::BootstrapParams& set);

/// The circuit with bootstraps placed for one set of parameters, with the bootstrapper on these resources. Sets what
/// follows from the circuit in `choice`, which is bootstrapped_choice of the set.
/// errors  infeasible: as check_activation_levels and place_bootstraps; as lower
Result<Lowered> lower_bootstrapped(const Setting& setting, const ckks::BootstrapParams& set, Choice& choice,
                                   const std::shared_ptr<ckks::Resources>& resources);

/// One set of parameters, whatever error it leads to.
/// errors  infeasible: as lower_bootstrapped, or a value that does not fit its modulus
Result<Candidate> with_bootstrapping(const Setting& setting, const ckks::BootstrapParams& set, std::uint32_t images,
                                     const std::shared_ptr<ckks::Resources>& resources = ckks::Resources::make());

}  // namespace obscura::compile
