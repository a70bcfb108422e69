// SPDX-License-Identifier: Apache-2.0
/// What depends on the number of limbs and digits alone, and is costly: limbs of all values and the split of each
/// transform's diagonals into steps.
#pragma once

#include "compile/layout/choice.h"
#include "compile/schedule/setting.h"

namespace obscura::compile {

struct Splits {
  std::vector<std::uint32_t> limbs;   ///< by value
  std::vector<std::uint32_t> parts;   ///< by value
  std::vector<std::uint32_t> before;  ///< limbs that each operation reads
  std::vector<std::shared_ptr<const ckks::TransformShape>> shapes;
  std::vector<std::vector<ckks::TransformNoise>> noise;  ///< of each transform's outputs
  std::vector<double> nanoseconds;                       ///< of each transform
  plan::KeyRequest keys;                                 ///< Galois keys
};
Splits split(const Circuit& circuit, std::uint32_t input_limbs, int digit_limbs, const CostModel& cost);

/// Times and noise of the transforms, from their shapes.
void price_transforms(const Circuit& circuit, int digit_limbs, const CostModel& cost, Splits& splits);

/// By number of limbs: log2 of the product of as many primes.
std::vector<double> log2_moduli(const ckks::Params& params);

/// One choice of parameters for a circuit.
struct Trial {
  const Setting& setting;
  const Circuit& circuit;
  const Splits& splits;
  const Choice& choice;
  const ckks::Params& params;
  std::vector<double> log2_modulus = log2_moduli(params);

  /// Product of the primes that go when `count` of `limbs` limbs are dropped.
  double dropped(std::uint32_t limbs, std::uint32_t count) const;
};

/// The step of a plan for an operation that is a polynomial.
plan::Polynomial polynomial_of(const Operation& operation, double output_scale);

}  // namespace obscura::compile
