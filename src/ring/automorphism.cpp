// SPDX-License-Identifier: Apache-2.0
#include "ring/automorphism.h"

#include <bit>

#include "base/check.h"
#include "kernels/integers.h"
#include "kernels/kernels.h"

namespace obscura::ring {

namespace {

using kernels::reverse_bits;

/// Bit-reversed index and position: the blocks of 64 are transposed, which undoes itself.
std::size_t transpose_block(std::size_t x) { return (x & ~std::size_t{63}) | (x & 7) << 3 | (x >> 3 & 7); }

}  // namespace

std::vector<std::uint32_t> automorphism(std::size_t degree, std::uint64_t element) {
  OBSCURA_CHECK(element % 2 == 1, "automorphism X -> X^{}, odd powers are allowed", element);
  const auto bits = static_cast<unsigned>(std::countr_zero(degree));
  std::vector<std::uint32_t> index(degree);
  for (std::size_t position = 0; position < degree; ++position) {
    // The value at psi^e, e = 2 reverse + 1, becomes the one that stood at psi^(e element).
    const std::uint64_t exponent = 2 * reverse_bits(transpose_block(position), bits) + 1;
    const std::uint64_t source = exponent * element % (2 * degree);
    index[position] = static_cast<std::uint32_t>(transpose_block(reverse_bits((source - 1) / 2, bits)));
  }
  return index;
}

NttPoly permute(const NttPoly& poly, const std::vector<std::uint32_t>& index) {
  OBSCURA_CHECK(index.size() == poly.degree(), "permutation of {} values for {}", index.size(), poly.degree());
  NttPoly out(poly.degree(), poly.limbs());
  for (std::size_t i = 0; i < poly.limbs(); ++i) {
    kernels::active().permute(out.limb(i), poly.limb(i), index.data(), poly.degree());
  }
  return out;
}

}  // namespace obscura::ring
