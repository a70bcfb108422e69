// SPDX-License-Identifier: Apache-2.0
#include "approx/sign.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "approx/balance.h"
#include "approx/cost.h"
#include "approx/remez.h"

namespace obscura::approx {
namespace {

constexpr double kLargestMargin = 0.01;
constexpr double kQuickNoise = 1e-7;  ///< smaller errors of fits in double precision are not trusted
constexpr double kLeastShare = 0.02;  ///< the inner error of the ReLU is a larger share of epsilon than this
constexpr double kSmallestEpsilon = 0x1p-30;

Result<void> check(const SignChoice& choice) {
  if (choice.degrees.empty() || choice.degrees.size() > kMaxStages) {
    return error(Code::wrong_params, "sign: {} stages; 1 to {} are possible", choice.degrees.size(), kMaxStages);
  }
  for (const int degree : choice.degrees) {
    if (degree < 3 || degree > kMaxStageDegree || degree % 2 == 0) {
      return error(Code::wrong_params, "sign: a stage of degree {}; degrees are odd, 3 to {}", degree, kMaxStageDegree);
    }
  }
  if (choice.epsilon != 0 && !(choice.epsilon >= kSmallestEpsilon && choice.epsilon < 1)) {
    return error(Code::wrong_params, "sign: epsilon {}; it lies between {} and 1", choice.epsilon, kSmallestEpsilon);
  }
  if (!(choice.margin >= 0 && choice.margin <= kLargestMargin)) {
    return error(Code::wrong_params, "sign: margin {}; it lies between 0 and {}", choice.margin, kLargestMargin);
  }
  return {};
}

Result<void> check_bound(double bound) {
  if (bound > 0 && bound <= kMaxBound) return {};
  return error(Code::wrong_params, "relu: bound {}; it must be above 0 and at most {}", bound, kMaxBound);
}

Result<void> check_alpha(int alpha) {
  if (alpha >= kMinAlpha && alpha <= kMaxAlpha) return {};
  return error(Code::wrong_params, "alpha {}; it lies between {} and {}", alpha, kMinAlpha, kMaxAlpha);
}

/// How far evaluating p in doubles, with coefficients rounded to doubles, may be from the exact p.
double rounding_of(const Polynomial& polynomial) {
  double sum = 0;
  for (const double c : polynomial.coefficients) sum += std::abs(c);
  return sum * static_cast<double>(polynomial.coefficients.size()) * 0x1p-52;
}

/// Half the width, about 1, of the narrowest interval that a stage of this degree is made for: there its error is some
/// 2^-80. Narrower ones would gain nothing that doubles can hold, and need more than 60 digits.
double narrowest(int degree) { return std::exp2(1 - 160.0 / (degree + 1)); }

/// Stages on ever narrower intervals; `fit` finds one. Ends early where an error falls below `least`.
template <class Fit>
std::vector<Minimax> compose(const SignChoice& choice, double epsilon, double least, const Fit& fit) {
  std::vector<Minimax> stages;
  double low = epsilon;
  double high = 1;
  for (const int degree : choice.degrees) {
    const double least_off = narrowest(degree);
    low = std::min(low, 1 - least_off);
    if (!stages.empty()) high = std::max(high, 1 + least_off);
    stages.push_back(fit(degree, low, high));
    if (stages.back().error < least) break;
    stages.back().error += rounding_of(stages.back().polynomial);
    const double off = stages.back().error + choice.margin;
    low = std::max(1 - off, (1 - stages.back().error) / 2);  // a margin beyond what the stage leaves would reach 0
    high = 1 + off;
  }
  return stages;
}

Composite to_composite(const SignChoice& choice, double epsilon, const std::vector<Minimax>& stages) {
  Composite out;
  out.certificate = {"sign", epsilon, 1, stages.back().error, 0, 0};
  for (std::size_t i = 0; i < stages.size(); ++i) {
    out.stages.push_back(stages[i].polynomial);
    out.certificate.depth += depth_of(choice.degrees[i]);
    out.certificate.multiplications += multiplications_of(choice.degrees[i], Parity::odd);
  }
  return out;
}

/// Where the error of the ReLU inside of epsilon equals that at 1: the former grows with epsilon, the latter falls.
double best_epsilon(const SignChoice& choice) {
  const auto excess = [&](double log_epsilon) {
    const double epsilon = std::exp(log_epsilon);
    const std::vector<Minimax> stages = compose(choice, epsilon, kQuickNoise, [](int degree, double low, double high) {
      return quick_minimax_sign(degree, low, high);
    });
    // Epsilons whose error is far below their inner one need no look at the latter (nor could doubles give one).
    const double error = stages.back().error;
    if (stages.size() < choice.degrees.size() || error / 2 < kLeastShare * epsilon) {
      return std::log(kLeastShare * epsilon / (std::max(error, kQuickNoise) / 2));
    }
    const Composite p = to_composite(choice, epsilon, stages);
    return std::log(inner_error([&](double x) { return evaluate(p, x); }, epsilon) / (error / 2));
  };
  return std::exp(balance(excess, std::log(0x1p-24), std::log(0.9), 1e-5));
}

/// The sign for the ReLU of a single polynomial, and the error of that ReLU on [-1, 1]. x |1 - p| <= 2 error says of
/// the sign that |1 - p| <= 2 error / low from any low on; it is attained at the first point of the reference.
std::pair<Composite, double> single_stage(const SignChoice& choice) {
  Minimax best = minimax_relu_sign(choice.degrees.front(), 1);
  const double unit_error = best.error + rounding_of(best.polynomial);
  const double low = best.reference.front();
  best.error = 2 * unit_error / low;
  return {to_composite(choice, low, {best}), unit_error};
}

}  // namespace

Result<Composite> sign(const SignChoice& choice) {
  OBSCURA_TRY_VOID(check(choice));
  const double epsilon = choice.epsilon != 0 ? choice.epsilon : best_epsilon(choice);
  return to_composite(choice, epsilon, compose(choice, epsilon, 0, minimax_sign));
}

Result<Composite> sign(int alpha) {
  OBSCURA_TRY_VOID(check_alpha(alpha));
  OBSCURA_TRY(const SignCandidate best, SignSearch().for_sign(alpha));
  return sign(best.choice);
}

Result<Activation> relu(const SignChoice& choice, double bound) {
  OBSCURA_TRY_VOID(check(choice));
  OBSCURA_TRY_VOID(check_bound(bound));
  Activation out;
  out.form = Activation::Form::relu;
  out.bound = bound;
  double unit_error = 0;
  if (choice.degrees.size() == 1 && choice.epsilon == 0) {
    std::tie(out.composite, unit_error) = single_stage(choice);
  } else {
    OBSCURA_TRY(out.composite, sign(choice));
    const double epsilon = out.composite.certificate.low;
    const double inner = inner_error([&](double x) { return evaluate(out.composite, x); }, epsilon);
    unit_error = std::max(inner, out.composite.certificate.max_error / 2);
  }
  const Certificate& of_sign = out.composite.certificate;
  out.certificate = {"relu", -bound, bound, unit_error * bound, of_sign.depth + 1, of_sign.multiplications + 1};
  return out;
}

Result<Activation> relu(int alpha, double bound) {
  OBSCURA_TRY_VOID(check_alpha(alpha));
  OBSCURA_TRY_VOID(check_bound(bound));
  OBSCURA_TRY(const SignCandidate best, SignSearch().for_relu(alpha));
  return relu(best.choice, bound);
}

}  // namespace obscura::approx
