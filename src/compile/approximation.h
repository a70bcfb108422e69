// SPDX-License-Identifier: Apache-2.0
/// What is computed in place of an activation that is no polynomial. Arrow: cli (from calibrate) -> compile ->
/// plan::Polynomial.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "plan/plan.h"

namespace obscura::compile {

/// relu: y = x (1 + p(x / bound)) / 2, p = the stages on [-1, 1], first applied first; else y = p(x), the first stage
/// on an interval within [-bound, bound].
struct Approximation {
  std::vector<plan::Polynomial::Stage> stages;
  bool relu = false;
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

/// The same numbers for all of x, several side by side.
void evaluate(const Approximation& approximation, std::span<const double> x, std::span<double> values,
              std::span<double> derivatives);

/// Levels from its input to its output: of each stage ceil(log2(degree + 1)), and one for the product of a ReLU.
std::size_t levels(const Approximation& approximation);

/// The same function between slots: y = after * out(x / bound), with out at most 1 in size where x / bound is.
struct SlotApproximation {
  Approximation out;
  double after = 1;
};
SlotApproximation in_slots(const Approximation& approximation);

/// errors  wrong_params, naming `node`: no stages, numbers that are not finite, an empty interval or bound, a degree
///         that ckks/polyeval.h does not take.
Result<void> check(const Approximation& approximation, const std::string& node);

}  // namespace obscura::compile
