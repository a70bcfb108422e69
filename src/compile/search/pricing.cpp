// SPDX-License-Identifier: Apache-2.0
#include "compile/search/pricing.h"

#include <algorithm>
#include <cmath>

#include "ckks/bootstrap.h"
#include "compile/cost/transform.h"
#include "compile/schedule/price.h"
#include "plan/keys.h"
#include "plan/polynomial.h"

namespace obscura::compile {

using Kind = Operation::Kind;

std::vector<ckks::PolynomialLevelCost> Pricing::work_of(const Operation& operation, std::uint32_t limbs) {
  auto [found, fresh] = planned_.try_emplace(operation.term.get());
  const std::uint32_t enough = operation.drops + 1;
  if (fresh) {
    ckks::ParamsLiteral chain;
    chain.chain.assign(enough, std::uint64_t{1} << kPreferredBits);
    const double scale = std::exp2(kPreferredBits);
    const auto composite = plan::composite_of(polynomial_of(operation, scale), chain, enough, scale);
    if (composite.ok()) found->second = composite->cost();
  }
  std::vector<ckks::PolynomialLevelCost> out = found->second;
  for (auto& level : out) level.limbs += limbs - enough;
  return out;
}

double Pricing::of(const Choice& choice, const Circuit& circuit, const Splits& splits) {
  const CostModel cost = cost_.of(choice.ring);
  double sum = 0;
  for (std::size_t k = 0; k < circuit.operations.size(); ++k) {
    const Operation& operation = circuit.operations[k];
    if (operation.kind == Kind::transform) {
      sum += splits.nanoseconds[k];
    } else if (operation.kind == Kind::bootstrap) {
      sum += operation.ciphertexts * choice.bootstrap_nanoseconds;
    } else if (operation.kind == Kind::polynomial) {
      const auto work = work_of(operation, splits.before[k]);
      sum += operation.ciphertexts * cost.polynomial(choice.log2_degree, choice.largest_bits(), work,
                                                     static_cast<std::uint32_t>(choice.digit_limbs));
    } else {
      sum += price(cost, network_, operation, choice, splits.before[k], splits.parts[operation.input]);
    }
  }
  return sum;
}

double Pricing::of_batch(const Choice& choice) {
  const bool large = choice.largest_bits() > kPreferredBits;
  const auto [found, fresh] = of_batch_.try_emplace(
      {choice.ring, choice.log2_degree, choice.final_limbs, choice.drops, choice.digit_limbs, large}, 0);
  if (fresh) {
    const Circuit circuit = batch_.circuit(choice);
    found->second = of(choice, circuit, split(circuit, choice.limbs(), choice.digit_limbs, cost_));
  }
  return found->second;
}

double least_nanoseconds(const MonicNetwork& network, const CostModel& cost, const Request& request) {
  Pricing pricing(network, cost);
  double least = HUGE_VAL;
  for (const Choice& frame : frames_of(network, request, 0, false)) {
    for (const Choice& choice : parameters_of(network, frame, 0, 1, kMaxDigitLimbs)) {
      least = std::min(least, pricing.of_batch(choice) * runs_of(choice, request.batch));
    }
  }
  return least;
}

Result<void> check_levels(const MonicNetwork& network, const CostModel& cost, const Request& request) {
  if (!is_approximated(network) || std::isfinite(least_nanoseconds(network, cost, request))) return {};
  const std::size_t levels = squares_before(network).back();
  std::string degree = request.ring ? fmt::format(" of the {} ring", ckks::name_of(*request.ring)) : "";
  if (request.log2_degree) degree += fmt::format("{} N = 2^{}", request.ring ? "," : " of", *request.log2_degree);
  const std::string refusal = fmt::format("network '{}': no secure modulus{} holds the {} levels of its polynomials",
                                          network.name, degree, levels);
  // The set of most levels, in each slot.
  ckks::BootstrapLiteral most;
  most.levels = 0;
  for (const ckks::BootstrapLiteral& set : ckks::BootstrapParams::demonstrated()) {
    if (set.log2_slots + 1 == set.log2_degree && set.levels > most.levels) most = set;
  }
  OBSCURA_TRY(const ckks::BootstrapParams set, ckks::BootstrapParams::make(most));
  const double scale = std::exp2(most.level_bits);
  OBSCURA_TRY(const auto bootstrapper, ckks::Bootstrapper::make(set, {scale, scale, plan::kBootstrapFactorBytes}));
  std::size_t fewest = SIZE_MAX;
  for (const MonicActivation& a : network.activations) fewest = std::min<std::size_t>(fewest, a.elements);
  const std::size_t times = (levels - 1) / static_cast<std::size_t>(most.levels);
  const double seconds = static_cast<double>(times * fewest) * bootstrap_nanoseconds(cost, *bootstrapper) * 1e-9;
  return error(Code::infeasible,
               "{}; in the batch layout, where each of the {} or more values of a layer is a ciphertext, the {} "
               "bootstrappings of each would take {:.0f} core-seconds at least for {} images: take the image layout "
               "(--layout image)",
               refusal, fewest, times, seconds, std::size_t{1} << most.log2_slots);
}

}  // namespace obscura::compile
