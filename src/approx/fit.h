// SPDX-License-Identifier: Apache-2.0
/// One polynomial for one function on one interval.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "approx/function.h"
#include "approx/polynomial.h"

namespace obscura::approx {

enum class Method {
  minimax,        ///< least maximum error: Remez
  chebyshev,      ///< through f at the zeros of T_{degree+1}: within a factor 2 + (2/pi) log(degree + 1) of minimax
  least_squares,  ///< least mean square of the error over the range
};

/// How often inputs fell into each of counts.size() equal parts of [low, high].
struct Histogram {
  double low = -1;
  double high = 1;
  std::vector<std::uint64_t> counts;
};

inline constexpr std::size_t kMaxBins = 65536;

/// The direct form of a polynomial of at most this degree for f on [low, high]. Coefficients that are 0 but for
/// rounding are 0, and the degree is less than asked where the highest ones are (a sigmoid of degree 4 on a symmetric
/// range is one of degree 3). The certificate's error is that of the coefficients as they are, in doubles.
/// cost    ~10 ms at degree 31, at worst 1 s at degree 127.
/// errors  wrong_params: those of check_domain; a degree outside of 1 to kMaxDegree.
Result<Activation> approximate(const Function& function, Method method, int degree, double low, double high);

/// The same with least mean square over the inputs that a histogram counted (uniform inside of a bin; outside of the
/// histogram nothing weighs). The error of the certificate is the largest on all of [low, high].
/// errors  as above; a histogram that is empty, has more than kMaxBins parts or lies outside of [low, high], or whose
///         inputs fill too little of [low, high] to determine the degree.
Result<Activation> approximate(const Function& function, const Histogram& inputs, int degree, double low, double high);

/// Several of these at the cost of the one of highest degree; `degrees` ascend.
Result<std::vector<Activation>> approximate(const Function& function, const Histogram& inputs,
                                            std::span<const int> degrees, double low, double high);

/// The smallest degree whose error is at most `error`.
/// errors  as above; an error that is not positive; infeasible: beyond kMaxDegree, with the error reached there.
Result<Activation> approximate_within(const Function& function, Method method, double error, double low, double high);

}  // namespace obscura::approx
