// SPDX-License-Identifier: Apache-2.0
/// One choice of parameters, judged.
#pragma once

#include <map>

#include "compile/schedule.h"

namespace obscura::compile {

/// Weights rounded to some number of bits, and what that does to the network.
struct WeightOption {
  int bits = 0;
  WeightScales scales;
  std::vector<double> rounding;  ///< mean squared error at each point
  bool all_exact = false;        ///< nothing was rounded: other numbers of bits give the same
};

/// What judging needs besides the choice.
struct Setting {
  const MonicNetwork* network = nullptr;
  const Statistics* statistics = nullptr;
  std::vector<WeightOption> weights;  ///< ascending bits
  CostModel cost;
  int headroom_bits = 0;  ///< between the largest logit seen and the modulus
  double max_input = 1;   ///< largest |pixel| after normalisation
};

/// A schedule with everything predicted.
struct Candidate {
  Choice choice;
  ckks::ParamsLiteral literal;
  Schedule schedule;
  const WeightOption* weights = nullptr;
  double logit_error = 0;
};

/// Primes for a choice: the special ones, which must be no smaller than those of a digit, are the largest.
/// errors: infeasible where there are not enough primes of the size.
Result<ckks::ParamsLiteral> make_literal(const Choice& choice);

/// The choice with the weight bits that give the least error (choice.weight_bits is set); nothing where scales
/// leave no room: a value that does not fit its modulus, or drowns in noise.
std::optional<Candidate> judge(const Setting& setting, Choice choice, const ckks::Params& params);

}  // namespace obscura::compile
