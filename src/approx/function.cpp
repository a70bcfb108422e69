// SPDX-License-Identifier: Apache-2.0
#include "approx/function.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace obscura::approx {
namespace {

using Kind = Function::Kind;
constexpr double kFarthest = 1048576;

constexpr std::array<std::pair<const char*, Kind>, 9> kNames = {{{"relu", Kind::relu},
                                                                 {"swish", Kind::swish},
                                                                 {"silu", Kind::swish},
                                                                 {"gelu", Kind::gelu},
                                                                 {"sigmoid", Kind::sigmoid},
                                                                 {"tanh", Kind::tanh},
                                                                 {"softplus", Kind::softplus},
                                                                 {"mish", Kind::mish},
                                                                 {"power", Kind::power}}};

double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

}  // namespace

std::string name(const Function& function) {
  for (const auto& [text, kind] : kNames) {
    if (kind == function.kind) return text;
  }
  OBSCURA_CHECK(false, "name: a function of no kind");
}

Result<Function> function_named(const std::string& name) {
  std::string all;
  for (const auto& [text, kind] : kNames) {
    if (name == text) return Function{kind};
    all += (all.empty() ? "" : ", ") + std::string(text);
  }
  return error(Code::unsupported, "'{}' is not a function that Obscura approximates; there are {}", name, all);
}

double value(const Function& function, double x) {
  switch (function.kind) {
    case Kind::relu:
      return std::max(x, 0.0);
    case Kind::swish:
      return x / (1 + std::exp(-function.beta * x));
    case Kind::gelu:
      return x * std::erfc(-x / std::sqrt(2.0)) / 2;
    case Kind::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Kind::tanh:
      return std::tanh(x);
    case Kind::softplus:
      return softplus(x);
    case Kind::mish:
      return x * std::tanh(softplus(x));
    case Kind::power:
      return std::pow(function.bias + function.scale * x, -function.beta);
  }
  OBSCURA_CHECK(false, "value: a function of no kind");
}

std::vector<double> kinks(const Function& function, double low, double high) {
  if (function.kind == Kind::relu && low < 0 && high > 0) return {0.0};
  return {};
}

std::vector<double> scale_points(const Function& function, double low, double high) {
  // What 4^k scales: the argument of the exponential; of a power, how far x is from where the base is 0.
  const bool power = function.kind == Function::Kind::power && function.scale != 0;
  const double centre = power ? -function.bias / function.scale : 0;
  double unit = 1;
  if (function.kind == Function::Kind::swish && function.beta != 0) unit = 1 / std::abs(function.beta);
  if (power) unit = std::abs(centre) > 0 ? std::abs(centre) : 1;
  std::vector<double> points = {centre};
  for (int k = -4; k <= 10; ++k) {
    points.push_back(centre - std::ldexp(unit, 2 * k));
    points.push_back(centre + std::ldexp(unit, 2 * k));
  }
  std::erase_if(points, [&](double x) { return !(x > low && x < high); });
  std::sort(points.begin(), points.end());
  return points;
}

Result<void> check_domain(const Function& function, double low, double high) {
  if (!(low < high) || !std::isfinite(low) || !std::isfinite(high)) {
    return error(Code::wrong_params, "{}: the range [{}, {}] is empty; its low end must be below its high end",
                 name(function), low, high);
  }
  if (std::max(std::abs(low), std::abs(high)) > kFarthest) {
    return error(Code::wrong_params, "{}: the range [{}, {}] goes beyond {}", name(function), low, high, kFarthest);
  }
  if (!std::isfinite(function.beta) || !std::isfinite(function.bias) || !std::isfinite(function.scale)) {
    return error(Code::wrong_params, "{}: parameters beta {}, bias {}, scale {}; all must be finite", name(function),
                 function.beta, function.bias, function.scale);
  }
  const double smallest = function.bias + std::min(function.scale * low, function.scale * high);
  if (function.kind == Kind::power && !(smallest > 0)) {
    return error(Code::wrong_params, "power: bias + scale x falls to {} on [{}, {}]; it must stay above 0", smallest,
                 low, high);
  }
  return {};
}

}  // namespace obscura::approx
