// SPDX-License-Identifier: Apache-2.0
/// The values that an activation reads, for lower.cpp: what a junction gives, and what is secondary to it.
#pragma once

#include "compile/layout/circuit.h"
#include "compile/layout/prepared_map.h"

namespace obscura::compile {

/// Of what the branches of a junction give together, x: (scale x + shift) / factor.
struct JunctionOutput {
  Elements scale{1}, shift{0};
  double factor = 1;
  std::optional<Operation::Secondary> secondary;  ///< of the operations that compute it
};

/// x over a factor, and where the junction's activation has `leading` (lower.h) also what is not x itself or 0
/// of: a over the factor; b over its third power, or with q = 0 over its fourth.
/// Where the elements fill more than `positions`, zeros of a scale become 2^-21 of the largest: a ciphertext of zeros
/// alone would have no diagonal. That is no more than rounding the largest weight to its 22 bits does.
std::vector<JunctionOutput> outputs_of(const MonicNetwork& network, const Points& points, std::size_t junction,
                                       double factor, std::uint32_t positions);

/// The first map of a branch between slots, of a source that is divided by `factor_in`. It adds what was taken away
/// from the activation before: the constant would only enlarge what the rounding of diagonals is multiplied with.
LinearMap first_map(const MonicNetwork& network, const Branch& branch, double factor_in);

/// The maps of a branch, for an output of what its junction gives; the first branch adds the shift.
/// errors: as prepare_map
Result<PreparedMap> map_of(Segment maps, const std::optional<WindowSum>& sum, const JunctionOutput& output, bool first);

}  // namespace obscura::compile
