// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <set>

#include "base/parallel.h"
#include "compile/cost/transform.h"
#include "compile/layout/activation.h"
#include "compile/layout/circuit.h"
#include "compile/layout/map_cache.h"
#include "compile/layout/outputs.h"
#include "compile/layout/prepared_map.h"

namespace obscura::compile {
namespace {

using Kind = ImageStep::Kind;

constexpr std::size_t kBeam = 3;  // ways that are kept
constexpr std::size_t kNominalDigitLimbs = 2;
/// Of bounded values: calibration has not seen every image, and slots above 1 are lost in bootstrapping.
constexpr double kMargin = 1.25;

/// Divisions between a value and the output on the longest way, by value.
std::vector<std::uint32_t> levels_after(const MonicNetwork& network) {
  std::vector<std::uint32_t> left(network.junctions.size() + 1, 0);
  for (std::size_t j = network.junctions.size(); j-- > 0;) {
    const Junction& junction = network.junctions[j];
    std::uint32_t own = j + 1 < network.junctions.size() ? 1 + left[j + 1] : 0;
    if (junction.activation) own += static_cast<std::uint32_t>(levels(network.activations[*junction.activation]));
    if (is_product(junction)) ++own;
    for (const Branch& branch : junction.branches) left[branch.source] = std::max(left[branch.source], own);
  }
  return left;
}

/// The largest coefficient that a bias may have at scale 1. Each is at most the mean of all |slots|, and the few slots
/// of logits have a far smaller mean than maximum.
double largest_bias(const std::vector<double>& bias, const plan::Layout& to) {
  double sum = 0;
  for (const double b : bias) sum += std::abs(b);
  return std::min(largest(bias), sum / to.period);
}

/// A way through the network so far.
struct Way {
  ImageNetwork network;
  std::vector<Stand> values;  ///< by value of the network
  /// Of each transform its number of step and what it will be made of.
  std::vector<std::pair<std::size_t, std::shared_ptr<const ImageStore::Spot>>> spots;
  double nanoseconds = 0;

  plan::ValueId last() const { return static_cast<plan::ValueId>(network.steps.size()); }
  std::uint32_t ciphertexts(plan::ValueId id) const {
    return id == 0 ? network.input.ciphertexts() : network.steps[id - 1].ciphertexts;
  }
};

/// What a branch's transforms read, and what they compute: one for each facet of the junction.
struct Start {
  plan::ValueId id = 0;
  plan::Layout layout;
  std::vector<ImageStore::MapPtr> maps;
};

/// Walks the network and keeps a few ways.
class Builder {
 public:
  Builder(const MonicNetwork& network, const ImageBuild& build, const CostModel& cost, const Grid& grid)
      : network_(network),
        build_(build),
        cost_(cost),
        grid_(grid),
        store_(build.store ? build.store : std::make_shared<ImageStore>()),
        points_(network),
        readers_(count_readers(network)),
        left_(levels_after(network)) {
    Way start;
    start.network.log2_degree = build.log2_degree;
    start.network.input = input_layout(network.input, grid);
    start.values.push_back({0, start.network.input});
    ways_.push_back(std::move(start));
  }

  Result<ImageNetwork> run() {
    for (std::size_t j = 0; j < network_.junctions.size(); ++j) {
      OBSCURA_TRY_VOID(tell(build_.report, "layouts", j, network_.junctions.size()));
      OBSCURA_TRY_VOID(junction(j));
    }
    const Way best = std::move(ways_[0]);
    ImageNetwork out = best.network;
    out.output = best.values.back().layout;
    base::parallel_for(best.spots.size(), [&](std::size_t i) {
      const auto& [k, spot] = best.spots[i];
      auto transform = std::make_shared<const plan::Transform>(spot->transform());
      out.steps[k].diagonals = store_->diagonals(*spot, *transform);
      out.steps[k].transform = std::move(transform);
    });
    return out;
  }

 private:
  ckks::SwitchSize size() const {
    const std::size_t limbs = nominal_limbs();
    return {limbs, kNominalDigitLimbs, (limbs + kNominalDigitLimbs - 1) / kNominalDigitLimbs};
  }
  std::uint32_t nominal_limbs() const { return std::min(2 + to_come_, build_.most_limbs); }
  double key_switch() const {
    return cost_.rotate(build_.log2_degree, kNominalBits, nominal_limbs(), kNominalDigitLimbs);
  }

  /// A step of one input, which has as many ciphertexts unless said.
  ImageStep step_of(const Way& way, Kind kind, plan::ValueId input, std::size_t point) const {
    ImageStep step;
    step.kind = kind;
    step.input = input;
    step.ciphertexts = way.ciphertexts(input);
    step.point = point;
    return step;
  }

  plan::ValueId push(Way& way, ImageStep step) const {
    way.network.steps.push_back(std::move(step));
    return way.last();
  }

  plan::ValueId push_folds(Way& way, plan::ValueId input, const std::vector<plan::Fold::Sum>& folds,
                           ImageStep step) const {
    if (folds.empty()) return input;
    step.fold.sums = folds;
    for (auto& fold : step.fold.sums) fold.step *= build_.images;
    for (const auto& fold : folds) way.nanoseconds += (fold.count - 1) * step.ciphertexts * key_switch();
    return push(way, std::move(step));
  }

  plan::ValueId push_relinearize(Way& way, plan::ValueId input, std::size_t point, double factor) const {
    ImageStep step = step_of(way, Kind::relinearize, input, point);
    step.factor = factor;
    way.nanoseconds += step.ciphertexts * key_switch();
    return push(way, std::move(step));
  }

  Result<void> junction(std::size_t j) {
    const Junction& junction = network_.junctions[j];
    const bool last = j + 1 == network_.junctions.size();
    const auto own = junction.activation ? levels(network_.activations[*junction.activation]) : 0;
    to_come_ = last ? 0 : 1 + static_cast<std::uint32_t>(own) + left_[j + 1] + (is_product(junction) ? 1 : 0);
    std::vector<Way> grown;
    for (Way& way : ways_) OBSCURA_TRY_VOID(branches(way, j, grown));
    std::sort(grown.begin(), grown.end(), [](const Way& a, const Way& b) { return a.nanoseconds < b.nanoseconds; });
    if (grown.size() > kBeam) grown.resize(kBeam);
    ways_ = std::move(grown);
    if (!junction.activation) return {};
    to_come_ = left_[j + 1];
    activation(*junction.activation, readers_[j + 1] > 1);
    return {};
  }

  /// All targets of the first branch, with the other branches in the same layout.
  Result<void> branches(Way& way, std::size_t j, std::vector<Way>& grown) {
    const std::vector<Branch>& all = network_.junctions[j].branches;
    std::vector<Facet> facets = facets_of(network_, points_, j, factor_of(j), grid_.positions);
    std::vector<Start> starts;
    for (const Branch& branch : all) {
      const bool first = starts.empty() || branch.factor != all[starts.size() - 1].factor;
      if (is_product(network_.junctions[j])) facets[0].factor = factor_of(j, branch.factor);
      OBSCURA_TRY(Start start, read(way, branch, facets, first));
      starts.push_back(std::move(start));
    }
    const plan::Layout& from = starts[0].layout;
    const LinearMap& map = starts[0].maps[0]->map;
    std::vector<Target> targets =
        map.shape.empty() ? std::vector<Target>{{from, {}, {}, from}} : targets_of(map, from, grid_, next_pool(j + 1));
    if (steep(j)) std::erase_if(targets, [](const Target& target) { return !target.clean; });
    std::vector<Way> fresh(targets.size(), way);
    std::vector<char> fits(targets.size(), 0);
    base::parallel_for(targets.size(), [&](std::size_t t) {
      if (!plan::verify_layout(targets[t].to, build_.slots, "").ok()) return;
      fits[t] = is_product(network_.junctions[j]) ? join_product(fresh[t], j, starts, targets[t])
                                                  : join(fresh[t], j, starts, facets, targets[t]);
    });
    bool any = false;
    for (std::size_t t = 0; t < targets.size(); ++t) {
      if (!fits[t]) continue;
      any = true;
      grown.push_back(std::move(fresh[t]));
    }
    if (any) return {};
    return error(Code::infeasible, "{}: no layout fits N = 2^{}", map.origin, build_.log2_degree);
  }

  /// Whether what a junction's activation does to slots without an element matters.
  bool steep(std::size_t j) const {
    const auto& activation = network_.junctions[j].activation;
    return build_.bounded != nullptr || (activation && levels(network_.activations[*activation]) > 1);
  }

  /// What one of a product's two sums is divided by.
  double factor_of(std::size_t j, bool other) const {
    const double most = build_.bounded == nullptr ? 0 : build_.bounded->max_abs[points_.factor(j, other ? 1 : 0)];
    return most > 0 ? kMargin * most : 1;
  }

  /// What the sum of a junction is divided by.
  double factor_of(std::size_t j) const {
    const auto& k = network_.junctions[j].activation;
    if (is_product(network_.junctions[j])) return factor_of(j, false) * factor_of(j, true);
    if (build_.bounded == nullptr || j + 1 == network_.junctions.size()) return 1;
    if (k && network_.activations[*k].approximation) return 1;
    double most = build_.bounded->max_abs[points_.sum(j)];
    if (k && network_.activations[*k].squares == 2) {
      most = std::max(most, std::sqrt(std::sqrt(build_.bounded->max_moving[points_.result(*k)])));
    }
    return most > 0 ? kMargin * most : 1;
  }

  /// A junction's activation, where it has `leading`.
  const MonicActivation* plain(std::size_t j) const {
    const auto& k = network_.junctions[j].activation;
    return k && !network_.activations[*k].leading.empty() ? &network_.activations[*k] : nullptr;
  }

  /// What a junction's branches give together. False where a ciphertext has no diagonal.
  bool join(Way& way, std::size_t j, const std::vector<Start>& starts, const std::vector<Facet>& facets,
            const Target& target) const {
    const Junction& junction = network_.junctions[j];
    std::vector<plan::ValueId> values;
    for (std::size_t i = 0; i < facets.size(); ++i) {
      const auto value = join_facet(way, j, starts, facets[i], i, target, false);
      if (!value) return false;
      values.push_back(*value);
    }
    // Values side by side keep their limbs: none is bootstrapped alone.
    const MonicActivation* y = plain(j);
    way.network.steps.back().settled = y == nullptr;
    way.values.push_back({values[0], target.after, factor_of(j)});
    if (y != nullptr && !is_square(*y)) way.values.back().a = values[1];
    if (y != nullptr && !(is_zero(y->q) && is_zero(y->r))) way.values.back().b = values.back();
    // What the activation will cost more where its input is in several ciphertexts.
    if (junction.activation) {
      const auto own = static_cast<double>(levels(network_.activations[*junction.activation]));
      way.nanoseconds += own * target.to.ciphertexts() * key_switch();
    }
    return true;
  }

  /// Both sums of a product, in one layout, and the product of both. False where a ciphertext has no diagonal.
  bool join_product(Way& way, std::size_t j, const std::vector<Start>& starts, const Target& target) const {
    plan::ValueId sums[2];
    for (const bool other : {false, true}) {
      const Facet facet{{1}, {0}, factor_of(j, other), {}};
      const Target to = other ? Target{target.after, {}, {}, target.after} : target;
      const auto sum = join_facet(way, j, starts, facet, 0, to, other);
      if (!sum) return false;
      sums[other ? 1 : 0] = *sum;
      way.network.steps.back().settled = !other;
    }
    ImageStep product = step_of(way, Kind::product, sums[1], points_.sum(j));
    product.other = sums[0];
    product.factor = factor_of(j);
    product.origin = network_.junctions[j].origin;
    const plan::ValueId both = push(way, std::move(product));
    const plan::ValueId id = push_relinearize(way, both, points_.sum(j), factor_of(j));
    way.network.steps.back().settled = true;
    way.values.push_back({id, target.after, factor_of(j)});
    return true;
  }

  /// The transforms of a junction's branches, of those that are factors or of the others, and their sum.
  std::optional<plan::ValueId> join_facet(Way& way, std::size_t j, const std::vector<Start>& starts, const Facet& facet,
                                          std::size_t index, const Target& target, bool factor) const {
    std::vector<plan::ValueId> ends;
    const std::size_t first = way.network.steps.size();
    for (std::size_t b = 0; b < starts.size(); ++b) {
      if (network_.junctions[j].branches[b].factor != factor) continue;
      const Target to = ends.empty() ? target : Target{target.after, {}, {}, target.after};
      const auto end = extend(way, j, b, starts[b], starts[b].maps[index], to);
      if (!end) return std::nullopt;
      ends.push_back(*end);
    }
    if (ends.size() > 1) {
      const bool product = is_product(network_.junctions[j]);
      ImageStep sum = step_of(way, Kind::sum, ends[0], product ? points_.factor(j, factor ? 1 : 0) : points_.sum(j));
      sum.others.assign(ends.begin() + 1, ends.end());
      sum.origin = network_.junctions[j].origin;
      push(way, std::move(sum));
    }
    for (std::size_t k = first; k < way.network.steps.size(); ++k) {
      ImageStep& step = way.network.steps[k];
      step.factor = facet.factor;
      step.side = facet.side;
      if (facet.side) step.activation = *network_.junctions[j].activation;
    }
    return way.last();
  }

  /// The maps of a branch in front of a facet.
  Result<ImageStore::MapPtr> prepared(const Branch& branch, double factor_in, const std::optional<WindowSum>& sum,
                                      const Facet& facet, bool first) const {
    ImageStore::MapKey key{branch.segment, factor_in, sum.has_value(), first, facet.scale, facet.shift, facet.factor};
    return store_->map(std::move(key), [&] {
      Segment maps{first_map(network_, branch, factor_in)};
      const Segment& segment = network_.segments[branch.segment];
      maps.insert(maps.end(), segment.begin() + 1, segment.end());
      return map_of(std::move(maps), sum, facet, first);
    });
  }

  /// Sums in front of a branch's maps, and a relinearisation where the activation before is still in three parts.
  Result<Start> read(Way& way, const Branch& branch, const std::vector<Facet>& facets, bool first) const {
    Stand& value = way.values[branch.source];
    std::optional<LinearMap> pool;  // that a map follows
    if (network_.segments[branch.segment].size() > 1) pool = first_map(network_, branch, value.factor);
    auto sum = pool ? window_sum(*pool) : std::nullopt;
    const auto steps = sum ? sum_steps(*pool, sum->window, value.layout) : std::nullopt;
    if (!steps) sum.reset();
    const std::size_t point = points_.map(branch.segment, 0);
    const double factor = sum ? std::abs(sum->factor[0]) : 1;
    Start out{value.id, value.layout, {}};
    const bool added = steps && !steps->add.empty();
    if (added) {
      ImageStep add = step_of(way, Kind::add, out.id, point);
      add.add = steps->add;
      add.ciphertexts = static_cast<std::uint32_t>(add.add.size());
      add.factor = factor;
      add.origin = pool->origin;
      out.id = push(way, std::move(add));
    }
    // Relinearised after sums of ciphertexts, which may be fewer, and before rotations.
    if (value.three_parts) {
      const std::size_t k = *network_.junctions[branch.source - 1].activation;
      out.id = push_relinearize(way, out.id, added ? point : points_.result(k), added ? factor : value.factor);
      way.network.steps.back().settled = !added;
    }
    if (steps) {
      ImageStep fold = step_of(way, Kind::fold, out.id, point);
      fold.factor = factor;
      fold.origin = pool->origin;
      out.id = push_folds(way, out.id, steps->folds, std::move(fold));
      out.layout = steps->after;
    }
    for (const Facet& facet : facets) {
      OBSCURA_TRY(ImageStore::MapPtr map, prepared(branch, value.factor, sum, facet, first));
      out.maps.push_back(std::move(map));
    }
    return out;
  }

  /// The window of an average pooling that alone reads a value.
  std::uint32_t next_pool(std::size_t value) const {
    for (const Junction& junction : network_.junctions) {
      for (const Branch& branch : junction.branches) {
        if (branch.source != value || readers_[value] != 1 || network_.segments[branch.segment].size() < 2) continue;
        const auto sum = window_sum(network_.segments[branch.segment][0]);
        return sum ? sum->window : 1;
      }
    }
    return 1;
  }

  /// Adds a transform to a target and its folds, with their cost; the value that they give, or nothing where a
  /// ciphertext has no diagonal.
  std::optional<plan::ValueId> extend(Way& way, std::size_t j, std::size_t b, const Start& start,
                                      const ImageStore::MapPtr& map, const Target& target) const {
    const std::size_t segment = network_.junctions[j].branches[b].segment;
    auto spot = std::make_shared<const ImageStore::Spot>(
        ImageStore::Spot{map, start.layout, target.to, target.spread, build_.slots});
    ckks::SplitOptions options;
    options.size = size();
    options.pairs = true;
    options.longest_period = build_.slots;
    auto shape = store_->sketch(*spot, way.network.ring_slots(), options);
    if (!shape) return std::nullopt;
    const std::size_t period = std::size_t{std::max(start.layout.period, target.to.period)} * build_.images;
    way.nanoseconds += transform_nanoseconds(cost_, build_.log2_degree, shape->cost(size(), 1, period), size());
    const std::size_t point = points_.map(segment, network_.segments[segment].size() - 1);
    ImageStep step = step_of(way, Kind::transform, start.id, point);
    way.spots.emplace_back(way.network.steps.size(), std::move(spot));
    step.weight_error = map->weight_error;
    step.largest_weight = map->largest_weight;
    step.largest_bias = largest_bias(map->map.bias, target.to);
    step.ciphertexts = target.to.ciphertexts();
    step.origin = map->map.origin;
    step.last = j + 1 == network_.junctions.size();
    step.sketch = std::move(shape);
    for (const auto& fold : target.folds) step.parts *= fold.count;
    const plan::ValueId id = push(way, std::move(step));
    ImageStep fold = step_of(way, Kind::fold, id, point);
    fold.origin = map->map.origin;
    return push_folds(way, id, target.folds, std::move(fold));
  }

  /// The steps of activation k. A product stays in three parts until its one reader's sums; what several read is
  /// relinearised here.
  void activation(std::size_t k, bool shared) {
    const MonicActivation& a = network_.activations[k];
    for (Way& way : ways_) {
      Stand& value = way.values.back();
      const std::size_t first = way.network.steps.size();
      value.id = add_activation(network_, points_, k, value, way.network);
      for (std::size_t i = first; i < way.network.steps.size(); ++i) {
        const ImageStep& step = way.network.steps[i];
        if (step.kind == Kind::relinearize) way.nanoseconds += step.ciphertexts * key_switch();
      }
      value.factor = a.approximation ? 1 : std::pow(value.factor, 2 * a.squares);
      const bool product = !a.approximation || is_compound(a);
      if (product && shared) value.id = push_relinearize(way, value.id, points_.result(k), value.factor);
      way.network.steps.back().settled = !product || shared;
      value.three_parts = product && !shared;
    }
  }

  const MonicNetwork& network_;
  ImageBuild build_;
  const CostModel& cost_;
  Grid grid_;
  std::shared_ptr<ImageStore> store_;
  Points points_;
  std::vector<std::size_t> readers_;  ///< by value
  std::vector<std::uint32_t> left_;   ///< levels after a value
  std::uint32_t to_come_ = 0;         ///< divisions that are still to come
  std::vector<Way> ways_;
};

}  // namespace

std::uint32_t levels(const MonicNetwork& network) { return levels_after(network)[0]; }

Result<ImageNetwork> make_image_network(const MonicNetwork& network, const ImageBuild& build, const CostModel& cost) {
  const auto grid = make_grid(network.input, build.slots, build.images);
  if (!grid) {
    return error(Code::infeasible,
                 "an image of {} has more pixels in a plane than a ciphertext of N = 2^{} has slots for each of {}",
                 nn::to_string(network.input), build.log2_degree, build.images);
  }
  return Builder(network, build, cost, *grid).run();
}

}  // namespace obscura::compile
