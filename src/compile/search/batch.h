// SPDX-License-Identifier: Apache-2.0
/// The cheapest parameters in the batch layout that reach the precision.
#pragma once

#include "compile/search/candidate.h"

namespace obscura::compile {

struct Request {
  std::uint32_t batch = 0;
  std::optional<int> log2_degree;
  std::optional<ckks::RingType> ring = {};  ///< else both
};

/// Nanoseconds for `batch` images: whole ciphertexts.
double batch_nanoseconds(const Candidate& candidate, std::uint32_t batch);

/// Less takes no choice that search_batch considers, whatever its precision; infinite where there is none.
double least_nanoseconds(const MonicNetwork& network, const CostModel& cost, const Request& request);

/// Whether a secure modulus holds an approximated network's levels, before anything is measured: this layout does not
/// bootstrap.
/// errors: infeasible, with what bootstrapping would take at least.
Result<void> check_levels(const MonicNetwork& network, const CostModel& cost, const Request& request);

/// Tries both rings, every degree, final limbs, limbs dropped after each square, digits, sizes of primes and weight
/// bits, in the order of predicted time; stops when the precision (setting.max_error) is reached. Among equally fast
/// ones the most precise wins.
/// errors: infeasible, naming the most precise candidate that was found.
Result<Selection> search_batch(const Setting& setting, const Request& request);

}  // namespace obscura::compile
