// SPDX-License-Identifier: Apache-2.0
/// Polynomials as bytes: each residue in the bits that its prime has, limb after limb. A limb is one stream of bits,
/// the lowest first: residue k of a prime of b bits has bits k b .. k b + b - 1, and bit t is bit t mod 8 of byte t
/// / 8. Degrees are multiples of 8, so a limb is whole bytes.
#pragma once

#include "base/bytes.h"
#include "ring/basis.h"
#include "ring/poly.h"

namespace obscura::wire {

/// Bytes of a polynomial over the first `limbs` primes of the basis.
std::size_t packed_bytes(const ring::Basis& basis, std::size_t limbs);
/// Of a polynomial over primes [first, last).
std::size_t packed_bytes(const ring::Basis& basis, std::size_t first, std::size_t last);

/// Limb j belongs to prime j; absent limbs are left out. cost: one pass
void pack(const ring::Basis& basis, const ring::NttPoly& poly, base::Writer& writer);

/// Takes packed_bytes() from the reader, which must hold them.
/// errors  bad_format: a residue that is not below its prime, naming the limb
Result<ring::NttPoly> unpack(const ring::Basis& basis, std::size_t limbs, base::Reader& reader);
/// Into limb j of a polynomial that lacks it. Errors as unpack.
Result<void> unpack_limb(const ring::Basis& basis, std::size_t j, base::Reader& reader, ring::NttPoly& poly);

}  // namespace obscura::wire
