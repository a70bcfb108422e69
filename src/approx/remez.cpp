// SPDX-License-Identifier: Apache-2.0
#include "approx/remez.h"

#include <cmath>
#include <numbers>

#include "approx/big.h"
#include "approx/exchange.h"

namespace obscura::approx {
namespace {

constexpr int kQuickRounds = 60;
constexpr int kFineRounds = 12;
/// Where the weighted odd problem begins: at 0 all of its functions are 0, and its extrema are well away from there.
constexpr double kAlmostZero = 0x1p-20;
constexpr double kNoise = 1e-14;      ///< of doubles, in units of the largest value of the target
constexpr double kFineFloor = 1e-22;  ///< errors below it, in the same units, drown in the doubles of the result

/// Odd polynomials on [low, high]: g = x^power, s affine in x^2; power 2 weighs with x.
template <class Real>
Problem<Real> odd_problem(int degree, double low, double high, int power) {
  Problem<Real> problem;
  problem.low = low;
  problem.high = high;
  problem.terms = (degree + 1) / 2;
  const Real sum = problem.low * problem.low + problem.high * problem.high;
  const Real difference = problem.high * problem.high - problem.low * problem.low;
  problem.argument = [sum, difference](const Real& x) -> Real { return (2 * x * x - sum) / difference; };
  if (power == 1) {
    problem.factor = [](const Real& x) { return x; };
    problem.target = [](const Real&) { return Real(1); };
  } else {
    problem.factor = [](const Real& x) -> Real { return x * x; };
    problem.target = [](const Real& x) { return x; };
  }
  return problem;
}

template <class Real>
Problem<Real> general_problem(const Function& function, int degree, double low, double high) {
  Problem<Real> problem;
  problem.low = low;
  problem.high = high;
  problem.terms = degree + 1;
  const Real sum = problem.low + problem.high;
  const Real width = problem.high - problem.low;
  problem.argument = [sum, width](const Real& x) -> Real { return (2 * x - sum) / width; };
  problem.factor = [](const Real&) { return Real(1); };
  problem.target = [function](const Real& x) -> Real { return formula<Real>(function, x); };
  for (const double kink : kinks(function, low, high)) problem.breaks.emplace_back(kink);
  for (const double point : scale_points(function, low, high)) problem.knots.emplace_back(point);
  return problem;
}

/// The extrema of the Chebyshev polynomial of degree `terms` in the variable s, but for a shift of the inner ones: a
/// symmetric reference of a symmetric target is levelled at 0, and leads nowhere.
std::vector<double> first_reference(const Problem<double>& problem) {
  std::vector<double> points;
  for (int i = 0; i <= problem.terms; ++i) {
    const bool inside = i > 0 && i < problem.terms;
    const double wanted = std::cos(std::numbers::pi * (problem.terms - i + (inside ? 0.1 : 0.0)) / problem.terms);
    double left = problem.low;
    double right = problem.high;
    for (int halving = 0; halving < 60; ++halving) {
      const double middle = (left + right) / 2;
      (problem.argument(middle) < wanted ? left : right) = middle;
    }
    points.push_back(right);
  }
  return points;
}

double scale_of(const Problem<double>& problem) {
  return std::max(std::abs(problem.target(problem.low)), std::abs(problem.target(problem.high)));
}

Fit<double> quick_fit(const Problem<double>& problem, const std::vector<double>& reference) {
  return Exchange<double>(problem, {1e-11, kNoise * scale_of(problem), 1e-8}).run(reference, kQuickRounds);
}

Fit<Big> fine_fit(const Problem<Big>& problem, const Problem<double>& coarse) {
  const std::vector<double> first = first_reference(coarse);
  const Fit<double> quick = quick_fit(coarse, first);
  const std::vector<double>& from = quick.converged ? quick.reference : first;
  const std::vector<Big> start(from.begin(), from.end());
  const Big floor = kFineFloor * scale_of(coarse);
  Fit<Big> fit =
      Exchange<Big>(problem, {Big(1e-28), floor, Big(1e-20)}).run(start, quick.converged ? kFineRounds : kQuickRounds);
  OBSCURA_CHECK(fit.converged, "Remez: {} terms on [{}, {}] did not converge", coarse.terms, coarse.low, coarse.high);
  return fit;
}

/// c with p(x) = sum_k c_k T_{2k+1}(x / high) and zeros between, from p(x) = x sum_k q_k T_k(s) with s affine in x^2.
/// T_k(s) is interpolated at the Chebyshev nodes of s' = 2 (x / high)^2 - 1, exactly but for rounding; then
/// 2 t T_2k(t) = T_{2k+1}(t) + T_{2k-1}(t).
template <class Real>
std::vector<double> odd_coefficients(const std::vector<Real>& q, double low, double high) {
  using std::acos;
  using std::cos;
  const int n = static_cast<int>(q.size());
  const Real pi = acos(Real(-1));
  const Real a = Real(low) * low;
  const Real b = Real(high) * high;
  std::vector<Real> at_nodes;
  for (int i = 0; i < n; ++i) {
    const Real node = cos(pi * (2 * i + 1) / (2 * n));
    at_nodes.push_back(chebyshev_sum<Real>(q, (b * node - a) / (b - a)));
  }
  std::vector<Real> moved(static_cast<std::size_t>(n) + 1, Real(0));
  for (int k = 0; k < n; ++k) {
    Real sum = 0;
    for (int i = 0; i < n; ++i) sum += at_nodes[static_cast<std::size_t>(i)] * cos(pi * k * (2 * i + 1) / (2 * n));
    moved[static_cast<std::size_t>(k)] = sum * (k == 0 ? 1 : 2) / n;
  }
  std::vector<double> out(2 * static_cast<std::size_t>(n), 0.0);
  for (std::size_t k = 0; k < q.size(); ++k) {
    const Real own = k == 0 ? Real(moved[0]) : Real(moved[k] / 2);
    out[2 * k + 1] = static_cast<double>(Real(high * (own + moved[k + 1] / 2)));
  }
  return out;
}

template <class Real>
Minimax odd_result(const Fit<Real>& fit, double low, double high) {
  Minimax out{{-high, high, odd_coefficients(fit.coefficients, low, high)}, static_cast<double>(fit.error), {}};
  for (const Real& x : fit.reference) out.reference.push_back(static_cast<double>(x));
  return out;
}

template <class Real>
Minimax general_result(const Fit<Real>& fit, double low, double high) {
  Minimax out{{low, high, {}}, static_cast<double>(fit.error), {}};
  for (const Real& c : fit.coefficients) out.polynomial.coefficients.push_back(static_cast<double>(c));
  for (const Real& x : fit.reference) out.reference.push_back(static_cast<double>(x));
  return out;
}

void check_odd(int degree, double low, double high) {
  OBSCURA_CHECK(degree >= 1 && degree % 2 == 1 && degree <= kMaxDegree && low >= 0 && low < high,
                "odd Remez: degree {} on [{}, {}]", degree, low, high);
}

}  // namespace

Minimax minimax_sign(int degree, double low, double high) {
  check_odd(degree, low, high);
  OBSCURA_CHECK(low > 0, "minimax_sign: low {}", low);
  const Fit<Big> fit = fine_fit(odd_problem<Big>(degree, low, high, 1), odd_problem<double>(degree, low, high, 1));
  return odd_result(fit, low, high);
}

Minimax minimax_relu_sign(int degree, double high) {
  check_odd(degree, 0, high);
  const double low = kAlmostZero * high;
  const Fit<Big> fit = fine_fit(odd_problem<Big>(degree, low, high, 2), odd_problem<double>(degree, low, high, 2));
  Minimax out = odd_result(fit, low, high);
  out.error /= 2;
  return out;
}

Minimax minimax(const Function& function, int degree, double low, double high) {
  OBSCURA_CHECK(degree >= 0 && degree <= kMaxDegree && low < high, "minimax: degree {} on [{}, {}]", degree, low, high);
  const Fit<Big> fit =
      fine_fit(general_problem<Big>(function, degree, low, high), general_problem<double>(function, degree, low, high));
  return general_result(fit, low, high);
}

Minimax quick_minimax_sign(int degree, double low, double high, const std::vector<double>& start) {
  check_odd(degree, low, high);
  const Problem<double> problem = odd_problem<double>(degree, low, high, 1);
  const bool warm = static_cast<int>(start.size()) == problem.terms + 1;
  return odd_result(quick_fit(problem, warm ? start : first_reference(problem)), low, high);
}

Minimax quick_minimax_relu_sign(int degree, double high) {
  check_odd(degree, 0, high);
  const double low = kAlmostZero * high;
  const Problem<double> problem = odd_problem<double>(degree, low, high, 2);
  Minimax out = odd_result(quick_fit(problem, first_reference(problem)), low, high);
  out.error /= 2;
  return out;
}

Minimax quick_minimax(const Function& function, int degree, double low, double high) {
  const Problem<double> problem = general_problem<double>(function, degree, low, high);
  return general_result(quick_fit(problem, first_reference(problem)), low, high);
}

}  // namespace obscura::approx
