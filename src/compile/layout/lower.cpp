// SPDX-License-Identifier: Apache-2.0
#include "compile/layout/lower.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "compile/cost/transform.h"
#include "compile/layout/activation.h"
#include "compile/layout/map_cache.h"

namespace obscura::compile {
namespace {

using Kind = Operation::Kind;

constexpr std::size_t kBeam = 3;  // states that are kept
constexpr std::size_t kNominalDigitLimbs = 2;
/// Of bounded values: calibration has not seen every image, and slots above 1 are lost in bootstrapping.
constexpr double kBoundMargin = 1.25;

/// The largest coefficient that a bias may have at scale 1. Each is at most the mean of all |slots|, and the few slots
/// of logits have a far smaller mean than maximum.
double largest_bias(const std::vector<double>& bias, const plan::Layout& to) {
  double sum = 0;
  for (const double b : bias) sum += std::abs(b);
  return std::min(largest(bias), sum / to.period);
}

/// What values are divided by.
class Factors {
 public:
  Factors(const MonicNetwork& network, const Points& points, const Statistics* bounded)
      : network_(network), points_(points), bounded_(bounded) {}

  /// One of a product's two sums.
  double of_factor(std::size_t j, bool other) const {
    return with_margin(bounded_ == nullptr ? 0 : bounded_->max_abs[points_.factor(j, other ? 1 : 0)]);
  }

  /// What the branches of a junction give together.
  double of_junction(std::size_t j) const {
    const auto& k = network_.junctions[j].activation;
    if (is_product(network_.junctions[j])) return of_factor(j, false) * of_factor(j, true);
    if (bounded_ == nullptr || j + 1 == network_.junctions.size()) return 1;
    if (k && network_.activations[*k].approximation) return 1;
    double most = bounded_->max_abs[points_.sum(j)];
    if (k && network_.activations[*k].squares == 2) {
      most = std::max(most, std::sqrt(std::sqrt(bounded_->max_moving[points_.result(*k)])));
    }
    return with_margin(most);
  }

 private:
  static double with_margin(double most) { return most > 0 ? kBoundMargin * most : 1; }

  const MonicNetwork& network_;
  const Points& points_;
  const Statistics* bounded_;
};

/// Operations for the network so far.
struct SearchState {
  Circuit circuit;
  std::vector<PlacedValue> values;  ///< by value of the network
  /// Of each transform its operation's number and what it will be made of.
  std::vector<std::pair<std::size_t, std::shared_ptr<const LaidOutMap>>> maps;
  double nanoseconds = 0;

  plan::ValueId last() const { return static_cast<plan::ValueId>(circuit.operations.size()); }
  std::uint32_t ciphertexts(plan::ValueId id) const {
    return id == 0 ? circuit.input.ciphertexts() : circuit.operations[id - 1].ciphertexts;
  }
};

/// What a branch's transforms read, and what they compute: one for each output of the junction.
struct BranchInput {
  plan::ValueId id = 0;
  plan::Layout layout;
  std::vector<MapCache::MapPtr> maps;
};

/// Appends operations to states, with what they are predicted to take at the limbs that will be left there.
class Appender {
 public:
  Appender(const LoweringRequest& request, const CostModel& cost)
      : request_(request), cost_(cost), cache_(request.cache ? request.cache : std::make_shared<MapCache>()) {}

  MapCache& cache() const { return *cache_; }
  /// Divisions between what is appended and the output.
  void set_levels_left(std::uint32_t levels) { levels_left_ = levels; }
  /// Nanoseconds of a key switch.
  double key_switch() const {
    return cost_.rotate(request_.log2_degree, kNominalBits, nominal_limbs(), kNominalDigitLimbs);
  }

  /// An operation of one input, which has its layout unless said.
  Operation operation(const SearchState& state, Kind kind, plan::ValueId input, std::size_t point) const {
    Operation out;
    out.kind = kind;
    out.input = input;
    out.layout = input == 0 ? std::make_shared<const plan::Layout>(state.circuit.input)
                            : state.circuit.operations[input - 1].layout;
    out.ciphertexts = state.ciphertexts(input);
    out.point = point;
    return out;
  }

  plan::ValueId push(SearchState& state, Operation operation) const {
    state.circuit.operations.push_back(std::move(operation));
    return state.last();
  }

  /// Rotations and sums, if there are any.
  plan::ValueId push_folds(SearchState& state, plan::ValueId input, const std::vector<plan::Fold::Sum>& folds,
                           const plan::Layout& after, Operation operation) const {
    if (folds.empty()) return input;
    operation.layout = std::make_shared<const plan::Layout>(after);
    operation.fold.sums = folds;
    for (auto& fold : operation.fold.sums) fold.step *= after.sharing.step();
    for (const auto& fold : folds) state.nanoseconds += (fold.count - 1) * operation.ciphertexts * key_switch();
    return push(state, std::move(operation));
  }

  plan::ValueId push_relinearize(SearchState& state, plan::ValueId input, std::size_t point, double factor) const {
    Operation out = operation(state, Kind::relinearize, input, point);
    out.drops = 1;
    out.factor = factor;
    state.nanoseconds += out.ciphertexts * key_switch();
    return push(state, std::move(out));
  }

  /// A transform into a candidate's layout and its folds; nothing where a ciphertext has no diagonal. `last`: of the
  /// network's last junction.
  std::optional<plan::ValueId> push_transform(SearchState& state, const BranchInput& input, const MapCache::MapPtr& map,
                                              const LayoutCandidate& to, std::size_t point, bool last) const {
    auto laid_out = std::make_shared<const LaidOutMap>(LaidOutMap{map, input.layout, to.to, to.spread, request_.slots});
    const std::size_t limbs = nominal_limbs();
    ckks::SplitOptions options;
    options.size = {limbs, kNominalDigitLimbs, (limbs + kNominalDigitLimbs - 1) / kNominalDigitLimbs, request_.ring};
    options.pairs = request_.ring == ckks::RingType::standard;
    options.longest_period = request_.slots;
    auto shape = cache_->sketch(*laid_out, state.circuit.ring_slots(), options);
    if (!shape) return std::nullopt;
    const std::size_t period = std::size_t{std::max(input.layout.period, to.to.period)} * to.to.sharing.step();
    state.nanoseconds +=
        transform_nanoseconds(cost_, request_.log2_degree, shape->cost(options.size, 1, period), options.size);
    Operation transform = operation(state, Kind::transform, input.id, point);
    state.maps.emplace_back(state.circuit.operations.size(), std::move(laid_out));
    transform.weight_error = map->weight_error;
    transform.largest_weight = map->largest_weight;
    transform.largest_bias = largest_bias(map->map.bias, to.to);
    transform.layout = std::make_shared<const plan::Layout>(to.to);
    transform.ciphertexts = to.to.ciphertexts();
    transform.origin = map->map.origin;
    transform.last = last;
    transform.drops = last ? 0 : 1;
    transform.sketch = std::move(shape);
    for (const auto& fold : to.folds) transform.parts *= fold.count;
    const plan::ValueId id = push(state, std::move(transform));
    Operation fold = operation(state, Kind::fold, id, point);
    fold.origin = map->map.origin;
    return push_folds(state, id, to.folds, to.after, std::move(fold));
  }

 private:
  std::uint32_t nominal_limbs() const { return std::min(2 + levels_left_, request_.most_limbs); }

  const LoweringRequest& request_;
  const CostModel& cost_;
  std::shared_ptr<MapCache> cache_;
  std::uint32_t levels_left_ = 0;
};

/// What comes before the transforms of a branch.
class BranchReader {
 public:
  BranchReader(const MonicNetwork& network, const Points& points, const Appender& append)
      : network_(network), points_(points), append_(append), readers_(count_readers(network)) {}

  /// Whether several branches read a value.
  bool shared(std::size_t value) const { return readers_[value] > 1; }

  /// Sums in front of a branch's maps, and a relinearisation where the activation before is still in three parts.
  Result<BranchInput> read(SearchState& state, const Branch& branch, const std::vector<JunctionOutput>& outputs,
                           bool first) const {
    PlacedValue& value = state.values[branch.source];
    std::optional<LinearMap> pool;  // that a map follows
    const Segment& segment = network_.segments[branch.segment];
    if (segment.size() > 1 && window_sum(segment[0])) pool = first_map(network_, branch, value.factor);
    auto sum = pool ? window_sum(*pool) : std::nullopt;
    const auto steps = sum ? sum_steps(*pool, sum->window, value.layout) : std::nullopt;
    if (!steps) sum.reset();
    const std::size_t point = points_.map(branch.segment, 0);
    const double factor = sum ? std::abs(sum->factor[0]) : 1;
    BranchInput out{value.id, value.layout, {}};
    const bool added = steps && !steps->add.empty();
    if (added) {
      Operation add = append_.operation(state, Kind::add, out.id, point);
      add.add = steps->add;
      add.ciphertexts = static_cast<std::uint32_t>(add.add.size());
      add.layout = std::make_shared<const plan::Layout>(steps->after);
      add.factor = factor;
      add.origin = pool->origin;
      out.id = append_.push(state, std::move(add));
    }
    // Relinearised after sums of ciphertexts, which may be fewer, and before rotations.
    if (value.three_parts) {
      const std::size_t k = *network_.junctions[branch.source - 1].activation;
      out.id =
          append_.push_relinearize(state, out.id, added ? point : points_.result(k), added ? factor : value.factor);
      state.circuit.operations.back().refreshable = !added;
    }
    if (steps) {
      Operation fold = append_.operation(state, Kind::fold, out.id, point);
      fold.factor = factor;
      fold.origin = pool->origin;
      out.id = append_.push_folds(state, out.id, steps->folds, steps->after, std::move(fold));
      out.layout = steps->after;
    }
    for (const JunctionOutput& output : outputs) {
      OBSCURA_TRY(MapCache::MapPtr map, prepared(branch, value.factor, sum, output, first));
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

 private:
  /// The maps of a branch in front of an output.
  Result<MapCache::MapPtr> prepared(const Branch& branch, double factor_in, const std::optional<WindowSum>& sum,
                                    const JunctionOutput& output, bool first) const {
    MapCache::MapKey key{branch.segment, factor_in, sum.has_value(), first, output.scale, output.shift, output.factor};
    return append_.cache().map(std::move(key), [&] {
      Segment maps;
      maps.push_back(first_map(network_, branch, factor_in));  // a list would copy it
      const Segment& segment = network_.segments[branch.segment];
      maps.insert(maps.end(), segment.begin() + 1, segment.end());
      return map_of(std::move(maps), sum, output, first);
    });
  }

  const MonicNetwork& network_;
  const Points& points_;
  const Appender& append_;
  std::vector<std::size_t> readers_;  ///< by value
};

/// Walks the network and keeps a few states.
class Lowering {
 public:
  Lowering(const MonicNetwork& network, const LoweringRequest& request, const CostModel& cost, const Grid& grid)
      : network_(network),
        request_(request),
        append_(request, cost),
        grid_(grid),
        points_(network),
        factors_(network, points_, request.bounded),
        reader_(network, points_, append_),
        left_(levels_after(network)) {
    SearchState start;
    start.circuit.log2_degree = request.log2_degree;
    start.circuit.ring = request.ring;
    start.circuit.input = input_layout(network.input, grid);
    start.values.push_back({0, start.circuit.input});
    states_.push_back(std::move(start));
  }

  Result<Circuit> run() {
    for (std::size_t j = 0; j < network_.junctions.size(); ++j) {
      OBSCURA_TRY_VOID(tell(request_.report, "layouts", j, network_.junctions.size()));
      OBSCURA_TRY_VOID(junction(j));
    }
    const SearchState best = std::move(states_[0]);
    Circuit out = best.circuit;
    out.output = best.values.back().layout;
    base::parallel_for(best.maps.size(), [&](std::size_t i) {
      const auto& [k, map] = best.maps[i];
      out.operations[k].diagonals = append_.cache().diagonals(*map);
      out.operations[k].laid_out = map;
    });
    return out;
  }

 private:
  Result<void> junction(std::size_t j) {
    const Junction& junction = network_.junctions[j];
    const bool last = j + 1 == network_.junctions.size();
    const auto own = junction.activation ? levels(network_.activations[*junction.activation]) : 0;
    append_.set_levels_left(last ? 0
                                 : 1 + static_cast<std::uint32_t>(own) + left_[j + 1] + (is_product(junction) ? 1 : 0));
    std::vector<SearchState> grown;
    for (SearchState& state : states_) OBSCURA_TRY_VOID(branches(state, j, grown));
    std::sort(grown.begin(), grown.end(),
              [](const SearchState& a, const SearchState& b) { return a.nanoseconds < b.nanoseconds; });
    if (grown.size() > kBeam) grown.resize(kBeam);
    states_ = std::move(grown);
    if (!junction.activation) return {};
    append_.set_levels_left(left_[j + 1]);
    activation(*junction.activation, reader_.shared(j + 1));
    return {};
  }

  /// All layouts of the first branch, with the other branches in the same.
  Result<void> branches(SearchState& state, std::size_t j, std::vector<SearchState>& grown) {
    const std::vector<Branch>& all = network_.junctions[j].branches;
    const bool product = is_product(network_.junctions[j]);
    std::vector<JunctionOutput> outputs = outputs_of(network_, points_, j, factors_.of_junction(j), grid_.positions);
    std::vector<BranchInput> inputs;
    for (const Branch& branch : all) {
      const bool first = inputs.empty() || branch.factor != all[inputs.size() - 1].factor;
      if (product) outputs[0].factor = factors_.of_factor(j, branch.factor);
      OBSCURA_TRY(BranchInput input, reader_.read(state, branch, outputs, first));
      inputs.push_back(std::move(input));
    }
    const plan::Layout& from = inputs[0].layout;
    const LinearMap& map = inputs[0].maps[0]->map;
    std::vector<LayoutCandidate> candidates = map.shape.empty()
                                                  ? std::vector<LayoutCandidate>{{from, {}, {}, from}}
                                                  : layout_candidates(map, from, grid_, reader_.next_pool(j + 1));
    if (needs_clean_slots(j)) std::erase_if(candidates, [](const LayoutCandidate& to) { return !to.clean; });
    std::vector<SearchState> fresh(candidates.size(), state);
    std::vector<char> fits(candidates.size(), 0);
    base::parallel_for(candidates.size(), [&](std::size_t t) {
      if (!plan::verify_layout(candidates[t].to, request_.slots, "").ok()) return;
      fits[t] = product ? join_product(fresh[t], j, inputs, candidates[t])
                        : join(fresh[t], j, inputs, outputs, candidates[t]);
    });
    bool any = false;
    for (std::size_t t = 0; t < candidates.size(); ++t) {
      if (!fits[t]) continue;
      any = true;
      grown.push_back(std::move(fresh[t]));
    }
    if (any) return {};
    return error(Code::infeasible, "{}: no layout fits N = 2^{}", map.origin, request_.log2_degree);
  }

  /// Whether what a junction's activation does to slots without an element matters. Nor may an answer hold sums of
  /// parts beside its logits.
  bool needs_clean_slots(std::size_t j) const {
    const auto& activation = network_.junctions[j].activation;
    return j + 1 == network_.junctions.size() || request_.bounded != nullptr ||
           (activation && levels(network_.activations[*activation]) > 1);
  }

  /// What a junction's branches give together. False where a ciphertext has no diagonal.
  bool join(SearchState& state, std::size_t j, const std::vector<BranchInput>& inputs,
            const std::vector<JunctionOutput>& outputs, const LayoutCandidate& to) const {
    const Junction& junction = network_.junctions[j];
    std::vector<plan::ValueId> values;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const auto value = join_output(state, j, inputs, outputs[i], i, to, false);
      if (!value) return false;
      values.push_back(*value);
    }
    // Secondary outputs keep their limbs: none is bootstrapped alone.
    const MonicActivation* y = outputs[0].secondary ? &network_.activations[*junction.activation] : nullptr;
    state.circuit.operations.back().refreshable = y == nullptr;
    state.values.push_back({values[0], to.after, factors_.of_junction(j)});
    if (y != nullptr && !is_square(*y)) state.values.back().a = values[1];
    if (y != nullptr && !(is_zero(y->q) && is_zero(y->r))) state.values.back().b = values.back();
    // What the activation will cost more where its input is in several ciphertexts.
    if (junction.activation) {
      const auto own = static_cast<double>(levels(network_.activations[*junction.activation]));
      state.nanoseconds += own * to.to.ciphertexts() * append_.key_switch();
    }
    return true;
  }

  /// Both sums of a product, in one layout, and the product of both. False where a ciphertext has no diagonal.
  bool join_product(SearchState& state, std::size_t j, const std::vector<BranchInput>& inputs,
                    const LayoutCandidate& candidate) const {
    plan::ValueId sums[2];
    for (const bool other : {false, true}) {
      const JunctionOutput output{{1}, {0}, factors_.of_factor(j, other), {}};
      const LayoutCandidate to = other ? LayoutCandidate{candidate.after, {}, {}, candidate.after} : candidate;
      const auto sum = join_output(state, j, inputs, output, 0, to, other);
      if (!sum) return false;
      sums[other ? 1 : 0] = *sum;
      state.circuit.operations.back().refreshable = !other;
    }
    const double factor = factors_.of_junction(j);
    Operation product = append_.operation(state, Kind::product, sums[1], points_.sum(j));
    product.other = sums[0];
    product.factor = factor;
    product.origin = network_.junctions[j].origin;
    const plan::ValueId both = append_.push(state, std::move(product));
    const plan::ValueId id = append_.push_relinearize(state, both, points_.sum(j), factor);
    state.circuit.operations.back().refreshable = true;
    state.values.push_back({id, candidate.after, factor});
    return true;
  }

  /// The transforms of a junction's branches, of those that are factors or of the others, and their sum.
  std::optional<plan::ValueId> join_output(SearchState& state, std::size_t j, const std::vector<BranchInput>& inputs,
                                           const JunctionOutput& output, std::size_t index,
                                           const LayoutCandidate& candidate, bool factor) const {
    const Junction& junction = network_.junctions[j];
    std::vector<Operation>& operations = state.circuit.operations;
    std::vector<plan::ValueId> ends;
    const std::size_t first = operations.size();
    for (std::size_t b = 0; b < inputs.size(); ++b) {
      if (junction.branches[b].factor != factor) continue;
      const LayoutCandidate to = ends.empty() ? candidate : LayoutCandidate{candidate.after, {}, {}, candidate.after};
      const std::size_t segment = junction.branches[b].segment;
      const std::size_t point = points_.map(segment, network_.segments[segment].size() - 1);
      const bool last = j + 1 == network_.junctions.size();
      const auto end = append_.push_transform(state, inputs[b], inputs[b].maps[index], to, point, last);
      if (!end) return std::nullopt;
      ends.push_back(*end);
    }
    if (ends.size() > 1) {
      const std::size_t point = is_product(junction) ? points_.factor(j, factor ? 1 : 0) : points_.sum(j);
      Operation sum = append_.operation(state, Kind::sum, ends[0], point);
      for (std::size_t e = 1; e < ends.size(); ++e) sum.addends.push_back({ends[e]});
      sum.origin = junction.origin;
      append_.push(state, std::move(sum));
    }
    for (std::size_t k = first; k < operations.size(); ++k) {
      operations[k].factor = output.factor;
      operations[k].secondary = output.secondary;
      if (output.secondary) operations[k].activation = *junction.activation;
    }
    return state.last();
  }

  /// The operations of activation k. A product stays in three parts until its one reader's sums; what several read is
  /// relinearised here.
  void activation(std::size_t k, bool shared) {
    const MonicActivation& a = network_.activations[k];
    for (SearchState& state : states_) {
      PlacedValue& value = state.values.back();
      std::vector<Operation>& operations = state.circuit.operations;
      const std::size_t first = operations.size();
      value.id = add_activation(network_, points_, k, value, state.circuit);
      for (std::size_t i = first; i < operations.size(); ++i) {
        if (operations[i].kind == Kind::relinearize) {
          state.nanoseconds += operations[i].ciphertexts * append_.key_switch();
        }
      }
      value.factor = a.approximation ? 1 : std::pow(value.factor, 2 * a.squares);
      const bool product = !a.approximation || is_compound(a);
      if (product && shared) value.id = append_.push_relinearize(state, value.id, points_.result(k), value.factor);
      operations.back().refreshable = !product || shared;
      value.three_parts = product && !shared;
    }
  }

  const MonicNetwork& network_;
  const LoweringRequest& request_;
  Appender append_;
  Grid grid_;
  Points points_;
  Factors factors_;
  BranchReader reader_;
  std::vector<std::uint32_t> left_;  ///< levels after a value
  std::vector<SearchState> states_;
};

}  // namespace

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

std::uint32_t levels(const MonicNetwork& network) { return levels_after(network)[0]; }

Result<Circuit> lower(const MonicNetwork& network, const LoweringRequest& request, const CostModel& cost) {
  const auto grid = make_grid(network.input, request.slots, request.images, request.interleaved);
  if (!grid) {
    return error(Code::infeasible,
                 "an image of {} has more pixels in a plane than a ciphertext of N = 2^{} has slots for each of {}",
                 nn::to_string(network.input), request.log2_degree, request.images);
  }
  const CostModel own = cost.of(request.ring);
  return Lowering(network, request, own, *grid).run();
}

}  // namespace obscura::compile
