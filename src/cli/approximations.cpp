// SPDX-License-Identifier: Apache-2.0
#include "cli/approximations.h"

#include <algorithm>
#include <cmath>

namespace obscura::cli {

compile::Approximations approximations_of(const nn::Graph& graph, const calibrate::Choice& choice) {
  compile::Approximations out;
  for (const calibrate::Chosen& one : choice.chosen) {
    compile::Approximation& to = out[one.node];
    const auto& from = one.activation.composite.stages;
    to.relu = one.activation.form == approx::Activation::Form::relu;
    to.bound = to.relu ? one.activation.bound : std::max(std::abs(from.front().low), std::abs(from.front().high));
    for (const approx::Polynomial& p : from) {
      to.stages.push_back({p.low, p.high, ckks::PolynomialBasis::chebyshev, p.coefficients});
    }
    const nn::Node& node = graph.nodes[one.node];
    const bool function = node.op == nn::Op::function;
    const double slope = function ? approx::relu_slope(node.attributes.function).value_or(0) : 0;
    if (slope == 0) continue;
    // s x + (1 - s) y(x), s x a part of the sign's 1 or, in the direct form, of its only stage.
    auto& last = to.stages.back();
    for (double& c : last.coefficients) c *= 1 - slope;
    if (to.relu) {
      last.coefficients[0] += slope;
    } else {
      OBSCURA_CHECK(to.stages.size() == 1, "{} stages in the direct form", to.stages.size());
      last.coefficients.resize(std::max<std::size_t>(last.coefficients.size(), 2));
      last.coefficients[0] += slope * (last.low + last.high) / 2;
      last.coefficients[1] += slope * (last.high - last.low) / 2;
    }
  }
  return out;
}

}  // namespace obscura::cli
