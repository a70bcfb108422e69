// SPDX-License-Identifier: Apache-2.0
/// The formula of each kind of function, once, for any real type.
#pragma once

#include <cmath>

#include "approx/function.h"

namespace obscura::approx {

/// Functions and constants that formulas need of a real type, beside those that <cmath> or its namespace has.
template <class Real>
struct Special;

template <>
struct Special<double> {
  static double erf(double x) { return std::erf(x); }
  static double erfc(double x) { return std::erfc(x); }
  static double expm1(double x) { return std::expm1(x); }
  static double log1p(double x) { return std::log1p(x); }
};

template <class Real>
Real formula_of_softplus(const Real& x) {
  using std::abs, std::exp;
  const Real positive = x > 0 ? x : Real(0);
  return positive + Special<Real>::log1p(exp(-abs(x)));
}

/// x / (1 + e^-t)
template <class Real>
Real formula_of_gate(const Real& x, const Real& t) {
  using std::exp;
  return x / (1 + exp(-t));
}

template <class Real>
Real formula_of_clip(const Real& x, double low, double high) {
  if (x < low) return Real(low);
  return x > high ? Real(high) : x;
}

template <class Real>
Real formula_of_gelu_tanh(const Real& x) {
  using std::acos, std::sqrt;
  // 0.044715 is a decimal fraction: exact here in any precision.
  const Real inner = sqrt(2 / acos(Real(-1))) * (x + x * x * x * 44715 / 1000000);
  return formula_of_gate<Real>(x, 2 * inner);  // (1 + tanh t) / 2 = 1 / (1 + e^(-2t)), without its cancellation
}

/// f(x) in the precision of Real. Written so that nothing cancels and nothing overflows on the way to a finite result.
template <class Real>
Real formula(const Function& f, const Real& x) {
  using std::abs, std::cos, std::exp, std::log, std::pow, std::sin, std::sqrt, std::tanh;
  using Kind = Function::Kind;
  switch (f.kind) {
    case Kind::relu:
      return x > 0 ? x : Real(0);
    case Kind::leaky_relu:
      return x > 0 ? x : Real(f.alpha * x);
    case Kind::clip:
      return formula_of_clip(x, f.low, f.high);
    case Kind::hard_swish:
      return x * formula_of_clip<Real>((x + 3) / 6, 0, 1);
    case Kind::thresholded_relu:
      return x > f.alpha ? x : Real(0);
    case Kind::elu:
      return x > 0 ? x : Real(f.alpha * Special<Real>::expm1(x));
    case Kind::selu:
      return x > 0 ? Real(f.gamma * x) : Real(Real(f.gamma) * f.alpha * Special<Real>::expm1(x));
    case Kind::celu:
      return x > 0 ? x : Real(f.alpha * Special<Real>::expm1(x / f.alpha));
    case Kind::swish:
      return formula_of_gate<Real>(x, f.beta * x);
    case Kind::gelu:
      return x * Special<Real>::erfc(-x / sqrt(Real(2))) / 2;
    case Kind::gelu_tanh:
      return formula_of_gelu_tanh(x);
    case Kind::sigmoid:
      return formula_of_gate<Real>(Real(1), x);
    case Kind::tanh:
      return tanh(x);
    case Kind::softplus:
      return formula_of_softplus(x);
    case Kind::softsign:
      return x / (1 + abs(x));
    case Kind::mish:
      return x * tanh(formula_of_softplus(x));
    case Kind::erf:
      return Special<Real>::erf(x);
    case Kind::exp:
      return exp(x);
    case Kind::log:
      return log(x);
    case Kind::sqrt:
      return sqrt(x);
    case Kind::reciprocal:
      return 1 / x;
    case Kind::abs:
      return abs(x);
    case Kind::sin:
      return sin(x);
    case Kind::cos:
      return cos(x);
    case Kind::power:
      return pow(f.bias + f.scale * x, Real(-f.beta));
  }
  OBSCURA_CHECK(false, "formula: a function of no kind");
}

}  // namespace obscura::approx
