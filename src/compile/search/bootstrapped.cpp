// SPDX-License-Identifier: Apache-2.0
#include "compile/search/bootstrapped.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "compile/cost/transform.h"
#include "compile/layout/lower.h"
#include "compile/schedule/bootstraps.h"
#include "compile/schedule/price.h"
#include "compile/search/choices.h"
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
        choice_(bootstrapped_choice(set.literal(), 1)),
        scale_(std::exp2(set.literal().level_bits)),
        parts_(circuit.parts()),
        levels_(circuit.operations.size()) {
    choice_.digit_limbs = params_.literal().digit_limbs;
  }

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

/// A slot's error after bootstrapping.
double bootstrap_error(const ckks::Bootstrapper& bootstrapper) {
  std::vector<double> slots(kSlots);
  for (int k = 0; k < kSlots; ++k) slots[static_cast<std::size_t>(k)] = 2.0 * k / (kSlots - 1) - 1;
  return bootstrapper.predict(slots).total();
}

}  // namespace

Result<void> check_activation_levels(const MonicNetwork& network, const ckks::BootstrapParams& set) {
  const auto given = static_cast<std::uint32_t>(set.literal().levels);
  const auto output = static_cast<std::uint32_t>(set.limbs().output);
  const std::vector<std::uint32_t> left = levels_after(network);
  for (std::size_t j = 0; j < network.junctions.size(); ++j) {
    if (!network.junctions[j].activation) continue;
    const MonicActivation& activation = network.activations[*network.junctions[j].activation];
    const auto own = static_cast<std::uint32_t>(levels(activation));
    if (own <= given || own + left[j + 1] + PlacementLimits().output <= output) continue;
    return error(Code::infeasible,
                 "{}: its polynomials take {} levels; one bootstrapping leaves {}, and none stands within an "
                 "activation: take polynomials of fewer levels (--alpha 12, or less)",
                 activation.origin, own, given);
  }
  return {};
}

Result<Lowered> lower_bootstrapped(const Setting& setting, const ckks::BootstrapParams& set, Choice& choice,
                                   const std::shared_ptr<ckks::Resources>& resources) {
  const ckks::BootstrapLiteral& literal = set.literal();
  OBSCURA_TRY_VOID(check_activation_levels(*setting.network, set));
  const auto most = static_cast<std::uint32_t>(set.limbs().output);
  const LoweringRequest request{.cache = setting.cache,
                                .log2_degree = literal.log2_degree,
                                .slots = std::uint32_t{1} << literal.log2_slots,
                                .images = choice.images,
                                .interleaved = choice.interleaved,
                                .bounded = setting.statistics,
                                .most_limbs = most,
                                .report = setting.report};
  OBSCURA_TRY(const Circuit circuit,
              run_pass(setting.passes, Pass::layout, [&] { return lower(*setting.network, request, setting.cost); }));
  verify_after(Pass::layout, [&] { return verify(circuit); });
  Lowered out;
  const double scale = choice.bootstrap->input_scale;
  OBSCURA_TRY(out.bootstrapper, ckks::Bootstrapper::make(set, {scale, scale, plan::kBootstrapFactorBytes}, resources));
  choice.bootstrap_error = bootstrap_error(*out.bootstrapper);
  choice.bootstrap_nanoseconds = bootstrap_nanoseconds(setting.cost, *out.bootstrapper);
  Prices prices(setting, circuit, set);
  const PlacementLimits limits{static_cast<std::uint32_t>(set.limbs().input), most};
  OBSCURA_TRY(const Placement placement, run_pass(setting.passes, Pass::bootstraps, [&] {
                return place_bootstraps(circuit, limits, std::ref(prices), choice.bootstrap_nanoseconds);
              }));
  out.circuit = std::make_shared<const Circuit>(with_bootstraps(circuit, placement));
  verify_after(Pass::bootstraps, [&] { return verify(*out.circuit); });
  choice.digit_limbs = set.params().literal().digit_limbs;
  out.splits = run_pass(setting.passes, Pass::split,
                        [&] { return split(*out.circuit, placement.input_limbs, choice.digit_limbs, setting.cost); });
  choice.final_limbs = out.splits.limbs.back();
  return out;
}

Result<Candidate> with_bootstrapping(const Setting& setting, const ckks::BootstrapParams& set, std::uint32_t images,
                                     const std::shared_ptr<ckks::Resources>& resources) {
  Choice choice = bootstrapped_choice(set.literal(), images);
  OBSCURA_TRY(const Lowered lowered, lower_bootstrapped(setting, set, choice, resources));
  auto schedule = evaluate({setting, *lowered.circuit, lowered.splits, choice, set.params()});
  if (!schedule) {
    return error(Code::infeasible, "network '{}': with primes of {} bits a value does not fit its modulus",
                 setting.network->name, choice.drop_bits);
  }
  Candidate candidate{lowered.circuit, std::move(*schedule), set.params().literal(), 0, lowered.bootstrapper};
  OBSCURA_TRY_VOID(predict_memory(setting, candidate));
  return candidate;
}

}  // namespace obscura::compile
