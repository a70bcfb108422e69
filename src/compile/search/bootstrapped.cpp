// SPDX-License-Identifier: Apache-2.0
#include "compile/search/bootstrapped.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "compile/cost/transform.h"
#include "compile/layout/lower.h"
#include "compile/schedule/bootstraps.h"
#include "compile/schedule/price.h"
#include "plan/keys.h"
#include "plan/polynomial.h"

namespace obscura::compile {
namespace {

using Kind = Operation::Kind;

/// Slots for which the error of bootstrapping is predicted: evenly in [-1, 1].
constexpr int kSlots = 257;

/// What operations cost at any number of limbs, before transforms are split.
class Prices {
 public:
  Prices(const Setting& setting, const Circuit& circuit, const ckks::BootstrapParams& set)
      : setting_(setting),
        circuit_(circuit),
        params_(set.params()),
        most_(static_cast<std::uint32_t>(set.limbs().output)),
        choice_{circuit.log2_degree, circuit.ring, params_.literal().digit_limbs, set.literal().base_bits,
                set.literal().level_bits},
        scale_(std::exp2(set.literal().level_bits)),
        parts_(circuit.parts()),
        levels_(circuit.operations.size()) {}

  double operator()(std::size_t k, std::uint32_t limbs) {
    const Operation& operation = circuit_.operations[k];
    if (operation.kind == Kind::transform) {
      const ckks::SwitchSize size = ckks::SwitchSize::at(params_, limbs);
      const auto work = operation.sketch->cost(size, operation.drops, operation.diagonals->period());
      return transform_nanoseconds(setting_.cost, circuit_.log2_degree, work, size);
    }
    if (operation.kind == Kind::polynomial) return operation.ciphertexts * polynomial(k, limbs);
    return price(setting_.cost, *setting_.network, operation, choice_, limbs, parts_[operation.input]);
  }

 private:
  /// Planned at the most limbs; with fewer the same work at fewer.
  double polynomial(std::size_t k, std::uint32_t limbs) {
    if (levels_[k].empty()) {
      const auto composite =
          plan::composite_of(polynomial_of(circuit_.operations[k], scale_), params_.literal(), most_, scale_);
      if (!composite.ok()) return HUGE_VAL;
      levels_[k] = composite->cost();
    }
    std::vector<ckks::PolynomialLevelCost> here = levels_[k];
    for (auto& level : here) level.limbs -= most_ - limbs;
    return setting_.cost.polynomial(choice_.log2_degree, choice_.largest_bits(), here,
                                    static_cast<std::uint32_t>(choice_.digit_limbs));
  }

  const Setting& setting_;
  const Circuit& circuit_;
  const ckks::Params& params_;
  std::uint32_t most_;
  Choice choice_;
  double scale_;
  std::vector<std::uint32_t> parts_;                            ///< by value
  std::vector<std::vector<ckks::PolynomialLevelCost>> levels_;  ///< of each polynomial
};

/// Sets with fewer slots are left out where a value would take more ciphertexts: halving the slots saves far less.
constexpr std::size_t kMostCiphertexts = 2;

std::size_t most_elements(const MonicNetwork& network) {
  std::size_t most = 0;
  for (const MonicActivation& a : network.activations) most = std::max<std::size_t>(most, a.elements);
  return most;
}

/// A slot's error after bootstrapping.
double bootstrap_error(const ckks::Bootstrapper& bootstrapper) {
  std::vector<double> slots(kSlots);
  for (int k = 0; k < kSlots; ++k) slots[static_cast<std::size_t>(k)] = 2.0 * k / (kSlots - 1) - 1;
  return bootstrapper.predict(slots).total();
}

}  // namespace

Result<Candidate> with_bootstrapping(const Setting& setting, const ckks::BootstrapParams& set, std::uint32_t images,
                                     const std::shared_ptr<ckks::Resources>& resources) {
  const ckks::BootstrapLiteral& literal = set.literal();
  const auto out = static_cast<std::uint32_t>(set.limbs().output);
  const LoweringRequest request{.cache = setting.cache,
                                .log2_degree = literal.log2_degree,
                                .slots = std::uint32_t{1} << literal.log2_slots,
                                .images = images,
                                .bounded = setting.statistics,
                                .most_limbs = out,
                                .report = setting.report};
  OBSCURA_TRY(const Circuit circuit,
              run_pass(setting.passes, Pass::layout, [&] { return lower(*setting.network, request, setting.cost); }));
  verify_after(Pass::layout, [&] { return verify(circuit); });
  const double scale = std::exp2(literal.level_bits);
  Candidate candidate;
  OBSCURA_TRY(candidate.bootstrapper,
              ckks::Bootstrapper::make(set, {scale, scale, plan::kBootstrapFactorBytes}, resources));
  const auto& bootstrapper = candidate.bootstrapper;
  const double bootstrapping = bootstrap_nanoseconds(setting.cost, *bootstrapper);
  Prices prices(setting, circuit, set);
  const PlacementLimits limits{static_cast<std::uint32_t>(set.limbs().input), out};
  OBSCURA_TRY(const Placement placement, run_pass(setting.passes, Pass::bootstraps, [&] {
                return place_bootstraps(circuit, limits, std::ref(prices), bootstrapping);
              }));
  candidate.circuit = std::make_shared<const Circuit>(with_bootstraps(circuit, placement));
  verify_after(Pass::bootstraps, [&] { return verify(*candidate.circuit); });
  candidate.literal = set.params().literal();
  const int digit_limbs = candidate.literal.digit_limbs;
  const Splits splits = run_pass(setting.passes, Pass::split, [&] {
    return split(*candidate.circuit, placement.input_limbs, digit_limbs, setting.cost);
  });
  Choice choice{literal.log2_degree, ckks::RingType::standard, digit_limbs,
                literal.base_bits,   literal.level_bits,       splits.limbs.back()};
  choice.log2_scale = literal.level_bits;
  choice.bootstrap = plan::BootstrapSpec{literal, scale, scale};
  choice.bootstrap_error = bootstrap_error(*bootstrapper);
  choice.bootstrap_nanoseconds = bootstrapping;
  auto schedule = evaluate({setting, *candidate.circuit, splits, choice, set.params()});
  if (!schedule) {
    return error(Code::infeasible, "network '{}': with primes of {} bits a value does not fit its modulus",
                 setting.network->name, literal.level_bits);
  }
  candidate.schedule = std::move(*schedule);
  predict_memory(setting, candidate);
  return candidate;
}

Result<Selection> search_bootstrapped(const Setting& setting, std::uint32_t images, Shortfall& shortfall) {
  Found found(setting, shortfall);
  std::optional<Error> refusal;
  const auto resources = ckks::Resources::make();  // sets have primes in common
  for (const ckks::BootstrapLiteral& literal : ckks::BootstrapParams::demonstrated()) {
    const bool sparse = literal.log2_slots + 1 < literal.log2_degree;
    if (sparse && most_elements(*setting.network) * images > kMostCiphertexts << literal.log2_slots) continue;
    OBSCURA_TRY(const ckks::BootstrapParams set, ckks::BootstrapParams::make(literal));
    auto candidate = with_bootstrapping(setting, set, images, resources);
    if (!candidate.ok()) {
      refusal = candidate.error();
      if (refusal->code == Code::cancelled) return *refusal;
      continue;
    }
    const Memory& memory = candidate->memory;
    if (!found.precise(candidate->schedule)) {
      refusal = error(Code::infeasible, "with bootstrapping the logit error is {:.3g}, {:.3g} is allowed",
                      candidate->schedule.logit_error, setting.max_error);
    } else if (!found.fits(memory)) {
      refusal = error(Code::infeasible, "bootstrapping takes {:.1f} GB of memory, {:.1f} GB of them keys",
                      static_cast<double>(memory.least()) / 1e9, static_cast<double>(memory.keys) / 1e9);
    } else {
      found.offer(std::move(candidate).value());
    }
  }
  if (found.any()) return found.take(1);
  OBSCURA_CHECK(refusal.has_value(), "no set of parameters for bootstrapping");
  return *refusal;
}

}  // namespace obscura::compile
