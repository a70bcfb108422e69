// SPDX-License-Identifier: Apache-2.0
/// One choice of parameters, judged.
#pragma once

#include "compile/measure/rounding.h"
#include "compile/schedule/batch_schedule.h"

namespace obscura::compile {

/// What judging needs besides the choice.
struct Setting {
  const MonicNetwork* network = nullptr;
  const Statistics* statistics = nullptr;
  const Gains* gains = nullptr;
  const Rounding* rounding = nullptr;
  CostModel cost;
  int headroom_bits = 0;  ///< between the largest value seen and the modulus, at each step
  double max_input = 1;   ///< largest |pixel| after normalisation
  double max_error = 0;   ///< of a logit
  double spread = 0;      ///< of logits, which the error stands beside
};

/// A schedule with everything predicted.
struct Candidate {
  Choice choice;
  ckks::ParamsLiteral literal;
  Schedule schedule;
  double logit_error = 0;
  double logit_rounding = 0;  ///< the part of it that weight rounding makes
};

/// Primes for a choice: the special ones, which must be no smaller than those of a digit, are the largest.
/// errors: infeasible where there are not enough primes of the size.
Result<ckks::ParamsLiteral> make_literal(const Choice& choice);

/// The choice with the weight bits that give the least error (choice.weight_bits is set); nothing where scales
/// leave no room: a value that does not fit its modulus, or drowns in noise. Where the error is within
/// setting.max_error, the effect of rounding is measured with all maps rounded; else it is estimated map by map.
std::optional<Candidate> judge(const Setting& setting, Choice choice, const ckks::Params& params);

}  // namespace obscura::compile
