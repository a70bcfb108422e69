// SPDX-License-Identifier: Apache-2.0
/// What the search decides: parameters and what circuits make of them.
#pragma once

#include <algorithm>
#include <numeric>
#include <optional>

#include "ckks/params.h"
#include "compile/measure/quantize.h"
#include "plan/plan.h"

namespace obscura::compile {

struct Choice {
  std::uint32_t images = 0;  ///< that share ciphertexts (image layout); 0: one in each slot (batch layout)
  bool interleaved = true;   ///< or one after the other (plan::ImageSlots)
  int log2_degree = 0;
  ckks::RingType ring = ckks::RingType::standard;
  int digit_limbs = 1;
  int final_bits = 0;  ///< of the primes that stay to the end
  int drop_bits = 0;   ///< of the primes that are dropped
  std::uint32_t final_limbs = 1;
  /// Limbs dropped after each square on the longest path, in order; the last is 0 (batch layout; of approximated
  /// networks each is 1). All of them as one number (image layout).
  std::vector<std::uint32_t> drops = {};
  WeightBits weight_bits = {};  ///< of integer matrices between ciphertexts
  double log2_scale = 0;        ///< of the largest value that a transform reads
  std::optional<plan::BootstrapSpec> bootstrap = {};
  double bootstrap_error = 0;        ///< of a slot, standard deviation
  double bootstrap_nanoseconds = 0;  ///< of one ciphertext

  std::uint32_t limbs() const { return std::accumulate(drops.begin(), drops.end(), final_limbs); }
  int largest_bits() const { return std::max(final_bits, drop_bits); }
};

}  // namespace obscura::compile
