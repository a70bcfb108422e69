// SPDX-License-Identifier: Apache-2.0
/// What operations on one ciphertext, or one map, are predicted to cost.
#pragma once

#include <cstdint>
#include <span>

#include "ckks/bootstrap_params.h"
#include "ckks/polyeval.h"

namespace obscura::compile {

/// Nanoseconds on one core of a current CPU with AVX-512; docs/PERFORMANCE.md has the measurements behind them. Only
/// ratios decide between plans, so one set of constants keeps plans the same on every machine: these are AVX-512's, and
/// a machine with AMX, whose linear maps take a half to a fourth of the time, gets the same plans (predict.h says what
/// they take there).
struct CostModel {
  double butterfly_ns = 0.10;           ///< of an NTT: N/2 log2 N of them a limb
  double product_ns = 0.12;             ///< one modular product, or one product and sum of key switching
  double diagonal_ns = 0.25;            ///< one product with a diagonal: both come from beyond the cache
  double conversion_ns = 0.20;          ///< base conversion, a source limb to a target limb, one coefficient
  double fft_ns = 1.05;                 ///< of encoding: n log2 n of them for n slots
  double draw_ns = 1.5;                 ///< one residue of a key's uniform half
  double macs_per_ns = 15;              ///< integer matrix product, weight times residue
  double digit_products_per_ns = 1610;  ///< by digits, one of a weight with one of a residue; seconds_here alone
  double pack_ns = 1.0;                 ///< one residue into its digits, for a block of outputs that reads it; likewise
  double bytes_per_ns = 8;              ///< memory that elementwise steps stream through
  double large_prime_factor = 1.06;     ///< NTTs with primes above 48 bits reduce more often
  double bootstrap_ns = 0.84e9;       ///< one ciphertext at N = 2^16 (docs/PERFORMANCE.md), without linear transforms,
  double coeff_to_slot_ns = 22.5e6;   ///< which take this for each diagonal at the top of the chain
  double slot_to_coeff_ns = 2.328e6;  ///< and this at its end
  int threads = 1;                    ///< cores that share the work evenly

  double ntt(int log2_degree, int prime_bits) const;
  /// Squaring one ciphertext of `limbs` limbs.
  double square(int log2_degree, std::uint32_t limbs) const;
  /// One term of a combination, on `parts` polynomials.
  double combine(int log2_degree, std::uint32_t limbs, std::uint32_t parts) const;
  /// Key switching of one ciphertext with digits and special primes of `digit_limbs`, dropping `rescale` limbs on the
  /// way.
  double relinearize(int log2_degree, int prime_bits, std::uint32_t limbs, std::uint32_t digit_limbs,
                     std::uint32_t rescale) const;
  /// A polynomial's work, level by level (ckks::PolynomialPlan::cost), on one ciphertext.
  double polynomial(int log2_degree, int prime_bits, std::span<const ckks::PolynomialLevelCost> levels,
                    std::uint32_t digit_limbs) const;
  /// Bootstrapping one ciphertext: fewer slots take fewer diagonals.
  double bootstrap(const ckks::BootstrapLiteral& set) const;
  /// A whole linear map.
  double linear(int log2_degree, std::uint32_t limbs, std::uint32_t parts, std::uint64_t multiplications,
                std::uint64_t inputs, std::uint64_t outputs) const;
};

}  // namespace obscura::compile
