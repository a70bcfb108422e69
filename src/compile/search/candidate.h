// SPDX-License-Identifier: Apache-2.0
/// One choice of parameters with everything that is predicted of it, and which are the best so far.
#pragma once

#include <algorithm>
#include <cmath>

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
  Memory memory = {};
};

/// What was chosen, and compared with what.
struct Selection {
  Candidate best;
  std::optional<Candidate> runner_up = {};  ///< batch layout: the next that differs in N, limbs or digits
  std::size_t considered = 0;
  std::vector<std::string> compared = {};  ///< numbers of images at once and what each takes, human-readable
};

/// Times within this factor of each other count as equal: the cost model is no better.
inline constexpr double kTie = 1.01;

/// The least of the times that numbers of images at once take, one after the other, and when that is found.
class Descent {
 public:
  bool is_least(double nanoseconds) {
    slower_ = nanoseconds < least_ ? 0 : slower_ + 1;
    least_ = std::min(least_, nanoseconds);
    return slower_ == 0;
  }
  /// After so many in a row that are no faster: the time has more than one minimum, since what fits memory, and how
  /// full ciphertexts are, change at other numbers.
  bool over() const { return slower_ >= kSlowerInARow; }

 private:
  static constexpr int kSlowerInARow = 2;
  double least_ = HUGE_VAL;
  int slower_ = 0;
};

/// Whether two choices are alike but for sizes of primes, drops, scales and weight bits.
bool same_family(const Choice& a, const Choice& b);

/// The best of the candidates so far: the most precise of those within 1 % of the least time, whatever their order.
/// Times are those of all runs of a batch.
class Found {
 public:
  bool any() const { return !kept_.empty(); }
  /// What takes more cannot become the best.
  double most_nanoseconds() const { return kTie * fastest_; }
  const Candidate& best() const;
  /// The first of another family than the best's, the most precise of that time, or none.
  const Candidate* runner_up() const;
  /// Of a candidate that is precise and fits.
  void offer(Candidate candidate, double nanoseconds);
  Selection take(std::size_t considered);

 private:
  struct Timed {
    Candidate candidate;
    double nanoseconds = 0;
  };
  void note_family(const Candidate& candidate, double nanoseconds);

  std::vector<Timed> kept_;    ///< within 1 %, none of them slower and less precise than another
  std::vector<Timed> firsts_;  ///< of two families
  double fastest_ = HUGE_VAL;
};

}  // namespace obscura::compile
