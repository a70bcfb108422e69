// SPDX-License-Identifier: Apache-2.0
/// Remez' exchange for any real type: doubles find the reference, multiple precision finishes.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

namespace obscura::approx {

/// Minimise max |f(x) - g(x) sum_{k < terms} c_k T_k(s(x))| over low <= x <= high, where the g T_k(s) satisfy Haar's
/// condition: g = 1, s affine for ordinary polynomials; g = x, s affine in x^2, low > 0 for odd ones.
template <class Real>
struct Problem {
  std::function<Real(const Real&)> target;    ///< f, continuous
  std::function<Real(const Real&)> factor;    ///< g
  std::function<Real(const Real&)> argument;  ///< s: [low, high] -> [-1, 1], monotone
  Real low, high;
  std::vector<Real> breaks;  ///< where f has kinks, inside (low, high)
  std::vector<Real> knots;   ///< where samples are wanted besides
  int terms = 1;
};

template <class Real>
struct Fit {
  std::vector<Real> coefficients;
  Real error = 0;               ///< the largest |f - g sum| found
  std::vector<Real> reference;  ///< terms + 1 points where it is attained with alternating signs
  bool converged = false;
};

/// Clenshaw's sum_k c_k T_k(s).
template <class Real>
Real chebyshev_sum(const std::vector<Real>& coefficients, const Real& s) {
  Real b1 = 0;
  Real b2 = 0;
  const Real twice = s + s;
  for (std::size_t k = coefficients.size(); k-- > 1;) {
    Real b0 = coefficients[k] + twice * b1 - b2;
    b2 = std::move(b1);
    b1 = std::move(b0);
  }
  return coefficients[0] + s * b1 - b2;
}

template <class Real>
class Exchange {
 public:
  /// How well the best solution is met.
  struct Accuracy {
    Real tolerance;  ///< stops where the error exceeds the levelled one by no more than this share of it
    Real floor;      ///< plus this
    Real location;   ///< extrema are located to this share of the distance of their neighbours
  };
  Exchange(const Problem<Real>& problem, Accuracy accuracy) : problem_(problem), accuracy_(std::move(accuracy)) {}

  /// `reference`: terms + 1 increasing points to start from.
  Fit<Real> run(std::vector<Real> reference, int rounds) {
    using std::abs;
    Fit<Real> best;
    for (int round = 0; round < rounds; ++round) {
      if (!level(reference)) break;
      std::vector<Point> extrema = find_extrema(reference);
      Real largest = 0;
      for (const Point& point : extrema) largest = std::max<Real>(largest, abs(point.error));
      if (best.coefficients.empty() || largest < best.error) {
        best.coefficients = coefficients_;
        best.error = largest;
        best.reference = reference;
      }
      if (largest <= abs(level_) * (1 + accuracy_.tolerance) + accuracy_.floor) {
        best.converged = true;
        break;
      }
      reduce(extrema, static_cast<std::size_t>(problem_.terms) + 1);
      if (extrema.size() != static_cast<std::size_t>(problem_.terms) + 1) break;  // the error is rounding noise
      for (std::size_t i = 0; i < extrema.size(); ++i) reference[i] = extrema[i].x;
    }
    return best;
  }

 private:
  struct Point {
    Real x;
    Real error;
  };
  static constexpr int kCells = 8;  ///< samples between two points of the reference

  Real error(const Real& x) const {
    return problem_.target(x) - problem_.factor(x) * chebyshev_sum(coefficients_, problem_.argument(x));
  }

  /// Solves f(x_i) - g(x_i) sum_k c_k T_k(s(x_i)) = (-1)^i level for c and level: Gauss with partial pivoting.
  bool level(const std::vector<Real>& reference) {
    using std::abs;
    const std::size_t n = reference.size();
    std::vector<std::vector<Real>> rows(n, std::vector<Real>(n + 1));
    for (std::size_t i = 0; i < n; ++i) {
      const Real s = problem_.argument(reference[i]);
      const Real g = problem_.factor(reference[i]);
      Real before = s;
      Real current = 1;
      for (std::size_t k = 0; k + 1 < n; ++k) {
        rows[i][k] = g * current;
        Real next = 2 * s * current - before;
        before = std::move(current);
        current = std::move(next);
      }
      rows[i][n - 1] = i % 2 == 0 ? 1 : -1;
      rows[i][n] = problem_.target(reference[i]);
    }
    for (std::size_t k = 0; k < n; ++k) {
      std::size_t pivot = k;
      for (std::size_t i = k + 1; i < n; ++i) {
        if (abs(rows[i][k]) > abs(rows[pivot][k])) pivot = i;
      }
      std::swap(rows[k], rows[pivot]);
      if (!(abs(rows[k][k]) > 0)) return false;
      for (std::size_t i = k + 1; i < n; ++i) {
        const Real ratio = rows[i][k] / rows[k][k];
        for (std::size_t j = k + 1; j <= n; ++j) rows[i][j] -= ratio * rows[k][j];
      }
    }
    std::vector<Real> solution(n);
    for (std::size_t k = n; k-- > 0;) {
      Real sum = rows[k][n];
      for (std::size_t j = k + 1; j < n; ++j) sum -= rows[k][j] * solution[j];
      solution[k] = sum / rows[k][k];
    }
    level_ = solution[n - 1];
    solution.pop_back();
    coefficients_ = std::move(solution);
    return true;
  }

  /// The local extrema of the error with alternating signs, from samples between the points of the reference.
  std::vector<Point> find_extrema(const std::vector<Real>& reference) const {
    using std::abs;
    std::vector<Real> knots = reference;
    knots.push_back(problem_.low);
    knots.push_back(problem_.high);
    knots.insert(knots.end(), problem_.breaks.begin(), problem_.breaks.end());
    knots.insert(knots.end(), problem_.knots.begin(), problem_.knots.end());
    std::sort(knots.begin(), knots.end());
    knots.erase(std::unique(knots.begin(), knots.end()), knots.end());
    std::vector<Point> samples;
    for (std::size_t i = 0; i + 1 < knots.size(); ++i) {
      for (int j = 0; j < kCells; ++j) {
        Real x = knots[i] + (knots[i + 1] - knots[i]) * j / kCells;
        Real e = error(x);
        samples.push_back({std::move(x), std::move(e)});
      }
    }
    samples.push_back({knots.back(), error(knots.back())});
    std::vector<Point> extrema;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const int sign = samples[i].error < 0 ? -1 : 1;
      const bool left = i == 0 || sign * samples[i].error >= sign * samples[i - 1].error;
      const bool right = i + 1 == samples.size() || sign * samples[i].error >= sign * samples[i + 1].error;
      if (!left || !right) continue;
      const bool inside = i > 0 && i + 1 < samples.size() && !is_break(samples[i].x);
      Point point = inside ? refine(samples[i - 1].x, samples[i], samples[i + 1].x, sign) : at_edge(samples, i, sign);
      if (!extrema.empty() && (extrema.back().error < 0) == (point.error < 0)) {
        if (abs(point.error) > abs(extrema.back().error)) extrema.back() = std::move(point);
      } else {
        extrema.push_back(std::move(point));
      }
    }
    return extrema;
  }

  bool is_break(const Real& x) const {
    return std::find(problem_.breaks.begin(), problem_.breaks.end(), x) != problem_.breaks.end();
  }

  /// The extremum at an end of the range or a kink: there, or beside it where the error still grows into a side.
  Point at_edge(const std::vector<Point>& samples, std::size_t i, int sign) const {
    const Real& x = samples[i].x;
    for (const bool right : {false, true}) {
      if (right ? i + 1 == samples.size() : i == 0) continue;
      const Real& next = samples[right ? i + 1 : i - 1].x;
      const Real beside = x + accuracy_.location * (next - x);
      const Real there = error(beside);
      if (sign * there > sign * samples[i].error) {
        return right ? refine(x, {beside, there}, next, sign) : refine(next, {beside, there}, x, sign);
      }
    }
    return samples[i];
  }

  /// Brent's maximisation of sign * error in (left, right), from the sample between them.
  Point refine(Real left, const Point& start, Real right, int sign) const {
    using std::abs;
    const Real golden = Real(3 - std::sqrt(5.0)) / 2;
    const Real accuracy = accuracy_.location * (right - left);
    Real x = start.x, w = x, v = x;
    Real fx = sign * start.error, fw = fx, fv = fx;
    Real step = 0, earlier = 0;
    for (int round = 0; round < 200; ++round) {
      const Real middle = (left + right) / 2;
      if (abs(x - middle) <= 2 * accuracy - (right - left) / 2) break;
      bool parabola = false;
      if (abs(earlier) > accuracy) {
        const Real r = (x - w) * (fx - fv);
        const Real q = (x - v) * (fx - fw);
        Real p = (x - v) * q - (x - w) * r;
        Real denominator = 2 * (q - r);
        if (denominator > 0) p = -p;
        denominator = abs(denominator);
        const Real previous = earlier;
        earlier = step;
        if (abs(p) < abs(denominator * previous / 2) && p > denominator * (left - x) && p < denominator * (right - x)) {
          step = p / denominator;
          parabola = true;
          if (x + step - left < 2 * accuracy || right - x - step < 2 * accuracy)
            step = x < middle ? accuracy : -accuracy;
        }
      }
      if (!parabola) {
        earlier = x < middle ? Real(right - x) : Real(left - x);
        step = golden * earlier;
      }
      const Real u = abs(step) >= accuracy ? Real(x + step) : Real(step > 0 ? x + accuracy : x - accuracy);
      const Real fu = sign * error(u);
      if (fu >= fx) {
        (u >= x ? left : right) = x;
        v = w, fv = fw, w = x, fw = fx, x = u, fx = fu;
      } else {
        (u < x ? left : right) = u;
        if (fu >= fw || w == x) {
          v = w, fv = fw, w = u, fw = fu;
        } else if (fu >= fv || v == x || v == w) {
          v = u, fv = fu;
        }
      }
    }
    return {x, sign * fx};
  }

  /// Leaves `count` alternating extrema with the largest among them: the smallest goes, with a neighbour where it
  /// stands inside.
  static void reduce(std::vector<Point>& extrema, std::size_t count) {
    using std::abs;
    const auto size_of = [&](std::size_t i) { return abs(extrema[i].error); };
    const auto drop = [&](std::size_t i) { extrema.erase(extrema.begin() + static_cast<std::ptrdiff_t>(i)); };
    while (extrema.size() > count) {
      const std::size_t last = extrema.size() - 1;
      if (extrema.size() == count + 1) {
        drop(size_of(0) < size_of(last) ? 0 : last);
        continue;
      }
      std::size_t smallest = 0;
      for (std::size_t i = 1; i <= last; ++i) {
        if (size_of(i) < size_of(smallest)) smallest = i;
      }
      if (smallest > 0 && smallest < last) {
        const std::size_t neighbour = size_of(smallest - 1) < size_of(smallest + 1) ? smallest - 1 : smallest + 1;
        drop(std::max(smallest, neighbour));
        drop(std::min(smallest, neighbour));
      } else {
        drop(smallest);
      }
    }
  }

  const Problem<Real>& problem_;
  Accuracy accuracy_;
  Real level_ = 0;
  std::vector<Real> coefficients_;
};

}  // namespace obscura::approx
