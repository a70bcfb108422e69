// SPDX-License-Identifier: Apache-2.0
/// What the sign's construction and its search share: the error inside of epsilon, and the epsilon where errors
/// balance.
#pragma once

#include <algorithm>
#include <cmath>
#include <queue>

namespace obscura::approx {

/// An upper bound of max x (1 - p(x)) / 2 over 0 <= x <= epsilon, tight to `accuracy` of itself, for p that rises
/// there from p(0) = 0: on [u, v] it is at most v (1 - p(u)) / 2, and intervals are halved where that is largest.
template <class Function>
double inner_error(const Function& p, double epsilon, double accuracy = 1e-6) {
  struct Cell {
    double left, right, value;  ///< value: p(left)
    double bound() const { return right * (1 - value) / 2; }
    bool operator<(const Cell& other) const { return bound() < other.bound(); }
  };
  std::priority_queue<Cell> cells;
  constexpr int kCells = 32;
  double attained = 0;
  const auto sample = [&](double x) {
    const double y = p(x);
    attained = std::max(attained, x * (1 - y) / 2);
    return y;
  };
  for (int i = 0; i < kCells; ++i)
    cells.push({epsilon * i / kCells, epsilon * (i + 1) / kCells, sample(epsilon * i / kCells)});
  while (cells.top().bound() > attained * (1 + accuracy)) {
    const Cell cell = cells.top();
    const double middle = (cell.left + cell.right) / 2;
    if (!(cell.left < middle && middle < cell.right)) break;
    cells.pop();
    cells.push({cell.left, middle, cell.value});
    cells.push({middle, cell.right, sample(middle)});
  }
  return cells.top().bound();
}

/// A lower bound of inner_error over epsilon, for compositions of two and more stages where it equals half the sign's
/// error 2^-bits after epsilon. Measured: it is within 1.5 % a function of the bits alone, 0.110 at 5 bits, 0.072 at
/// 10, 0.060 at 14. It bounds what a sequence of degrees can give before its polynomials are looked at; a test holds
/// compositions to it.
inline double least_inner_share(double bits) {
  const double b = std::clamp(bits, 5.0, 20.0);
  return 1 / (1.025 * (2.884 + 1.3593 * b - 0.02633 * b * b));
}

/// The x in [left, right] where the rising function f is 0, to `accuracy`, by the Illinois method; the end nearest to
/// it where there is none.
template <class Function>
double balance(const Function& f, double left, double right, double accuracy) {
  double at_left = f(left);
  double at_right = f(right);
  if (at_left >= 0) return left;
  if (at_right <= 0) return right;
  int side = 0;
  while (right - left > accuracy) {
    double x = (left * at_right - right * at_left) / (at_right - at_left);
    if (!(x > left && x < right)) x = (left + right) / 2;
    const double y = f(x);
    if (std::abs(y) < accuracy) return x;
    if (y < 0) {
      left = x, at_left = y;
      if (side == -1) at_right /= 2;
      side = -1;
    } else {
      right = x, at_right = y;
      if (side == 1) at_left /= 2;
      side = 1;
    }
  }
  return (left + right) / 2;
}

}  // namespace obscura::approx
