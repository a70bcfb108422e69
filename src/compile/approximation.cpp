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
  out.stages.push_back({-bound, bound, ckks::PolynomialBasis::chebyshev, std::move(sum)});
  return out;
}

Slope evaluate(const Approximation& approximation, double x) {
  Slope p{x, 1};
  if (approximation.relu) p = {x / approximation.bound, 1 / approximation.bound};
  for (const auto& stage : approximation.stages) p = evaluate(stage, p);
  if (!approximation.relu) return p;
  return {x * (1 + p.value) / 2, (1 + p.value + x * p.derivative) / 2};
}

std::size_t levels(const Approximation& approximation) {
  std::size_t sum = approximation.relu ? 1 : 0;
  for (const auto& stage : approximation.stages) sum += std::bit_width(stage.coefficients.size() - 1);
  return sum;
}

SlotApproximation in_slots(const Approximation& approximation) {
  SlotApproximation out{approximation, approximation.bound};
  out.out.bound = 1;
  if (approximation.relu) return out;
  auto& first = out.out.stages.front();
  double most = 0;
  for (int k = 0; k <= kSamples; ++k) {
    const double x = first.low + (first.high - first.low) * k / kSamples;
    most = std::max(most, std::abs(evaluate(approximation, x).value));
  }
  out.after = most;
  first.low /= approximation.bound;
  first.high /= approximation.bound;
  for (double& c : out.out.stages.back().coefficients) c /= most;
  return out;
}

Result<void> check(const Approximation& approximation, const std::string& node) {
  if (approximation.stages.empty() || !(approximation.bound > 0) || !std::isfinite(approximation.bound)) {
    return error(Code::wrong_params, "{}: an approximation of {} stages on a bound of {}", node,
                 approximation.stages.size(), approximation.bound);
  }
  for (const auto& stage : approximation.stages) {
    const std::size_t terms = stage.coefficients.size();
    if (terms >= 2 && terms <= ckks::kMaxPolynomialDegree + 1 && finite(stage)) continue;
    return error(Code::wrong_params, "{}: a polynomial of {} coefficients on [{}, {}]; 2 to {} finite ones are allowed",
                 node, terms, stage.low, stage.high, ckks::kMaxPolynomialDegree + 1);
  }
  return {};
}

}  // namespace obscura::compile
