// SPDX-License-Identifier: Apache-2.0
#include "compile/front/approximation.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/lanes.h"

namespace obscura::compile {
namespace {

/// Points of an interval at which the largest value of a polynomial is looked for.
constexpr int kSamples = 4096;

/// Arguments side by side: each step of a recurrence waits for the one before, but not for its neighbours.
constexpr std::size_t kTogether = kernels::kVectors;

struct WithDerivatives {
  double value[kTogether], derivative[kTogether];
};

bool finite(const plan::Polynomial::Stage& stage) {
  return std::isfinite(stage.low) && std::isfinite(stage.high) && stage.low < stage.high &&
         std::all_of(stage.coefficients.begin(), stage.coefficients.end(), [](double c) { return std::isfinite(c); });
}

/// A term of u, with its derivative.
void evaluate(const Approximation::Term& term, WithDerivatives& u) {
  WithDerivatives p = u;
  for (const auto& stage : term.stages) {
    kernels::chebyshev_sum({stage.coefficients.data(), stage.coefficients.size(), stage.low, stage.high}, p.value,
                           p.derivative);
  }
  for (std::size_t i = 0; term.relu && i < kTogether; ++i) {
    p.derivative[i] = (1 + p.value[i] + u.value[i] * p.derivative[i]) / 2;
    p.value[i] = u.value[i] * (1 + p.value[i]) / 2;
  }
  u = p;
}

double value_of(const Approximation::Term& term, double x) {
  WithDerivatives u{};
  u.value[0] = x - term.at;
  evaluate(term, u);
  return u.value[0];
}

/// The largest of f in size where all terms hold.
template <class Function>
double largest_of(const Approximation& approximation, Function f) {
  double low = -HUGE_VAL, high = HUGE_VAL, most = 0;
  for (const auto& term : approximation.terms) {
    low = std::max(low, term.at + term.stages.front().low);
    high = std::min(high, term.at + term.stages.front().high);
  }
  for (int k = 0; k <= kSamples; ++k) most = std::max(most, std::abs(f(low + (high - low) * k / kSamples)));
  return most;
}

/// factor times a term.
void scale(Approximation::Term& term, double factor) {
  auto& last = term.stages.back();
  for (double& c : last.coefficients) c *= factor;
  if (term.relu) last.coefficients[0] += factor - 1;  // 1 + p becomes factor (1 + p)
}

}  // namespace

Approximation exact_form(const std::vector<double>& coefficients, double bound) {
  // Horner's rule, sum <- bound t sum + c_d, with t T_0 = T_1 and t T_k = (T_(k - 1) + T_(k + 1)) / 2.
  std::vector<double> sum(coefficients.size(), 0);
  for (std::size_t d = coefficients.size(); d-- > 0;) {
    std::vector<double> next(sum.size(), 0);
    for (std::size_t k = 0; k + 1 < sum.size(); ++k) {
      next[k + 1] += k == 0 ? sum[0] : sum[k] / 2;
      if (k > 0) next[k - 1] += sum[k] / 2;
    }
    sum = std::move(next);
    for (double& s : sum) s *= bound;
    sum[0] += coefficients[d];
  }
  Approximation out;
  out.bound = bound;
  out.terms.push_back({{{-bound, bound, ckks::PolynomialBasis::chebyshev, std::move(sum)}}});
  return out;
}

void evaluate_sum(const Approximation& approximation, std::span<const double> x, std::span<double> values,
                  std::span<double> derivatives) {
  for (std::size_t first = 0; first < x.size(); first += kTogether) {
    const std::size_t count = std::min(kTogether, x.size() - first);
    std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(first), count, approximation.shift);
    std::fill_n(derivatives.begin() + static_cast<std::ptrdiff_t>(first), count, 0.0);
    for (const auto& term : approximation.terms) {
      WithDerivatives p{};
      for (std::size_t i = 0; i < count; ++i) p.value[i] = x[first + i] - term.at, p.derivative[i] = 1;
      evaluate(term, p);
      for (std::size_t i = 0; i < count; ++i)
        values[first + i] += p.value[i], derivatives[first + i] += p.derivative[i];
    }
  }
}

Slope evaluate_sum(const Approximation& approximation, double x) {
  Slope sum;
  evaluate_sum(approximation, {&x, 1}, {&sum.value, 1}, {&sum.derivative, 1});
  return sum;
}

Slope evaluate(const Approximation& approximation, double x) {
  const Slope sum = evaluate_sum(approximation, x);
  if (!approximation.times_input) return sum;
  return {x * sum.value, sum.value + x * sum.derivative};
}

double largest(const Approximation& approximation, const Approximation::Term& term) {
  return largest_of(approximation, [&](double x) { return value_of(term, x); });
}

std::size_t levels(const Approximation::Term& term) {
  std::size_t sum = term.relu ? 1 : 0;
  for (const auto& stage : term.stages) sum += std::bit_width(stage.coefficients.size() - 1);
  return sum;
}

std::size_t levels(const Approximation& approximation) {
  std::size_t most = 0;
  for (const auto& term : approximation.terms) most = std::max(most, levels(term));
  return most + (approximation.times_input ? 1 : 0);
}

SlotApproximation in_slots(const Approximation& approximation) {
  SlotApproximation out{approximation,
                        largest_of(approximation, [&](double x) { return evaluate(approximation, x).value; })};
  if (out.after == 0) out.after = 1;
  const double bound = approximation.bound;
  // Of the sum; a ReLU of slots is one over the bound already.
  const double factor = (approximation.times_input ? bound : 1) / out.after;
  for (auto& term : out.out.terms) {
    term.at /= bound;
    term.stages.front().low /= bound;
    term.stages.front().high /= bound;
    scale(term, term.relu ? factor * bound : factor);
  }
  out.out.shift *= factor;
  out.out.bound = 1;
  return out;
}

Result<void> check(const Approximation& approximation, const std::string& node) {
  const bool bounded = approximation.bound > 0 && std::isfinite(approximation.bound);
  if (approximation.terms.empty() || !bounded || !std::isfinite(approximation.shift)) {
    return error(Code::wrong_params, "{}: an approximation of {} terms and a shift of {} on a bound of {}", node,
                 approximation.terms.size(), approximation.shift, approximation.bound);
  }
  for (const auto& term : approximation.terms) {
    if (term.stages.empty() || !std::isfinite(term.at)) {
      return error(Code::wrong_params, "{}: {} polynomials of x - {}", node, term.stages.size(), term.at);
    }
    for (const auto& stage : term.stages) {
      const std::size_t terms = stage.coefficients.size();
      if (terms > ckks::kMaxPolynomialDegree + 1) {
        return error(Code::unsupported,
                     "{}: what replaces it has degree {}; ciphertexts take degrees up to {}: allow a larger error (a "
                     "smaller --alpha, a larger --max-loss)",
                     node, terms - 1, ckks::kMaxPolynomialDegree);
      }
      if (terms >= 2 && finite(stage)) continue;
      return error(Code::wrong_params,
                   "{}: a polynomial of {} coefficients on [{}, {}]; 2 or more finite ones are needed", node, terms,
                   stage.low, stage.high);
    }
  }
  return {};
}

}  // namespace obscura::compile
