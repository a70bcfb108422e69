// SPDX-License-Identifier: Apache-2.0
#include "approx/polynomial.h"

#include <cmath>

#include "approx/prepared.h"
#include "base/check.h"

namespace obscura::approx {
namespace {

/// Clenshaw: sum_k c_k T_k(t).
double clenshaw(const std::vector<double>& coefficients, double t) {
  double b1 = 0;
  double b2 = 0;
  for (std::size_t k = coefficients.size(); k-- > 1;) {
    const double b0 = coefficients[k] + 2 * t * b1 - b2;
    b2 = b1;
    b1 = b0;
  }
  return coefficients.empty() ? 0 : coefficients[0] + t * b1 - b2;
}

/// The same of many, some side by side so that none waits for the one before.
void evaluate_all(const Polynomial& polynomial, std::span<double> values) {
  constexpr std::size_t kTogether = 16;
  const std::vector<double>& c = polynomial.coefficients;
  std::size_t at = 0;
  for (; at + kTogether <= values.size() && !c.empty(); at += kTogether) {
    double t[kTogether], b1[kTogether] = {}, b2[kTogether] = {};
    for (std::size_t i = 0; i < kTogether; ++i) {
      t[i] = (2 * values[at + i] - polynomial.low - polynomial.high) / (polynomial.high - polynomial.low);
    }
    for (std::size_t k = c.size(); k-- > 1;) {
      for (std::size_t i = 0; i < kTogether; ++i) {
        const double b0 = c[k] + 2 * t[i] * b1[i] - b2[i];
        b2[i] = b1[i];
        b1[i] = b0;
      }
    }
    for (std::size_t i = 0; i < kTogether; ++i) values[at + i] = c[0] + t[i] * b1[i] - b2[i];
  }
  for (; at < values.size(); ++at) values[at] = evaluate(polynomial, values[at]);
}

bool is_odd(const Polynomial& polynomial) {
  if (polynomial.low != -polynomial.high || polynomial.degree() < 1) return false;
  for (std::size_t k = 0; k < polynomial.coefficients.size(); k += 2) {
    if (polynomial.coefficients[k] != 0) return false;
  }
  return true;
}

/// q with sum_k c_{2k+1} T_{2k+1}(t) = t sum_k q_k T_k(2 t^2 - 1), from 2 t T_{2k}(t) = T_{2k+1}(t) + T_{2k-1}(t).
std::vector<double> divide_by_t(const std::vector<double>& odd) {
  std::vector<double> q((odd.size()) / 2);
  double above = 0;
  for (std::size_t k = q.size(); k-- > 1;) {
    q[k] = 2 * odd[2 * k + 1] - above;
    above = q[k];
  }
  q[0] = odd[1] - above / 2;
  return q;
}

}  // namespace

double evaluate(const Polynomial& polynomial, double x) {
  const double t = (2 * x - polynomial.low - polynomial.high) / (polynomial.high - polynomial.low);
  return clenshaw(polynomial.coefficients, t);
}

double evaluate(const Composite& composite, double x) {
  for (const Polynomial& stage : composite.stages) x = evaluate(stage, x);
  return x;
}

double evaluate(const Activation& activation, double x) {
  if (activation.form == Activation::Form::direct) return evaluate(activation.composite, x);
  return x * (1 + evaluate(activation.composite, x / activation.bound)) / 2;
}

void evaluate(const Activation& activation, std::span<double> values) {
  std::vector<double> x;
  if (activation.form == Activation::Form::relu) {
    x.assign(values.begin(), values.end());
    for (double& v : values) v /= activation.bound;
  }
  for (const Polynomial& stage : activation.composite.stages) evaluate_all(stage, values);
  for (std::size_t i = 0; i < x.size(); ++i) values[i] = x[i] * (1 + values[i]) / 2;
}

std::vector<double> to_monomials(const std::vector<double>& chebyshev) {
  // Clenshaw on polynomials: b_k = c_k + 2 s b_{k+1} - b_{k+2}; in extended precision, since terms of (1 + sqrt 2)^n
  // cancel to the coefficients.
  const std::size_t n = chebyshev.size();
  std::vector<long double> b1(n + 1, 0);
  std::vector<long double> b2(n + 1, 0);
  for (std::size_t k = n; k-- > 0;) {
    const long double twice = k == 0 ? 1 : 2;  // the last step has s in place of 2 s
    std::vector<long double> b0(n + 1, 0);
    for (std::size_t i = 0; i < n; ++i) b0[i + 1] = twice * b1[i];
    for (std::size_t i = 0; i <= n; ++i) b0[i] -= b2[i];
    b0[0] += chebyshev[k];
    b2 = b1;
    b1 = b0;
  }
  std::vector<double> monomials(n);
  for (std::size_t k = 0; k < n; ++k) monomials[k] = static_cast<double>(b1[k]);
  return monomials;
}

PreparedStage prepare(const Polynomial& polynomial) {
  OBSCURA_CHECK(polynomial.low < polynomial.high && !polynomial.coefficients.empty(),
                "evaluate: a polynomial of {} coefficients on [{}, {}]", polynomial.coefficients.size(), polynomial.low,
                polynomial.high);
  PreparedStage stage;
  const double width = polynomial.high - polynomial.low;
  stage.scale = 2 / width;
  stage.shift = -(polynomial.low + polynomial.high) / width;
  stage.odd = is_odd(polynomial);
  stage.coefficients = stage.odd ? divide_by_t(polynomial.coefficients) : polynomial.coefficients;
  std::vector<double> monomials = to_monomials(stage.coefficients);
  double sum = 0;
  for (const double c : monomials) sum += std::abs(c);
  stage.horner = sum <= kHornerLimit;
  if (stage.horner) stage.coefficients = std::move(monomials);
  return stage;
}

PreparedActivation prepare(const Activation& activation) {
  PreparedActivation prepared;
  prepared.relu = activation.form == Activation::Form::relu;
  OBSCURA_CHECK(activation.bound > 0, "evaluate: bound {}", activation.bound);
  prepared.inverse_bound = 1 / activation.bound;
  for (const Polynomial& stage : activation.composite.stages) prepared.stages.push_back(prepare(stage));
  return prepared;
}

void evaluate(const Activation& activation, std::span<const float> in, std::span<float> out) {
  OBSCURA_CHECK(in.size() == out.size(), "evaluate: {} inputs, {} outputs", in.size(), out.size());
  evaluate_blocks(prepare(activation), in.data(), out.data(), in.size());
}

}  // namespace obscura::approx
