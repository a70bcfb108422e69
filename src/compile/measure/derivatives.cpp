// SPDX-License-Identifier: Apache-2.0
/// The derivatives of activations, of statistics.h.
#include <algorithm>

#include "compile/measure/statistics.h"

namespace obscura::compile {
namespace {

/// With `leading`.
Derivatives plain_derivatives(const MonicActivation& activation, std::size_t i, double x) {
  const double leading = element(activation.leading, i), p = element(activation.p, i);
  const double a = leading * x + p, b = element(activation.q, i) * x + element(activation.r, i);
  const double u = x * x, v = a * x, slope = 2 * leading * x + p;  // of v by x
  const bool squares = is_square(activation);
  Derivatives at;
  at.x = x;
  at.square = 2 * x;
  at.shifted = slope;
  at.inner = u;
  at.outer = 2 * x * v + u * slope;
  at.result = 2 * x * v + u * slope + element(activation.q, i) * x + b;
  at.alone = squares ? 4 * u * x + b : u * a + 2 * x * v + b;
  at.of_u = squares ? 2 * u : v;
  at.of_a = u * x;
  return at;
}

}  // namespace

Derivatives derivatives(const MonicActivation& activation, std::size_t i, double x) {
  if (!activation.leading.empty()) return plain_derivatives(activation, i, x);
  Derivatives at;
  at.x = x;
  if (activation.approximation) {
    at.square = evaluate_sum(*activation.approximation, x).derivative;
    at.inner = x;
    at.result = evaluate(*activation.approximation, x).derivative;
    return at;
  }
  const double slope = 2 * x + element(activation.p, i);
  at.square = 2 * x;
  at.shifted = slope;
  if (activation.squares == 1) return at;
  const double v = x * x + element(activation.p, i) * x + element(activation.q, i);
  at.inner = 2 * v;
  at.outer = 2 * v * slope;
  at.result = 2 * v * slope + element(activation.r, i);
  return at;
}

bool is_compound(const MonicActivation& activation) {
  return activation.approximation ? activation.approximation->times_input : activation.squares == 2;
}

bool is_square(const MonicActivation& activation) {
  const Elements& leading = activation.leading;
  return is_zero(activation.p) && std::all_of(leading.begin(), leading.end(), [](double v) { return v == 1; });
}

}  // namespace obscura::compile
