// SPDX-License-Identifier: Apache-2.0
/// Where values are bootstrapped.
#pragma once

#include <functional>

#include "compile/layout/circuit.h"

namespace obscura::compile {

/// Where values are bootstrapped.
struct Placement {
  std::uint32_t input_limbs = 0;
  std::vector<char> after;           ///< by operation
  std::vector<std::uint32_t> limbs;  ///< by operation: what is kept of its bootstrapping's output
  double nanoseconds = 0;
};

/// Of parameters, what placements depend on.
struct PlacementLimits {
  std::uint32_t bootstrap_input = 0;   ///< least limbs of what is bootstrapped
  std::uint32_t bootstrap_output = 0;  ///< limbs after that; what is encrypted has no more
  std::uint32_t output = 2;            ///< least limbs of the logits
};

/// Nanoseconds of operation k on inputs of so many limbs.
using StepCost = std::function<double(std::size_t k, std::uint32_t limbs)>;

/// The cheapest placement: a shortest path whose nodes are an operation and the limbs of all values that later ones
/// read, and whose edges are the next operation with or without a bootstrapping of what it gives (where that is
/// Operation::refreshable), to any number of limbs: fewer make the operations that follow cheaper. A value that several
/// branches read is bootstrapped for all of them; a value in several ciphertexts costs as many.
/// cost    operations * bootstrap_output^(1 + values that are read later, 2 in residual networks)
/// errors  infeasible: an operation takes more levels than one bootstrapping gives, naming it
Result<Placement> place_bootstraps(const Circuit& circuit, const PlacementLimits& limits, const StepCost& cost,
                                   double bootstrap_nanoseconds);

/// The circuit with its bootstrappings as operations.
Circuit with_bootstraps(const Circuit& circuit, const Placement& placement);

}  // namespace obscura::compile
