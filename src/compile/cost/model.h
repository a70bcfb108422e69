// SPDX-License-Identifier: Apache-2.0
/// What operations on one ciphertext, or one map, are predicted to cost.
#pragma once

#include <cstdint>
#include <span>

#include "ckks/polyeval.h"

namespace obscura::compile {

/// Of primes, where none are chosen yet.
inline constexpr int kNominalBits = 40;

/// Nanoseconds on one core of one machine, an Intel Xeon with AVX-512 and AMX at 3 GHz; docs/PERFORMANCE.md has the
/// measurements behind them ("The cost model"). Only ratios decide between plans, so one set of constants keeps plans
/// the same on every machine: these are AVX-512's, and a machine with AMX, whose linear maps take a half to a fourth of
/// the time, gets the same plans (predict.h says what they take there).
struct CostModel {
  double butterfly_ns = 0.20;           ///< of an NTT: N/2 log2 N of them a limb
  double product_ns = 0.35;             ///< one modular product, or one product and sum of key switching
  double key_ns = 0.8;                  ///< the same with a rotation's key, which comes from memory
  double diagonal_ns = 0.45;            ///< one product with a diagonal; rotations come from beyond the cache
  double permute_ns = 1.0;              ///< one residue to another place of its limb
  double conversion_ns = 0.62;          ///< base conversion, a source limb to a target limb, one coefficient
  double fft_ns = 1.3;                  ///< of encoding: n log2 n of them for n slots
  double macs_per_ns = 15;              ///< integer matrix product, weight times residue
  double digit_products_per_ns = 1610;  ///< by digits, one of a weight with one of a residue; seconds_here alone
  double pack_ns = 1.0;                 ///< one residue into its digits, for a block of outputs that reads it; likewise
  double bytes_per_ns = 5.3;            ///< memory that linear maps gather their inputs from
  double stream_bytes_per_ns = 17;      ///< memory that elementwise steps stream through
  double large_prime_factor = 1.10;     ///< NTTs with primes above 48 bits reduce more often
  double invariant_factor = 1.12;       ///< NTTs of the conjugate-invariant ring fold first (of)
  double near_factor = 0.8;             ///< products and conversions where a key switch stays in cache (near)
  int threads = 1;                      ///< cores that share the work evenly

  /// In this ring.
  CostModel of(ckks::RingType ring) const;
  /// near_factor up to N = 2^13, else 1.
  double near(int log2_degree) const;
  double ntt(int log2_degree, int prime_bits) const;
  /// Squaring one ciphertext of `limbs` limbs.
  double square(int log2_degree, std::uint32_t limbs) const;
  /// One term of a combination, on `parts` polynomials.
  double combine(int log2_degree, std::uint32_t limbs, std::uint32_t parts) const;
  /// Division of one ciphertext by `drop` primes.
  double rescale(int log2_degree, int prime_bits, std::uint32_t limbs, std::uint32_t drop) const;
  /// Key switching of one ciphertext with digits and special primes of `digit_limbs`, dropping `rescale` limbs on the
  /// way.
  double relinearize(int log2_degree, int prime_bits, std::uint32_t limbs, std::uint32_t digit_limbs,
                     std::uint32_t rescale) const;
  /// Rotating one ciphertext.
  double rotate(int log2_degree, int prime_bits, std::uint32_t limbs, std::uint32_t digit_limbs) const;
  /// A polynomial's work, level by level (ckks::PolynomialPlan::cost), on one ciphertext.
  double polynomial(int log2_degree, int prime_bits, std::span<const ckks::PolynomialLevelCost> levels,
                    std::uint32_t digit_limbs) const;
  /// A whole linear map.
  double linear(int log2_degree, std::uint32_t limbs, std::uint32_t parts, std::uint64_t multiplications,
                std::uint64_t inputs, std::uint64_t outputs) const;
};

}  // namespace obscura::compile
