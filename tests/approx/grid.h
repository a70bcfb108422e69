// SPDX-License-Identifier: Apache-2.0
/// Errors measured in a way that knows nothing of how a polynomial was found: its sum of cosines on a grid.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "approx/polynomial.h"

namespace obscura::approx {

/// sum_k c_k cos(k arccos t), in extended precision: the definition, where the library has a recurrence. |t| <= 1, or
/// beyond by no more than rounding.
inline long double by_cosines(const Polynomial& p, long double x) {
  const long double t = std::clamp((2 * x - p.low - p.high) / (static_cast<long double>(p.high) - p.low), -1.0L, 1.0L);
  const long double angle = std::acos(t);
  long double sum = 0;
  for (std::size_t k = 0; k < p.coefficients.size(); ++k) {
    if (p.coefficients[k] != 0) sum += p.coefficients[k] * std::cos(static_cast<long double>(k) * angle);
  }
  return sum;
}

inline double by_cosines(const Composite& composite, double x) {
  long double y = x;
  for (const Polynomial& stage : composite.stages) y = by_cosines(stage, y);
  return static_cast<double>(y);
}

inline double by_cosines(const Activation& activation, double x) {
  if (activation.form == Activation::Form::direct) return by_cosines(activation.composite, x);
  return x * (1 + by_cosines(activation.composite, x / activation.bound)) / 2;
}

/// low to high: half of the points equidistant, half from tiny numbers on, on both sides of 0, by equal ratios.
inline std::vector<double> grid(double low, double high, int count) {
  std::vector<double> points;
  for (int i = 0; i <= count / 2; ++i) points.push_back(low + (high - low) * i / (count / 2));
  for (int i = 0; i < count / 4; ++i) {
    const double share = std::exp2(-30.0 * i / (count / 4));
    if (high > 0 && high * share >= low) points.push_back(high * share);
    if (low < 0 && low * share <= high) points.push_back(low * share);
  }
  return points;
}

template <class F, class G>
double largest_difference(const F& f, const G& g, const std::vector<double>& points) {
  double largest = 0;
  for (const double x : points) largest = std::max(largest, std::abs(f(x) - g(x)));
  return largest;
}

}  // namespace obscura::approx
