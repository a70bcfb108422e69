// SPDX-License-Identifier: Apache-2.0
#include "compile/front/polynomial.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace obscura::compile {
namespace {

template <class Function>
Elements zip(const Elements& a, const Elements& b, Function f) {
  OBSCURA_CHECK(a.size() == b.size() || a.size() == 1 || b.size() == 1, "elements: {} meet {}", a.size(), b.size());
  Elements out(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = f(element(a, i), element(b, i));
  return out;
}

}  // namespace

bool is_zero(const Elements& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return v == 0; });
}
bool has_zero(const Elements& values) {
  return std::any_of(values.begin(), values.end(), [](double v) { return v == 0; });
}
double largest(const Elements& values) {
  double most = 0;
  for (const double v : values) most = std::max(most, std::abs(v));
  return most;
}

Elements add(const Elements& a, const Elements& b) {
  return zip(a, b, [](double x, double y) { return x + y; });
}
Elements subtract(const Elements& a, const Elements& b) {
  return zip(a, b, [](double x, double y) { return x - y; });
}
Elements multiply(const Elements& a, const Elements& b) {
  return zip(a, b, [](double x, double y) { return x * y; });
}
Elements divide(const Elements& a, const Elements& b) {
  OBSCURA_CHECK(!has_zero(b), "divide by zero");
  return zip(a, b, [](double x, double y) { return x / y; });
}

std::size_t degree(const Coefficients& p) {
  std::size_t d = p.size() - 1;
  while (d > 0 && is_zero(p[d])) --d;
  return d;
}

void trim(Coefficients& p) { p.resize(degree(p) + 1); }

Coefficients add(const Coefficients& a, const Coefficients& b) {
  Coefficients out = a.size() >= b.size() ? a : b;
  const Coefficients& rest = a.size() >= b.size() ? b : a;
  for (std::size_t k = 0; k < rest.size(); ++k) out[k] = add(out[k], rest[k]);
  trim(out);
  return out;
}

Coefficients multiply(const Coefficients& a, const Coefficients& b) {
  Coefficients out(a.size() + b.size() - 1, Elements{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < b.size(); ++j) out[i + j] = add(out[i + j], multiply(a[i], b[j]));
  }
  trim(out);
  return out;
}

Coefficients substitute(const Coefficients& p, const Elements& k, const Elements& m) {
  Coefficients out{p.back()};
  for (std::size_t d = p.size() - 1; d > 0; --d) out = add(multiply(out, Coefficients{m, k}), Coefficients{p[d - 1]});
  return out;
}

std::optional<SharedPolynomial> shared_polynomial(const Coefficients& p) {
  constexpr double kRounding = 0x1p-40;
  const std::size_t d = degree(p);
  const auto same = [](const Elements& values) {
    return std::all_of(values.begin(), values.end(), [&](double v) { return v == values[0]; });
  };
  SharedPolynomial out;
  if (std::all_of(p.begin(), p.end(), same)) {
    for (std::size_t k = 0; k <= d; ++k) out.polynomial.push_back({p[k][0]});
    return out;
  }
  // Of the element whose leading coefficient is largest, so that factors are at most 1.
  std::size_t first = 0;
  for (std::size_t i = 0; i < p[d].size(); ++i) first = std::abs(p[d][i]) > std::abs(p[d][first]) ? i : first;
  const double leading = p[d][first];
  out.polynomial.push_back({0});
  for (std::size_t k = 1; k <= d; ++k) out.polynomial.push_back({element(p[k], first)});
  out.factor = divide(p[d], {leading});
  out.shift = p[0];
  for (std::size_t k = 1; k < d; ++k) {
    const double own = out.polynomial[k][0];
    const Elements expected = multiply(out.factor, {own});
    const Elements difference = subtract(p[k], expected);
    if (largest(difference) > kRounding * largest(p[k])) return std::nullopt;
  }
  return out;
}

double evaluate(const Coefficients& p, std::size_t index, double x) {
  double y = 0;
  for (std::size_t d = p.size(); d > 0; --d) y = y * x + element(p[d - 1], index);
  return y;
}

}  // namespace obscura::compile
