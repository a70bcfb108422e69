// SPDX-License-Identifier: Apache-2.0
#include "ckks/cosine.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"

namespace obscura::ckks {

namespace {

using Vector = std::vector<long double>;

long double dot(const Vector& a, const Vector& b) {
  long double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// x that minimises |sum_k x_k columns[k] - target|: Gram-Schmidt, twice, since the columns are nearly dependent.
Vector least_squares(std::vector<Vector> columns, const Vector& target) {
  const std::size_t n = columns.size();
  std::vector<Vector> r(n, Vector(n));
  for (std::size_t j = 0; j < n; ++j) {
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t i = 0; i < j; ++i) {
        const long double c = dot(columns[i], columns[j]);
        r[i][j] += c;
        for (std::size_t k = 0; k < target.size(); ++k) columns[j][k] -= c * columns[i][k];
      }
    }
    r[j][j] = std::sqrt(dot(columns[j], columns[j]));
    for (long double& x : columns[j]) x /= r[j][j];
  }
  Vector x(n);
  for (std::size_t j = n; j-- > 0;) {
    x[j] = dot(columns[j], target);
    for (std::size_t k = j + 1; k < n; ++k) x[j] -= r[j][k] * x[k];
    x[j] /= r[j][j];
  }
  return x;
}

}  // namespace

double cosine_half_width(int range) { return range + 0.3125; }

std::vector<double> fit_cosine(const CosineRequest& request) {
  OBSCURA_CHECK(request.degree % 2 == 0 && request.reach < 1.0 / 32, "cosine of degree {} within {}", request.degree,
                request.reach);
  constexpr long double kLeastWeight = 0x1p-12;
  const long double variance = (request.weight + 1) / 12.0L, half = cosine_half_width(request.range);
  std::vector<Vector> columns(static_cast<std::size_t>(request.degree) / 2 + 1);
  Vector target;
  for (int i = -request.range; i <= request.range; ++i) {
    const long double root =
        std::sqrt(std::max(std::exp(-static_cast<long double>(i) * i / 2 / variance), kLeastWeight));
    for (const double offset : {-1.0, -0.5, 0.0, 0.5, 1.0}) {
      const long double x = i - 0.25L + offset * request.reach;
      const long double theta = std::acos(x / half);
      for (std::size_t k = 0; k < columns.size(); ++k) {
        columns[k].push_back(root * std::cos(2 * static_cast<long double>(k) * theta));
      }
      target.push_back(root * std::cos(std::ldexp(2 * std::numbers::pi_v<long double> * x, -request.double_angles)));
    }
  }
  const Vector even = least_squares(std::move(columns), target);
  std::vector<double> c(static_cast<std::size_t>(request.degree) + 1);
  for (std::size_t k = 0; k < even.size(); ++k) c[2 * k] = static_cast<double>(even[k]);
  return c;
}

}  // namespace obscura::ckks
