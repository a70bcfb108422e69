// SPDX-License-Identifier: Apache-2.0
/// Max-pooling from a ReLU: max(a, b) = b + ReLU(a - b), in a tree.
#pragma once

#include <span>

#include "approx/sign.h"

namespace obscura::approx {

inline constexpr int kMaxWindow = 16;

/// The maximum of a window of rows x columns: the maxima of its rows first, pairwise, then of these. A number without
/// a partner waits for the next level.
struct MaxPool {
  int rows = 2;
  int columns = 2;
  int levels = 2;           ///< ceil(log2 columns) + ceil(log2 rows) maxima, one after the other
  int maxima = 3;           ///< rows columns - 1 of them for one window (windows that overlap share those of rows)
  Activation relu;          ///< of the differences; its bound leaves room for the errors of earlier levels
  Certificate certificate;  ///< of the maximum of numbers from an interval [low, high]; levels times the ReLU's depth
};

/// For inputs that lie in [low, high]. With eta the ReLU's error on [-1, 1], numbers on level l are off by l bound eta
/// at most, so differences stay within bound = (high - low) / (1 - 2 (levels - 1) eta), and the maximum is within
/// levels bound eta.
/// errors  wrong_params: as relu(); a window outside of 1 x 2 to kMaxWindow x kMaxWindow; an empty range; infeasible:
///         eta so large that differences have no bound.
Result<MaxPool> max_pool(const SignChoice& choice, double low, double high, int rows, int columns);
Result<MaxPool> max_pool(int alpha, double low, double high, int rows, int columns);

/// b + y(a - b)
double maximum(const Activation& relu, double a, double b);

/// The tree over one window, row by row.
double evaluate(const MaxPool& pool, std::span<const double> window);

}  // namespace obscura::approx
