// SPDX-License-Identifier: Apache-2.0
#include "ring/automorphism.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/integers.h"
#include "kernels/kernels.h"

namespace obscura::ring {

namespace {

using kernels::reverse_bits;

/// Bit-reversed index and position: the blocks of 64 are transposed, which undoes itself.
std::size_t transpose_block(std::size_t x) { return (x & ~std::size_t{63}) | (x & 7) << 3 | (x >> 3 & 7); }

}  // namespace

Automorphisms::Automorphisms(std::size_t degree, RingType ring)
    : step_(root_order(ring, degree) / degree), exponents_(degree), positions_(degree) {
  const auto bits = static_cast<unsigned>(std::countr_zero(degree));
  for (std::size_t position = 0; position < degree; ++position) {
    const std::size_t half = reverse_bits(transpose_block(position), bits);
    exponents_[position] = static_cast<std::uint32_t>(step_ * half + 1);
    positions_[half] = static_cast<std::uint32_t>(position);
  }
}

std::vector<std::uint32_t> Automorphisms::permutation(std::uint64_t element) const {
  OBSCURA_CHECK(element % step_ == 1, "automorphism X -> X^{}, powers that are 1 mod {} are allowed", element, step_);
  const std::size_t degree = exponents_.size();
  constexpr std::size_t kBlock = 4096;
  const int shift = std::countr_zero(step_);
  std::vector<std::uint32_t> index(degree);
  base::parallel_for((degree + kBlock - 1) / kBlock, [&](std::size_t block) {
    for (std::size_t j = block * kBlock; j < std::min(degree, (block + 1) * kBlock); ++j) {
      // The value at psi^e becomes the one that stood at psi^(e element).
      index[j] = positions_[(exponents_[j] * element & (step_ * degree - 1)) >> shift];
    }
  });
  return index;
}

NttPoly permute(const Basis& basis, const NttPoly& poly, const std::vector<std::uint32_t>& index) {
  OBSCURA_CHECK(index.size() == poly.degree(), "permutation of {} values for {}", index.size(), poly.degree());
  NttPoly out(basis.resources(), poly.degree(), poly.limbs());
  base::parallel_for(poly.limbs(), [&](std::size_t i) {
    basis.kernels().permute(out.limb(i), poly.limb(i), index.data(), poly.degree());
  });
  return out;
}

}  // namespace obscura::ring
