// SPDX-License-Identifier: Apache-2.0
/// Whole numbers modulo p < 2^63, one at a time: for tables, not for loops over residues.
#pragma once

#include <cstddef>
#include <cstdint>

namespace obscura::kernels {

inline std::uint64_t multiply_mod(std::uint64_t a, std::uint64_t b, std::uint64_t p) {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(a) * b % p);
}

/// a^e mod p
inline std::uint64_t power_mod(std::uint64_t a, std::uint64_t e, std::uint64_t p) {
  std::uint64_t result = 1 % p;
  for (a %= p; e > 0; e >>= 1, a = multiply_mod(a, a, p)) {
    if (e & 1) result = multiply_mod(result, a, p);
  }
  return result;
}

/// x in [0, p) as the residue of least magnitude.
inline double to_reduced(std::uint64_t x, std::uint64_t p) {
  return static_cast<double>(static_cast<std::int64_t>(x) - (x > p / 2 ? static_cast<std::int64_t>(p) : 0));
}

/// The lowest `bits` bits of x in reverse order.
inline std::size_t reverse_bits(std::size_t x, unsigned bits) {
  std::size_t r = 0;
  for (unsigned b = 0; b < bits; ++b) r |= ((x >> b) & 1) << (bits - 1 - b);
  return r;
}

}  // namespace obscura::kernels
