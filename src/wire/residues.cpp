// SPDX-License-Identifier: Apache-2.0
#include "wire/residues.h"

#include <bit>
#include <cstring>

namespace obscura::wire {

namespace {
std::size_t width(std::uint64_t prime) { return (static_cast<std::size_t>(std::bit_width(prime)) + 7) / 8; }
}  // namespace

std::size_t packed_bytes(const ring::Basis& basis, std::size_t limbs) {
  std::size_t bytes = 0;
  for (std::size_t j = 0; j < limbs; ++j) bytes += width(basis.prime(j)) * basis.degree();
  return bytes;
}

void pack(const ring::Basis& basis, const ring::NttPoly& poly, base::Writer& writer) {
  OBSCURA_CHECK(poly.degree() == basis.degree() && poly.limbs() <= basis.size(), "pack: {} limbs of degree {}",
                poly.limbs(), poly.degree());
  const std::size_t n = basis.degree();
  std::vector<std::uint64_t> residues(n);
  base::Bytes bytes(n * 8);
  for (std::size_t j = 0; j < poly.limbs(); ++j) {
    basis.export_limb(poly.residues(j), j, residues);
    const std::size_t w = width(basis.prime(j));
    // Each store of 8 bytes is partly overwritten by the next; the last ones stay within n * 8.
    for (std::size_t i = 0; i < n; ++i) std::memcpy(bytes.data() + i * w, &residues[i], 8);
    writer.raw(std::span(bytes).first(n * w));
  }
}

Result<ring::NttPoly> unpack(const ring::Basis& basis, std::size_t limbs, base::Reader& reader) {
  OBSCURA_CHECK(limbs <= basis.size() && reader.remaining() >= packed_bytes(basis, limbs),
                "unpack: {} limbs from {} bytes", limbs, reader.remaining());
  const std::size_t n = basis.degree();
  ring::NttPoly poly(n, limbs);
  std::vector<std::uint64_t> residues(n);
  for (std::size_t j = 0; j < limbs; ++j) {
    const std::size_t w = width(basis.prime(j));
    const base::ByteView bytes = reader.raw(n * w);
    for (std::size_t i = 0; i < n; ++i) {
      residues[i] = 0;
      std::memcpy(&residues[i], bytes.data() + i * w, w);
    }
    if (!basis.import_limb(residues, j, poly.residues(j))) {
      return error(Code::bad_format, "a residue of limb {} is not below its prime {}", j, basis.prime(j));
    }
  }
  return poly;
}

}  // namespace obscura::wire
