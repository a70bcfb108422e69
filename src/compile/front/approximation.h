// SPDX-License-Identifier: Apache-2.0
/// What is computed in place of an activation that is no polynomial. Arrow: cli (from calibrate) -> compile ->
/// plan::Polynomial.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "plan/plan.h"

namespace obscura::compile {

/// y = shift + the sum of its terms, or with times_input x times that, for |x| <= bound.
struct Approximation {
  /// Of u = x - at: p(u), p = the stages, first applied first; or with relu u (1 + p(u)) / 2, where p is near the sign.
  struct Term {
    std::vector<plan::Polynomial::Stage> stages;
    bool relu = false;
    double at = 0;
  };
  std::vector<Term> terms;
  double shift = 0;
  bool times_input = false;
  double bound = 1;
};
/// By index in nn::Graph::nodes.
using Approximations = std::map<std::size_t, Approximation>;

/// p(x) = sum_k coefficients[k] x^k itself, in the Chebyshev basis on [-bound, bound]: with x = bound t,
/// t^k = 2^(1 - k) sum_j binomial(k, j) T_(k - 2j)(t), half of that where k = 2j.
Approximation exact_form(const std::vector<double>& coefficients, double bound);

struct Slope {
  double value = 0;
  double derivative = 0;
};
Slope evaluate(const Approximation& approximation, double x);
/// Without times_input: shift and terms alone.
Slope evaluate_sum(const Approximation& approximation, double x);

/// The same numbers for all of x, several side by side.
void evaluate_sum(const Approximation& approximation, std::span<const double> x, std::span<double> values,
                  std::span<double> derivatives);

/// The largest value in size that a term has where all terms hold.
double largest(const Approximation& approximation, const Approximation::Term& term);

/// Levels from its input to its output: of each stage ceil(log2(degree + 1)), and one for the product of a ReLU; of an
/// approximation the most of a term, and one more with times_input.
std::size_t levels(const Approximation::Term& term);
std::size_t levels(const Approximation& approximation);

/// The same function between slots: y = after * out(x / bound), with out at most 1 in size where x / bound is.
struct SlotApproximation {
  Approximation out;
  double after = 1;
};
SlotApproximation in_slots(const Approximation& approximation);

/// errors  wrong_params, naming `node`: no terms or stages, numbers that are not finite, an empty interval or bound;
///         unsupported: a degree that ckks/polyeval.h does not take.
Result<void> check(const Approximation& approximation, const std::string& node);

}  // namespace obscura::compile
