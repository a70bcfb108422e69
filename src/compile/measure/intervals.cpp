// SPDX-License-Identifier: Apache-2.0
#include "compile/measure/intervals.h"

#include <algorithm>
#include <cmath>

namespace obscura::compile {
namespace {

void set_bound(PolynomialActivation& activation, double bound) {
  std::vector<double> coefficients;
  for (const Elements& c : activation.coefficients) coefficients.push_back(c[0]);
  activation.approximation = std::make_shared<const Approximation>(exact_form(coefficients, bound));
}

}  // namespace

bool is_unbounded(const PolynomialActivation& activation) {
  if (activation.approximation) return false;
  const std::size_t d = degree(activation.coefficients);
  return d != 2 && d != 4;
}

bool has_unbounded(const FusedNetwork& network) {
  return std::any_of(network.activations.begin(), network.activations.end(), is_unbounded);
}

Result<void> bound_polynomials(FusedNetwork& network, const Images& images, double margin) {
  // On [-1, 1] at first: the same function wherever its arguments are.
  FusedNetwork provisional = network;
  for (PolynomialActivation& activation : provisional.activations) {
    if (is_unbounded(activation)) set_bound(activation, 1);
  }
  OBSCURA_TRY(const MonicNetwork monic, make_monic(std::move(provisional), Quartics::plain));
  const Statistics statistics = measure(monic, images);
  const Points points(monic);
  for (std::size_t j = 0; j < network.junctions.size(); ++j) {
    const auto& k = network.junctions[j].activation;
    if (!k || !is_unbounded(network.activations[*k])) continue;
    PolynomialActivation& activation = network.activations[*k];
    const double most = statistics.max_abs[points.sum(j)];
    if (std::isfinite(most)) set_bound(activation, most > 0 ? (1 + margin) * most : 1);
    if (!std::isfinite(most) || !check(*activation.approximation, activation.origin).ok()) {
      return error(Code::unsupported,
                   "network '{}': what enters the polynomial of degree {} of {} grows beyond all bounds on the images "
                   "it was measured with (up to {:.3g})",
                   network.name, degree(activation.coefficients), activation.origin, most);
    }
  }
  return {};
}

}  // namespace obscura::compile
