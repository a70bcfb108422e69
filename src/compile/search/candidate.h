// SPDX-License-Identifier: Apache-2.0
/// One choice of parameters with everything that is predicted of it.
#pragma once

#include "ckks/bootstrap.h"
#include "compile/schedule/schedule.h"
#include "compile/search/memory.h"

namespace obscura::compile {

struct Candidate {
  std::shared_ptr<const Circuit> circuit;
  Schedule schedule;
  ckks::ParamsLiteral literal;
  double logit_rounding = 0;  ///< the part of the error that rounded weights of integer matrices make
  std::shared_ptr<const ckks::Bootstrapper> bootstrapper = {};  ///< where the circuit bootstraps
  Memory memory = {};                                           ///< of circuits with transforms
};

/// What was chosen, and compared with what.
struct Selection {
  Candidate best;
  std::optional<Candidate> runner_up = {};  ///< the next that differs in N, limbs or digits
  std::size_t considered = 0;
};

/// Times within this factor of each other count as equal: the cost model is no better.
inline constexpr double kTie = 1.01;

/// What is best of the candidates of the image layout so far, with bootstrapping or without: the cheapest within the
/// setting's error, size of keys and memory, and the most precise of those within 1 % of its time.
class Found {
 public:
  /// `shortfall` says what was precise enough and too large.
  Found(const Setting& setting, Shortfall& shortfall) : setting_(setting), shortfall_(shortfall) {}
  bool precise(const Schedule& schedule);
  bool fits(std::uint64_t keys);
  bool fits(const Memory& memory);
  /// Of a candidate that is precise and fits.
  void offer(Candidate candidate);
  /// What takes more cannot become the best.
  double most_nanoseconds() const { return best_ ? kTie * best_->schedule.total_nanoseconds() : HUGE_VAL; }
  /// The least error of all that were asked about.
  double closest() const { return closest_; }
  bool any() const { return best_.has_value(); }
  Selection take(std::size_t considered) { return {std::move(*best_), {}, considered}; }

 private:
  const Setting& setting_;
  Shortfall& shortfall_;
  std::optional<Candidate> best_;
  double closest_ = HUGE_VAL;
};

/// Primes for a choice: the special ones, which must be no smaller than those of a digit, are the largest.
/// errors: infeasible where there are not enough primes of the size.
Result<ckks::ParamsLiteral> make_literal(const Choice& choice);

/// Of the largest primes that circuits are compared with.
inline constexpr int kLargestBits = 49;
inline constexpr int kMaxDigitLimbs = 4;

/// Sizes of primes, {final, dropped}, within the secure modulus: every size of the dropped ones with what is left for
/// those that stay.
std::vector<std::pair<int, int>> prime_sizes(int log2_degree, std::uint32_t final_limbs, std::uint32_t dropped,
                                             int digit_limbs);

}  // namespace obscura::compile
