// SPDX-License-Identifier: Apache-2.0
#include "approx/fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <optional>

#include "approx/cost.h"
#include "approx/remez.h"

namespace obscura::approx {
namespace {

constexpr double kVanishing = 0x1p-48;  ///< share of the largest coefficient below which one is rounding
constexpr double kDetermined = 1e-9;    ///< share of a column's length that must be its own for it to be determined

/// Positive nodes and weights of Gauss and Legendre's rule of 8 points on [-1, 1].
constexpr std::array<std::pair<double, double>, 4> kGauss = {{{0.1834346424956498, 0.3626837833783620},
                                                              {0.5255324099163290, 0.3137066458778873},
                                                              {0.7966664774136267, 0.2223810344533745},
                                                              {0.9602898564975363, 0.1012285362903763}}};

double sum_of_sizes(const Polynomial& polynomial) {
  return std::accumulate(polynomial.coefficients.begin(), polynomial.coefficients.end(), 0.0,
                         [](double sum, double c) { return sum + std::abs(c); });
}

/// What rounded coefficients and the evaluation in doubles add to an error, at most.
double rounding_of(const Polynomial& polynomial) {
  return 0x1p-52 * static_cast<double>(polynomial.coefficients.size()) * sum_of_sizes(polynomial);
}

/// Sets coefficients that are rounding to 0 and drops them at the end.
void clean(Polynomial& polynomial) {
  const double least = kVanishing * sum_of_sizes(polynomial);
  for (double& c : polynomial.coefficients) c = std::abs(c) <= least ? 0.0 : c;
  while (polynomial.coefficients.size() > 1 && polynomial.coefficients.back() == 0) polynomial.coefficients.pop_back();
}

/// max |p - f| over the interval: samples as dense as the polynomial and the function ask for, then golden sections
/// around the largest ones.
double largest_error(const Function& function, const Polynomial& polynomial) {
  const double low = polynomial.low;
  const double high = polynomial.high;
  std::vector<double> knots = scale_points(function, low, high);
  for (const double kink : kinks(function, low, high)) {
    knots.insert(knots.end(), {std::nextafter(kink, low), std::nextafter(kink, high)});  // both sides of a jump
  }
  const int count = 1024 + 64 * static_cast<int>(polynomial.coefficients.size());
  for (int i = 0; i <= count; ++i) {
    knots.push_back(std::clamp((low + high - (high - low) * std::cos(std::numbers::pi * i / count)) / 2, low, high));
  }
  std::sort(knots.begin(), knots.end());
  std::vector<double> points;
  for (std::size_t i = 0; i + 1 < knots.size(); ++i) {
    for (int j = 0; j < 4; ++j) points.push_back(knots[i] + (knots[i + 1] - knots[i]) * j / 4);
  }
  points.push_back(high);
  const auto error = [&](double x) { return std::abs(evaluate(polynomial, x) - value(function, x)); };
  std::vector<double> errors;
  errors.reserve(points.size());
  for (const double x : points) errors.push_back(error(x));
  const double largest = *std::max_element(errors.begin(), errors.end());
  double refined = largest;
  for (std::size_t i = 1; i + 1 < points.size(); ++i) {
    if (errors[i] < 0.9 * largest || errors[i] < errors[i - 1] || errors[i] < errors[i + 1]) continue;
    double left = points[i - 1];
    double right = points[i + 1];
    for (int round = 0; round < 40; ++round) {
      const double u = left + 0.382 * (right - left);
      const double v = left + 0.618 * (right - left);
      const double at_u = error(u);
      const double at_v = error(v);
      refined = std::max({refined, at_u, at_v});
      (at_u < at_v ? left : right) = at_u < at_v ? u : v;
    }
  }
  return refined;
}

/// A constant beside an odd polynomial, and a linear term beside an even one, cost no product.
Parity parity_of(const Polynomial& polynomial) {
  if (polynomial.low != -polynomial.high) return Parity::none;
  const int parity = polynomial.degree() % 2;
  for (int k = 2; k < polynomial.degree(); ++k) {
    if (k % 2 != parity && polynomial.coefficients[static_cast<std::size_t>(k)] != 0) return Parity::none;
  }
  return parity == 1 ? Parity::odd : Parity::even;
}

Activation certify(const Function& function, Polynomial polynomial, std::optional<double> exact_error) {
  clean(polynomial);
  const double error = (exact_error ? *exact_error : largest_error(function, polynomial)) + rounding_of(polynomial) +
                       0x1p-50 * sum_of_sizes(polynomial);
  const int degree = polynomial.degree();
  Activation out;
  out.certificate = {name(function), polynomial.low,   polynomial.high,
                     error,          depth_of(degree), multiplications_of(degree, parity_of(polynomial))};
  out.composite.certificate = out.certificate;
  out.composite.stages.push_back(std::move(polynomial));
  return out;
}

/// c_k = 2/(n+1) sum_i f(x_i) T_k(t_i) at the zeros t_i of T_{n+1}, halved for k = 0.
Polynomial interpolate(const Function& function, int degree, double low, double high) {
  Polynomial out{low, high, std::vector<double>(static_cast<std::size_t>(degree) + 1, 0.0)};
  const int count = degree + 1;
  for (int i = 0; i < count; ++i) {
    const double angle = std::numbers::pi * (2 * i + 1) / (2 * count);
    const double f = value(function, (low + high + (high - low) * std::cos(angle)) / 2);
    for (int k = 0; k < count; ++k)
      out.coefficients[static_cast<std::size_t>(k)] += 2 * f * std::cos(k * angle) / count;
  }
  out.coefficients[0] /= 2;
  return out;
}

struct Sample {
  double x;
  double weight;
};

void add_panel(double low, double high, double density, std::vector<Sample>& out) {
  for (const auto& [node, weight] : kGauss) {
    for (const double at : {-node, node}) {
      out.push_back({(low + high + (high - low) * at) / 2, density * weight * (high - low) / 2});
    }
  }
}

/// Points and weights that integrate against the histogram, with its parts cut where f has kinks or changes scale.
std::vector<Sample> samples_of(const Function& function, const Histogram& inputs) {
  std::vector<double> cuts = scale_points(function, inputs.low, inputs.high);
  const double width = (inputs.high - inputs.low) / static_cast<double>(inputs.counts.size());
  const std::size_t parts = std::max<std::size_t>(1, 256 / inputs.counts.size());
  std::vector<Sample> out;
  auto cut = cuts.begin();
  for (std::size_t i = 0; i < inputs.counts.size() * parts; ++i) {
    const auto part = static_cast<double>(parts);
    double left = inputs.low + width * static_cast<double>(i) / part;
    const double right = inputs.low + width * static_cast<double>(i + 1) / part;
    const auto density = static_cast<double>(inputs.counts[i / parts]);
    if (density == 0) continue;
    while (cut != cuts.end() && *cut <= left) ++cut;
    for (auto inside = cut; inside != cuts.end() && *inside < right; ++inside) {
      add_panel(left, *inside, density, out);
      left = *inside;
    }
    add_panel(left, right, density, out);
  }
  return out;
}

/// Sums side by side, so that none waits for the one before.
double dot(const std::vector<double>& a, const std::vector<double>& b) {
  constexpr std::size_t kTogether = 16;
  std::array<double, kTogether> sums{};
  std::size_t at = 0;
  for (; at + kTogether <= a.size(); at += kTogether) {
    for (std::size_t i = 0; i < kTogether; ++i) sums[i] += a[at + i] * b[at + i];
  }
  for (std::size_t i = 0; at < a.size(); ++at, ++i) sums[i] += a[at] * b[at];
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

void subtract(std::vector<double>& from, double share, const std::vector<double>& of) {
  for (std::size_t i = 0; i < from.size(); ++i) from[i] -= share * of[i];
}

/// Minimises sum_i weight_i (p(x_i) - f(x_i))^2 by orthogonalising the Chebyshev polynomials over the samples, twice.
/// What is found of the first of them is found for all degrees above.
class LeastSquares {
 public:
  LeastSquares(const Function& function, const std::vector<Sample>& samples, double low, double high)
      : low_(low), high_(high) {
    for (const Sample& sample : samples) {
      const double root = std::sqrt(sample.weight);
      nodes_.push_back((2 * sample.x - low - high) / (high - low));
      current_.push_back(root);
      before_.push_back(root * nodes_.back());
      rest_.push_back(root * value(function, sample.x));
    }
  }

  /// Of a degree no less than the last; nothing where the samples do not determine it.
  std::optional<Polynomial> degree(int degree) {
    while (projections_.size() <= static_cast<std::size_t>(degree)) {
      if (!add_term()) return std::nullopt;
    }
    std::vector<double> out = projections_;
    for (std::size_t k = out.size(); k-- > 0;) {
      for (std::size_t j = k + 1; j < out.size(); ++j) out[k] -= triangle_[j][k] * out[j];
      out[k] /= triangle_[k][k];
    }
    return Polynomial{low_, high_, std::move(out)};
  }

 private:
  bool add_term() {
    std::vector<double> column = current_;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      before_[i] = std::exchange(current_[i], 2 * nodes_[i] * current_[i] - before_[i]);
    }
    std::vector<double> shares(columns_.size() + 1);
    const double length = std::sqrt(dot(column, column));
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t j = 0; j < columns_.size(); ++j) {
        const double share = dot(columns_[j], column);
        shares[j] += share;
        subtract(column, share, columns_[j]);
      }
    }
    const double own = std::sqrt(dot(column, column));
    if (!(own > kDetermined * length)) return false;
    shares.back() = own;
    for (double& entry : column) entry /= own;
    projections_.push_back(dot(column, rest_));
    subtract(rest_, projections_.back(), column);
    triangle_.push_back(std::move(shares));
    columns_.push_back(std::move(column));
    return true;
  }

  double low_, high_;
  std::vector<double> nodes_;             ///< of the samples, on [-1, 1]
  std::vector<double> before_, current_;  ///< weighted Chebyshev polynomials of the next two degrees down
  std::vector<double> rest_;              ///< of f, what the terms so far do not span
  std::vector<std::vector<double>> columns_;
  std::vector<std::vector<double>> triangle_;  ///< of each term, its shares of those before and of its own
  std::vector<double> projections_;
};

Result<void> check(const Function& function, int degree, double low, double high) {
  OBSCURA_TRY_VOID(check_domain(function, low, high));
  if (degree >= 1 && degree <= kMaxDegree) return {};
  return error(Code::wrong_params, "{}: degree {}; it lies between 1 and {}", name(function), degree, kMaxDegree);
}

Result<void> check(const Function& function, const Histogram& inputs, double low, double high) {
  const std::size_t bins = inputs.counts.size();
  if (bins == 0 || bins > kMaxBins) {
    return error(Code::wrong_params, "{}: a histogram of {} parts; 1 to {} are possible", name(function), bins,
                 kMaxBins);
  }
  if (!(inputs.low < inputs.high) || inputs.low < low || inputs.high > high) {
    return error(Code::wrong_params, "{}: the histogram covers [{}, {}], which must lie inside of [{}, {}]",
                 name(function), inputs.low, inputs.high, low, high);
  }
  if (std::all_of(inputs.counts.begin(), inputs.counts.end(), [](std::uint64_t count) { return count == 0; })) {
    return error(Code::wrong_params, "{}: the histogram counted no inputs", name(function));
  }
  return {};
}

}  // namespace

Result<Activation> approximate(const Function& function, Method method, int degree, double low, double high) {
  OBSCURA_TRY_VOID(check(function, degree, low, high));
  switch (method) {
    case Method::minimax: {
      Minimax best = minimax(function, degree, low, high);
      return certify(function, std::move(best.polynomial), best.error);
    }
    case Method::chebyshev:
      return certify(function, interpolate(function, degree, low, high), std::nullopt);
    case Method::least_squares:
      return approximate(function, Histogram{low, high, {1}}, degree, low, high);
  }
  OBSCURA_CHECK(false, "approximate: no such method");
}

Result<std::vector<Activation>> approximate(const Function& function, const Histogram& inputs,
                                            std::span<const int> degrees, double low, double high) {
  for (const int degree : degrees) OBSCURA_TRY_VOID(check(function, degree, low, high));
  OBSCURA_TRY_VOID(check(function, inputs, low, high));
  OBSCURA_CHECK(std::is_sorted(degrees.begin(), degrees.end()), "approximate: the degrees do not ascend");
  LeastSquares fit(function, samples_of(function, inputs), low, high);
  std::vector<Activation> out;
  for (const int degree : degrees) {
    std::optional<Polynomial> best = fit.degree(degree);
    if (!best) {
      return error(Code::wrong_params,
                   "{}: the inputs that the histogram counted do not determine a polynomial of degree {} on [{}, {}]; "
                   "lower the degree or narrow the range",
                   name(function), degree, low, high);
    }
    out.push_back(certify(function, std::move(*best), std::nullopt));
  }
  return out;
}

Result<Activation> approximate(const Function& function, const Histogram& inputs, int degree, double low, double high) {
  OBSCURA_TRY(std::vector<Activation> one, approximate(function, inputs, std::span(&degree, 1), low, high));
  return std::move(one.front());
}

Result<Activation> approximate_within(const Function& function, Method method, double error, double low, double high) {
  OBSCURA_TRY_VOID(check(function, 1, low, high));
  if (!(error > 0) || !std::isfinite(error)) {
    return base::error(Code::wrong_params, "{}: an error of {}; it must be above 0", name(function), error);
  }
  int degree = 1;
  if (method == Method::minimax) {
    // Errors fall with the degree, and doubles tell them to a few parts in 10^9: the first degree that may do.
    int above = kMaxDegree + 1;
    while (degree < above) {
      const int middle = (degree + above) / 2;
      if (quick_minimax(function, middle, low, high).error <= error * (1 + 1e-6)) {
        above = middle;
      } else {
        degree = middle + 1;
      }
    }
    degree = std::min(degree, kMaxDegree);
  }
  for (; degree <= kMaxDegree; ++degree) {
    OBSCURA_TRY(Activation one, approximate(function, method, degree, low, high));
    if (one.certificate.max_error <= error) return one;
    if (degree == kMaxDegree) {
      return base::error(Code::infeasible, "{}: degree {} gives an error of {:.3g} on [{}, {}], not {:.3g}",
                         name(function), kMaxDegree, one.certificate.max_error, low, high, error);
    }
  }
  OBSCURA_CHECK(false, "approximate_within: unreachable");
}

}  // namespace obscura::approx
