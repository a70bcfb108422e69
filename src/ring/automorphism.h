// SPDX-License-Identifier: Apache-2.0
/// X -> X^k on polynomials in NTT form: a permutation of values.
#pragma once

#include <cstdint>
#include <vector>

#include "ring/poly.h"

namespace obscura::ring {

/// index[j] = where the value that X -> X^element moves to position j stands, in the order of kernels/kernels.h.
/// element is odd.
std::vector<std::uint32_t> automorphism(std::size_t degree, std::uint64_t element);

/// All limbs permuted.
NttPoly permute(const NttPoly& poly, const std::vector<std::uint32_t>& index);

}  // namespace obscura::ring
