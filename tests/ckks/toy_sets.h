// SPDX-License-Identifier: Apache-2.0
/// The sets of bootstrapping of full size, on small rings.
#pragma once

#include <utility>
#include <vector>

#include "ckks/bootstrap_params.h"

namespace obscura::ckks {

inline BootstrapLiteral toy(int log2_degree, int log2_slots, std::vector<int> slot_to_coeff,
                            std::vector<int> coeff_to_slot) {
  BootstrapLiteral literal;
  literal.log2_degree = log2_degree;
  literal.log2_slots = log2_slots;
  literal.slot_to_coeff = std::move(slot_to_coeff);
  literal.coeff_to_slot = std::move(coeff_to_slot);
  literal.levels = 4;  // enough to come back to SlotToCoeff
  literal.special_bits = 50;
  return literal;
}

inline BootstrapLiteral small_toy() { return toy(10, 9, {3, 3, 3}, {3, 3, 3}); }
inline BootstrapLiteral full_toy() { return toy(12, 11, {4, 4, 3}, {3, 4, 4}); }
inline BootstrapLiteral sparse_toy() { return toy(12, 8, {4, 4}, {4, 4}); }

}  // namespace obscura::ckks
