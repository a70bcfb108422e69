// SPDX-License-Identifier: Apache-2.0
/// Polynomials with a coefficient per element: vectors, of one number where it is that of all elements.
#pragma once

#include <optional>
#include <span>
#include <vector>

namespace obscura::compile {

/// One number for all elements, or one for each.
using Elements = std::vector<double>;

/// coefficients[k] belongs to x^k. Never empty.
using Coefficients = std::vector<Elements>;

inline double element(std::span<const double> values, std::size_t index) {
  return values.size() == 1 ? values[0] : values[index];
}
bool is_zero(const Elements& values);
bool has_zero(const Elements& values);
/// The largest in size.
double largest(const Elements& values);

Elements add(const Elements& a, const Elements& b);
Elements subtract(const Elements& a, const Elements& b);
Elements multiply(const Elements& a, const Elements& b);
/// b must have no zero.
Elements divide(const Elements& a, const Elements& b);

/// Degree after leading coefficients that are 0 in every element are removed.
std::size_t degree(const Coefficients& p);
void trim(Coefficients& p);

Coefficients add(const Coefficients& a, const Coefficients& b);
Coefficients multiply(const Coefficients& a, const Coefficients& b);
/// p(k x + m).
Coefficients substitute(const Coefficients& p, const Elements& k, const Elements& m);
/// factor * polynomial(x) + shift with one number for all elements in each coefficient of `polynomial`.
struct SharedPolynomial {
  Coefficients polynomial;
  Elements factor{1};
  Elements shift{0};
};
/// Nothing where the coefficients of two elements are no multiples of each other, but for rounding.
std::optional<SharedPolynomial> shared_polynomial(const Coefficients& p);
/// p(x) of element `index`.
double evaluate(const Coefficients& p, std::size_t index, double x);

}  // namespace obscura::compile
