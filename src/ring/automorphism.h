// SPDX-License-Identifier: Apache-2.0
/// X -> X^k on polynomials in NTT form: a permutation of values.
#pragma once

#include <cstdint>
#include <vector>

#include "ring/basis.h"

namespace obscura::ring {

/// The permutations of one degree and ring, in the order of kernels/kernels.h.
class Automorphisms {
 public:
  explicit Automorphisms(std::size_t degree, RingType ring = RingType::standard);

  /// index[j] = where the value that X -> X^element moves to position j stands; element is odd, and in the
  /// conjugate-invariant ring, where X^element and its inverse are one, 1 mod 4.
  /// cost    two look-ups a value; all cores
  std::vector<std::uint32_t> permutation(std::uint64_t element) const;

 private:
  std::size_t step_;                      ///< between exponents: root order / N
  std::vector<std::uint32_t> exponents_;  ///< position j holds the value at psi^exponents_[j]
  std::vector<std::uint32_t> positions_;  ///< the value at psi^(step e + 1) stands at positions_[e]
};

/// All limbs permuted, on the resources of the basis.
NttPoly permute(const Basis& basis, const NttPoly& poly, const std::vector<std::uint32_t>& index);

}  // namespace obscura::ring
