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
    if (node.op != nn::Op::leaky_relu) continue;
    const double slope = node.attributes.alpha;
    auto& last = to.stages.back().coefficients;
    for (double& c : last) c *= 1 - slope;
    if (to.relu) last[0] += slope;
  }
  return out;
}

}  // namespace obscura::cli
