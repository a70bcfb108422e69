// SPDX-License-Identifier: Apache-2.0
#include "wire/residues.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace obscura::wire {

namespace {

// Bytes that a store or load of 8 may touch beyond the residue's own.
constexpr std::size_t kSlack = 8;

std::size_t limb_bytes(std::size_t n, std::uint64_t prime) {
  OBSCURA_CHECK(n % 8 == 0 && prime < (std::uint64_t{1} << 57), "residues of {} in a limb of {}", prime, n);
  return n / 8 * static_cast<std::size_t>(std::bit_width(prime));
}

/// Where the 8 residues of a group lie among its `bits` bytes. With at most 57 bits, a residue and the up to 7 bits
/// before it in its first byte fit into one word.
struct Layout {
  explicit Layout(std::uint64_t prime) : bits(static_cast<std::size_t>(std::bit_width(prime))) {
    for (std::size_t i = 0; i < 8; ++i) {
      byte[i] = i * bits / 8;
      shift[i] = static_cast<unsigned>(i * bits % 8);
      // Bits of residue i that are written before the first byte of residue i + 1.
      done[i] = static_cast<unsigned>((i + 1) * bits / 8 * 8 - i * bits);
    }
  }
  std::size_t bits;
  std::array<std::size_t, 8> byte{};
  std::array<unsigned, 8> shift{};
  std::array<unsigned, 8> done{};
};

/// `out` has kSlack bytes more than the residues need: each store overlaps the place of the next.
void pack_limb(const Layout& layout, std::span<const std::uint64_t> residues, std::byte* out) {
  for (std::size_t k = 0; k < residues.size(); k += 8, out += layout.bits) {
    std::uint64_t before = 0;  // what the residue before left for the first byte of this one
    for (std::size_t i = 0; i < 8; ++i) {
      const std::uint64_t x = residues[k + i];
      const std::uint64_t word = before | (x << layout.shift[i]);
      std::memcpy(out + layout.byte[i], &word, sizeof word);
      before = x >> layout.done[i];
    }
  }
}

/// `in` has kSlack readable bytes after the residues.
void unpack_groups(const Layout& layout, const std::byte* in, std::span<std::uint64_t> residues) {
  const std::uint64_t mask = (std::uint64_t{1} << layout.bits) - 1;
  for (std::size_t k = 0; k < residues.size(); k += 8, in += layout.bits) {
    for (std::size_t i = 0; i < 8; ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, in + layout.byte[i], sizeof word);
      residues[k + i] = (word >> layout.shift[i]) & mask;
    }
  }
}

}  // namespace

std::size_t packed_bytes(const ring::Basis& basis, std::size_t first, std::size_t last) {
  std::size_t bytes = 0;
  for (std::size_t j = first; j < last; ++j) bytes += limb_bytes(basis.degree(), basis.prime(j));
  return bytes;
}

std::size_t packed_bytes(const ring::Basis& basis, std::size_t limbs) { return packed_bytes(basis, 0, limbs); }

void pack(const ring::Basis& basis, const ring::NttPoly& poly, base::Writer& writer) {
  OBSCURA_CHECK(poly.degree() == basis.degree() && poly.limbs() <= basis.size(), "pack: {} limbs of degree {}",
                poly.limbs(), poly.degree());
  std::vector<std::uint64_t> residues(basis.degree());
  base::Bytes bytes(basis.degree() * 8 + kSlack);
  for (std::size_t j = 0; j < poly.limbs(); ++j) {
    if (poly.limb(j) == nullptr) continue;
    basis.export_limb(poly.residues(j), j, residues);
    pack_limb(Layout(basis.prime(j)), residues, bytes.data());
    writer.raw(std::span(bytes).first(limb_bytes(basis.degree(), basis.prime(j))));
  }
}

Result<void> unpack_limb(const ring::Basis& basis, std::size_t j, base::Reader& reader, ring::NttPoly& poly) {
  const std::size_t n = basis.degree();
  const Layout layout(basis.prime(j));
  const std::size_t size = limb_bytes(n, basis.prime(j));
  OBSCURA_CHECK(j < basis.size() && reader.remaining() >= size, "unpack: limb {} from {} bytes", j, reader.remaining());
  std::vector<std::uint64_t> residues(n);
  const base::ByteView bytes = reader.raw(size);
  // The last group from a copy, so that no load passes the end of what was read.
  const std::size_t last = bytes.size() - layout.bits;
  unpack_groups(layout, bytes.data(), std::span(residues).first(n - 8));
  std::array<std::byte, 57 + kSlack> end{};
  std::copy_n(bytes.data() + last, layout.bits, end.data());
  unpack_groups(layout, end.data(), std::span(residues).last(8));
  poly.take(j);
  if (!basis.import_limb(residues, j, poly.residues(j))) {
    return error(Code::bad_format, "a residue of limb {} is not below its prime {}", j, basis.prime(j));
  }
  return {};
}

Result<ring::NttPoly> unpack(const ring::Basis& basis, std::size_t limbs, base::Reader& reader) {
  OBSCURA_CHECK(limbs <= basis.size() && reader.remaining() >= packed_bytes(basis, limbs),
                "unpack: {} limbs from {} bytes", limbs, reader.remaining());
  ring::NttPoly poly = ring::NttPoly::absent(basis.resources(), basis.degree(), limbs);
  for (std::size_t j = 0; j < limbs; ++j) OBSCURA_TRY_VOID(unpack_limb(basis, j, reader, poly));
  return poly;
}

}  // namespace obscura::wire
