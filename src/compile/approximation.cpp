// SPDX-License-Identifier: Apache-2.0
#include "compile/approximation.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace obscura::compile {
namespace {

/// Points of an interval at which the largest value of a polynomial is looked for.
constexpr int kSamples = 4096;

/// sum_k c_k T_k(t) by Clenshaw's recurrence, b_k = c_k + 2 t b_{k+1} - b_{k+2}, with its derivative.
Slope evaluate(const plan::Polynomial::Stage& stage, Slope x) {
  const double width = stage.high - stage.low;
  const double t = (2 * x.value - stage.low - stage.high) / width;
  Slope b, next;
  for (std::size_t k = stage.coefficients.size(); k-- > 1;) {
    const Slope before = next;
    next = b;
    b = {stage.coefficients[k] + 2 * t * next.value - before.value,
         2 * next.value + 2 * t * next.derivative - before.derivative};
  }
  const double derivative = b.value + t * b.derivative - next.derivative;
  return {stage.coefficients[0] + t * b.value - next.value, derivative * 2 / width * x.derivative};
}

bool finite(const plan::Polynomial::Stage& stage) {
  return std::isfinite(stage.low) && std::isfinite(stage.high) && stage.low < stage.high &&
         std::all_of(stage.coefficients.begin(), stage.coefficients.end(), [](double c) { return std::isfinite(c); });
}

Slope evaluate(const Approximation::Term& term, double x) {
  const double u = x - term.at;
  Slope p{u, 1};
  for (const auto& stage : term.stages) p = evaluate(stage, p);
  if (!term.relu) return p;
  return {u * (1 + p.value) / 2, (1 + p.value + u * p.derivative) / 2};
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

Slope evaluate_sum(const Approximation& approximation, double x) {
  Slope sum{approximation.shift, 0};
  for (const auto& term : approximation.terms) {
    const Slope one = evaluate(term, x);
    sum.value += one.value;
    sum.derivative += one.derivative;
  }
  return sum;
}

Slope evaluate(const Approximation& approximation, double x) {
  const Slope sum = evaluate_sum(approximation, x);
  if (!approximation.times_input) return sum;
  return {x * sum.value, sum.value + x * sum.derivative};
}

double largest(const Approximation& approximation, const Approximation::Term& term) {
  return largest_of(approximation, [&](double x) { return evaluate(term, x).value; });
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
                     "{}: what stands for it has degree {}; ciphertexts take degrees up to {}: allow a larger error (a "
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
