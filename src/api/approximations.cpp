// SPDX-License-Identifier: Apache-2.0
#include "api/approximations.h"

#include <algorithm>
#include <cmath>

#include "approx/bent.h"

namespace obscura::api {
namespace {

using Term = compile::Approximation::Term;

Term term_of(const approx::Composite& composite, double width) {
  Term term;
  for (const approx::Polynomial& p : composite.stages) {
    term.stages.push_back({p.low, p.high, ckks::PolynomialBasis::chebyshev, p.coefficients});
  }
  term.stages.front().low *= width;
  term.stages.front().high *= width;
  return term;
}

/// One ReLU u (1 + p(u / bound)) / 2 for each bend, times its change of the slope. The line's slope s is part of the
/// first: s x = s at + s u, and s u a part of its u (1 + p) / 2.
compile::Approximation bent(const approx::BentLine& line, const approx::Activation& activation) {
  compile::Approximation out;
  out.times_input = line.times_input;
  const approx::BentLine inside = approx::within(line, activation.certificate.low, activation.certificate.high);
  out.shift = inside.shift;
  double slope = inside.slope;
  for (const approx::BentTerm& bend : approx::terms_of(inside, activation.certificate)) {
    Term& term = out.terms.emplace_back(term_of(activation.composite, bend.bound));
    term.relu = true;
    term.at = bend.at;
    auto& last = term.stages.back().coefficients;
    for (double& c : last) c *= bend.change;
    last[0] += bend.change - 1 + 2 * slope;
    out.shift += slope * bend.at;
    slope = 0;
  }
  return out;
}

}  // namespace

compile::Approximations approximations_of(const nn::Graph& graph, const calibrate::Choice& choice) {
  compile::Approximations out;
  for (const calibrate::Chosen& one : choice.chosen) {
    compile::Approximation& to = out[one.node];
    const nn::Node& node = graph.nodes[one.node];
    const approx::Activation& from = one.activation;
    if (from.form == approx::Activation::Form::direct) {
      to.terms.push_back(term_of(from.composite, 1));
      to.bound = std::max(std::abs(to.terms[0].stages.front().low), std::abs(to.terms[0].stages.front().high));
      continue;
    }
    const auto line = node.op == nn::Op::function ? approx::bent_line(node.attributes.function) : std::nullopt;
    to = bent(line.value_or(approx::BentLine{0, 0, {{}}}), from);
    to.bound = from.bound;
  }
  return out;
}

}  // namespace obscura::api
