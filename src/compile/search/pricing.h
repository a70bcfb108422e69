// SPDX-License-Identifier: Apache-2.0
/// What choices take before they are scheduled: no scales, and diagonals kept as far as there is memory for all.
#pragma once

#include <map>
#include <tuple>

#include "compile/layout/batch.h"
#include "compile/schedule/splits.h"
#include "compile/search/choices.h"

namespace obscura::compile {

class Pricing {
 public:
  /// needs   both outlive it
  Pricing(const MonicNetwork& network, const CostModel& cost) : network_(network), cost_(cost), batch_(network, cost) {}

  /// Of a choice in the batch layout.
  Circuit batch_circuit(const Choice& choice) { return batch_.circuit(choice); }
  /// Nanoseconds of one run of a circuit.
  double of(const Choice& choice, const Circuit& circuit, const Splits& splits);
  /// Of a choice in the batch layout. Of sizes of primes only what NTTs take with them matters: the others are not
  /// looked at again.
  double of_batch(const Choice& choice);

 private:
  /// What a polynomial takes, level by level. Its steps depend on the sizes of primes next to nothing: they are planned
  /// once, on numbers of a prime's size.
  std::vector<ckks::PolynomialLevelCost> work_of(const Operation& operation, std::uint32_t limbs);

  const MonicNetwork& network_;
  const CostModel& cost_;
  BatchLowering batch_;
  std::map<const Approximation::Term*, std::vector<ckks::PolynomialLevelCost>> planned_;
  std::map<std::tuple<ckks::RingType, int, std::uint32_t, std::vector<std::uint32_t>, int, bool>, double> of_batch_;
};

/// Less takes no choice of the batch layout, whatever its precision: nanoseconds for the request; infinite where there
/// is none.
double least_nanoseconds(const MonicNetwork& network, const CostModel& cost, const Request& request);

/// Whether a secure modulus holds an approximated network's levels, before anything is measured: the batch layout does
/// not bootstrap.
/// errors: infeasible, with what bootstrapping would take at least.
Result<void> check_levels(const MonicNetwork& network, const CostModel& cost, const Request& request);

}  // namespace obscura::compile
