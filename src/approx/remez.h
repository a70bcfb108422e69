// SPDX-License-Identifier: Apache-2.0
/// Best uniform approximations by Remez' exchange: doubles find the reference, 60 decimal digits (MPFR) finish.
#pragma once

#include <vector>

#include "approx/function.h"
#include "approx/polynomial.h"

namespace obscura::approx {

inline constexpr int kMaxDegree = 127;

/// A best approximation; of its coefficients, rounded to doubles, the error is off by at most a few units of 2^-53
/// times the largest value.
struct Minimax {
  Polynomial polynomial;
  double error = 0;               ///< of the exact solution
  std::vector<double> reference;  ///< where it is attained, alternating
};

/// The odd p of this degree that minimises max |p(x) - 1| over low <= x <= high, so that of the sign on both sides. Its
/// polynomial is given on [-high, high], in odd Chebyshev polynomials: on all of it |p| <= 1 + error, so these
/// coefficients are small where monomial ones reach 1e5.
/// needs   0 < low < high, degree odd, 1 to kMaxDegree.
/// cost    ~2 ms at degree 15, ~15 ms at 31.
Minimax minimax_sign(int degree, double low, double high);

/// The odd p that minimises max x |p(x) - 1| / 2 over 0 <= x <= high: the sign whose ReLU is best.
Minimax minimax_relu_sign(int degree, double high);

/// The p of this degree that minimises max |p(x) - f(x)| over [low, high].
/// needs  check_domain(function, low, high), degree 0 to kMaxDegree.
Minimax minimax(const Function& function, int degree, double low, double high);

/// The same in double precision only, for searches: coefficients and error to about 1e-12.
Minimax quick_minimax_relu_sign(int degree, double high);
Minimax quick_minimax_sign(int degree, double low, double high, const std::vector<double>& start = {});
Minimax quick_minimax(const Function& function, int degree, double low, double high);

}  // namespace obscura::approx
