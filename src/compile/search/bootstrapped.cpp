// SPDX-License-Identifier: Apache-2.0
#include "compile/search/bootstrapped.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "compile/cost/transform.h"
#include "compile/schedule/bootstraps.h"
#include "plan/keys.h"
#include "plan/polynomial.h"

namespace obscura::compile {
namespace {

using Kind = ImageStep::Kind;

/// Slots for which the error of bootstrapping is predicted: evenly in [-1, 1].
constexpr int kSlots = 257;

/// What steps cost at any number of limbs, before they are split.
class Prices {
 public:
  Prices(const CostModel& cost, const ImageNetwork& network, const ckks::BootstrapParams& set)
      : cost_(cost),
        network_(network),
        params_(set.params()),
        most_(static_cast<std::uint32_t>(set.limbs().output)),
        bits_(std::max(set.literal().base_bits, set.literal().level_bits)),
        scale_(std::exp2(set.literal().level_bits)),
        levels_(network.steps.size()) {}

  double operator()(std::size_t k, std::uint32_t limbs) {
    const ImageStep& step = network_.steps[k];
    const int degree = network_.log2_degree;
    const double count = step.ciphertexts;
    const auto alpha = static_cast<std::uint32_t>(params_.literal().digit_limbs);
    switch (step.kind) {
      case Kind::transform: {
        const ckks::SwitchSize size = ckks::SwitchSize::at(params_, limbs);
        return transform_nanoseconds(cost_, degree, step.sketch->cost(size, step.drops(), step.diagonals->period()),
                                     size);
      }
      case Kind::square:
      case Kind::product:
        return count * cost_.square(degree, limbs);
      case Kind::relinearize:
        return count * cost_.relinearize(degree, bits_, limbs, alpha, 1);
      case Kind::polynomial:
        return count * polynomial(k, limbs);
      case Kind::fold: {
        double rotations = 0;
        for (const auto& sum : step.fold.sums) rotations += sum.count - 1;
        return count * rotations * cost_.rotate(degree, bits_, limbs, alpha);
      }
      default:
        return count * cost_.combine(degree, limbs, 2);
    }
  }

 private:
  /// Planned at the most limbs; with fewer the same work at fewer.
  double polynomial(std::size_t k, std::uint32_t limbs) {
    if (levels_[k].empty()) {
      const auto composite =
          plan::composite_of(polynomial_of(network_.steps[k], scale_), params_.literal(), most_, scale_);
      if (!composite.ok()) return HUGE_VAL;
      levels_[k] = composite->cost();
    }
    std::vector<ckks::PolynomialLevelCost> here = levels_[k];
    for (auto& level : here) level.limbs -= most_ - limbs;
    return cost_.polynomial(network_.log2_degree, bits_, here,
                            static_cast<std::uint32_t>(params_.literal().digit_limbs));
  }

  const CostModel& cost_;
  const ImageNetwork& network_;
  const ckks::Params& params_;
  std::uint32_t most_;
  int bits_;
  double scale_;
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

Result<ImageSelection> schedule_deep(const ImageSetting& setting, const ckks::BootstrapParams& set,
                                     std::uint32_t images) {
  const ckks::BootstrapLiteral& literal = set.literal();
  const auto out = static_cast<std::uint32_t>(set.limbs().output);
  ImageBuild build;
  build.store = setting.store;
  build.report = setting.report;
  build.log2_degree = literal.log2_degree;
  build.slots = std::uint32_t{1} << literal.log2_slots;
  build.images = images;
  build.bounded = setting.statistics;
  build.most_limbs = out;
  OBSCURA_TRY(const ImageNetwork network, make_image_network(*setting.network, build, setting.cost));
  const double scale = std::exp2(literal.level_bits);
  ImageSelection selection;
  OBSCURA_TRY(selection.bootstrapper, ckks::Bootstrapper::make(set, {scale, scale, plan::kBootstrapFactorBytes}));
  const auto& bootstrapper = selection.bootstrapper;
  const double bootstrapping = bootstrap_nanoseconds(setting.cost, *bootstrapper);
  Prices prices(setting.cost, network, set);
  const PlacementLimits limits{static_cast<std::uint32_t>(set.limbs().input), out};
  OBSCURA_TRY(const Placement placement, place_bootstraps(network, limits, std::ref(prices), bootstrapping));
  selection.network = with_bootstraps(network, placement);
  selection.literal = set.params().literal();
  selection.considered = 1;
  const ImageSplits splits =
      split(selection.network, placement.input_limbs, selection.literal.digit_limbs, setting.cost);
  ImageChoice choice{literal.log2_degree, selection.literal.digit_limbs, literal.base_bits, literal.level_bits,
                     splits.limbs.back()};
  choice.log2_scale = literal.level_bits;
  choice.bootstrap = plan::BootstrapSpec{literal, scale, scale};
  choice.bootstrap_error = bootstrap_error(*bootstrapper);
  choice.bootstrap_nanoseconds = bootstrapping;
  auto schedule = judge(setting, selection.network, splits, choice, set.params());
  if (!schedule) {
    return error(Code::infeasible, "network '{}': with primes of {} bits a value does not fit its modulus",
                 setting.network->name, literal.level_bits);
  }
  selection.schedule = std::move(*schedule);
  settle_memory(setting, selection);
  return selection;
}

namespace {

/// Whether a choice that is precise enough fits; if not, it is noted.
bool fits(const ImageSetting& setting, const ImageMemory& memory, Shortfall& shortfall) {
  const bool keys = !setting.max_key_bytes || memory.keys <= *setting.max_key_bytes;
  if (!keys) shortfall.too_large(memory.keys);
  const bool all = memory.least() <= setting.memory;
  if (!all) shortfall.too_large(memory);
  return keys && all;
}

}  // namespace

Result<ImageSelection> search_deep(const ImageSetting& setting, std::uint32_t images, Shortfall& shortfall) {
  std::optional<ImageSelection> best;
  std::optional<Error> refusal;
  // Sets of the same slots follow each other and share diagonals, as long as someone holds them.
  std::vector<ckks::BootstrapLiteral> sets = ckks::BootstrapParams::demonstrated();
  std::stable_sort(sets.begin(), sets.end(), [](const auto& a, const auto& b) { return a.log2_slots > b.log2_slots; });
  std::optional<ImageSelection> beaten;
  int beaten_slots = 0;
  for (const ckks::BootstrapLiteral& literal : sets) {
    if (literal.log2_slots != beaten_slots) beaten.reset();
    beaten_slots = literal.log2_slots;
    const bool sparse = literal.log2_slots + 1 < literal.log2_degree;
    if (sparse && most_elements(*setting.network) * images > kMostCiphertexts << literal.log2_slots) continue;
    OBSCURA_TRY(const ckks::BootstrapParams set, ckks::BootstrapParams::make(literal));
    auto selection = schedule_deep(setting, set, images);
    if (!selection.ok() && selection.error().code == Code::cancelled) return selection;
    if (!selection.ok()) {
      refusal = selection.error();
      continue;
    }
    if (selection->schedule.logit_error > setting.max_error) {
      refusal = error(Code::infeasible, "with bootstrapping the logit error is {:.3g}, {:.3g} is allowed",
                      selection->schedule.logit_error, setting.max_error);
      beaten = std::move(selection).value();
      continue;
    }
    if (!fits(setting, selection->memory, shortfall)) {
      refusal = error(Code::infeasible, "bootstrapping takes {:.1f} GB of memory, {:.1f} GB of them keys",
                      static_cast<double>(selection->memory.least()) / 1e9,
                      static_cast<double>(selection->memory.keys) / 1e9);
      beaten = std::move(selection).value();
      continue;
    }
    if (best && best->schedule.total_nanoseconds() <= selection->schedule.total_nanoseconds()) {
      beaten = std::move(selection).value();
      continue;
    }
    best = std::move(selection).value();
  }
  if (best) return std::move(*best);
  OBSCURA_CHECK(refusal.has_value(), "no set of parameters for bootstrapping");
  return *refusal;
}

}  // namespace obscura::compile
