// SPDX-License-Identifier: Apache-2.0
#include "compile/approximation.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace obscura::compile {
namespace {

/// Points of an interval at which the largest value of a polynomial is looked for.
constexpr int kSamples = 4096;

/// Arguments side by side: each step of a recurrence waits for the one before, but not for its neighbours.
constexpr std::size_t kTogether = 16;

struct Slopes {
  double value[kTogether], derivative[kTogether];
};

/// sum_k c_k T_k(t) by Clenshaw's recurrence, b_k = c_k + 2 t b_{k+1} - b_{k+2}, with its derivative.
void evaluate(const plan::Polynomial::Stage& stage, Slopes& x) {
  const double width = stage.high - stage.low;
  double t[kTogether];
  for (std::size_t i = 0; i < kTogether; ++i) t[i] = (2 * x.value[i] - stage.low - stage.high) / width;
  Slopes b{}, next{};
  for (std::size_t k = stage.coefficients.size(); k-- > 1;) {
    const double c = stage.coefficients[k];
    for (std::size_t i = 0; i < kTogether; ++i) {
      const double value = c + 2 * t[i] * b.value[i] - next.value[i];
      const double derivative = 2 * b.value[i] + 2 * t[i] * b.derivative[i] - next.derivative[i];
      next.value[i] = b.value[i], next.derivative[i] = b.derivative[i];
      b.value[i] = value, b.derivative[i] = derivative;
    }
  }
  for (std::size_t i = 0; i < kTogether; ++i) {
    const double derivative = b.value[i] + t[i] * b.derivative[i] - next.derivative[i];
    x.value[i] = stage.coefficients[0] + t[i] * b.value[i] - next.value[i];
    x.derivative[i] = derivative * 2 / width * x.derivative[i];
  }
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
  Slope out;
  evaluate(approximation, {&x, 1}, {&out.value, 1}, {&out.derivative, 1});
  return out;
}

void evaluate(const Approximation& approximation, std::span<const double> x, std::span<double> values,
              std::span<double> derivatives) {
  const double bound = approximation.relu ? approximation.bound : 1;
  for (std::size_t first = 0; first < x.size(); first += kTogether) {
    const std::size_t count = std::min(kTogether, x.size() - first);
    Slopes p{};
    for (std::size_t i = 0; i < count; ++i) p.value[i] = x[first + i] / bound, p.derivative[i] = 1 / bound;
    for (const auto& stage : approximation.stages) evaluate(stage, p);
    for (std::size_t i = 0; i < count; ++i) {
      const double v = x[first + i];
      values[first + i] = approximation.relu ? v * (1 + p.value[i]) / 2 : p.value[i];
      derivatives[first + i] = approximation.relu ? (1 + p.value[i] + v * p.derivative[i]) / 2 : p.derivative[i];
    }
  }
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
