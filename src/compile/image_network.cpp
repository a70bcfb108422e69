// SPDX-License-Identifier: Apache-2.0
#include "compile/image_network.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/parallel.h"
#include "compile/quantize.h"
#include "compile/symbol.h"

namespace obscura::compile {
namespace {

using Kind = ImageStep::Kind;

constexpr int kWeightBits = 22;      // rounding then drowns in what encoding and encryption do
constexpr int kLeastWeightBits = 8;  // where rows are so long that more would break the bound on them
constexpr std::size_t kBeam = 3;     // ways that are kept
constexpr std::size_t kNominalDigitLimbs = 2;
constexpr int kNominalBits = 40;
/// Positions of a convolution that stand for all when diagonals are counted.
constexpr std::uint32_t kSampledRows = 4;

bool uniform(const Elements& values) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == values[0]; });
}

/// One number for all elements; none for 0.
std::vector<double> one_number(const Elements& values) {
  return is_zero(values) ? std::vector<double>() : std::vector<double>{values[0]};
}

/// What the sum's factors and biases become in the map after it.
void absorb(const WindowSum& sum, const LinearMap& pool, LinearMap& next) {
  const std::vector<double> shift = multiply(next.matrix, pool.bias);
  for (std::size_t r = 0; r < next.bias.size(); ++r) next.bias[r] += shift[r];
  scale_columns(next.matrix, sum.factor);
}

struct QuantizedWeights {
  std::vector<std::int32_t> integers;
  double scale = 1;
  bool exact = false;  ///< nothing was rounded
};

/// Exact where weights are whole; else the most bits that the bound on rows allows.
Result<QuantizedWeights> quantized(const LinearMap& map) {
  if (const auto whole = whole_scale(map)) {
    OBSCURA_TRY(auto integers, quantize(map, *whole));
    return QuantizedWeights{std::move(integers), *whole, true};
  }
  for (int bits = kWeightBits;; --bits) {
    const double scale = power_scale(map, bits);
    auto integers = quantize(map, scale);
    if (integers.ok()) return QuantizedWeights{std::move(integers).value(), scale, false};
    if (bits == kLeastWeightBits) return integers.error();
  }
}

/// A way through the network so far.
struct Way {
  ImageNetwork network;
  plan::Layout layout;
  double nanoseconds = 0;
  std::uint32_t ciphertexts() const {
    return network.steps.empty() ? network.input.ciphertexts() : network.steps.back().ciphertexts;
  }
  plan::ValueId value() const { return static_cast<plan::ValueId>(network.steps.size()); }
};

/// Whether a row of a map is one of those that stand for all.
std::vector<bool> sampled(const LinearMap& map) {
  std::vector<bool> out(map.matrix.rows, true);
  if (map.shape.size() != 3 || map.shape[1] * map.shape[2] <= kSampledRows * kSampledRows) return out;
  const auto height = static_cast<std::uint32_t>(map.shape[1]), width = static_cast<std::uint32_t>(map.shape[2]);
  const auto near = [](std::uint32_t at, std::uint32_t count) {  // both ends are cut, the middle is not
    return count <= kSampledRows || (at >= count / 2 - 2 && at < count / 2 + 2);
  };
  for (std::uint32_t r = 0; r < out.size(); ++r) {
    out[r] = near(r / width % height, height) && near(r % width, width);
  }
  return out;
}

std::vector<ckks::Diagonal> diagonals_of(const LinearMap& map, const plan::Layout& from, const Target& target,
                                         std::uint64_t slots) {
  const plan::Spots spots(from, target.to, target.spread, slots);
  const std::uint32_t inputs = from.ciphertexts(), outputs = target.to.ciphertexts();
  const std::vector<bool> sample = sampled(map);
  std::vector<bool> seen(std::size_t{inputs} * outputs * slots);
  std::vector<ckks::Diagonal> out;
  for (std::uint32_t r = 0; r < map.matrix.rows; ++r) {
    if (!sample[r]) continue;
    for (std::uint64_t k = map.matrix.start[r]; k < map.matrix.start[r + 1]; ++k) {
      for (std::uint32_t copy = 0; copy < spots.copies(); ++copy) {
        const ckks::Diagonal d = spots.at(r, map.matrix.column[k], copy).diagonal;
        const std::size_t step =
            static_cast<std::size_t>(d.step < 0 ? d.step + static_cast<std::int64_t>(slots) : d.step);
        const std::size_t index = (std::size_t{d.output} * inputs + d.input) * slots + step;
        if (seen[index]) continue;
        seen[index] = true;
        out.push_back(d);
      }
    }
  }
  return out;
}

/// Walks the network and keeps a few ways.
class Builder {
 public:
  Builder(const MonicNetwork& network, int log2_degree, const CostModel& cost, const Grid& grid)
      : network_(network), log2_degree_(log2_degree), cost_(cost), grid_(grid), points_(network) {
    for (const auto& a : network.activations) drops_ += 1 + static_cast<std::uint32_t>(a.squares);
    Way start;
    start.network.log2_degree = log2_degree;
    start.network.input = input_layout(network.input, grid);
    start.layout = start.network.input;
    ways_.push_back(std::move(start));
  }

  Result<ImageNetwork> run() {
    for (std::size_t s = 0; s < network_.segments.size(); ++s) {
      OBSCURA_TRY_VOID(segment(s));
      if (s < network_.activations.size()) OBSCURA_TRY_VOID(activation(s));
    }
    ImageNetwork best = std::move(ways_[0].network);
    best.output = ways_[0].layout;
    return best;
  }

 private:
  ckks::SwitchSize size() const {
    const std::size_t limbs = 2 + drops_;
    return {limbs, kNominalDigitLimbs, (limbs + kNominalDigitLimbs - 1) / kNominalDigitLimbs};
  }
  double key_switch() const { return cost_.relinearize(log2_degree_, kNominalBits, 2 + drops_, kNominalDigitLimbs, 0); }

  void push(Way& way, ImageStep step) const {
    step.input = way.value();
    way.network.steps.push_back(std::move(step));
  }

  void push_folds(Way& way, const std::vector<plan::Fold::Sum>& folds, std::size_t point, double factor,
                  const std::string& origin) const {
    if (folds.empty()) return;
    ImageStep step;
    step.kind = Kind::fold;
    step.ciphertexts = way.ciphertexts();
    step.fold.sums = folds;
    step.point = point;
    step.factor = factor;
    step.origin = origin;
    for (const auto& fold : folds) way.nanoseconds += (fold.count - 1) * step.ciphertexts * key_switch();
    push(way, std::move(step));
  }

  void push_relinearize(Way& way, std::size_t point, double factor) const {
    ImageStep step;
    step.kind = Kind::relinearize;
    step.ciphertexts = way.ciphertexts();
    step.point = point;
    step.factor = factor;
    way.nanoseconds += step.ciphertexts * key_switch();
    push(way, std::move(step));
  }

  /// The maps of a segment, the first of which adds what was taken away from the activation before: the constant would
  /// only enlarge what the rounding of diagonals is multiplied with.
  Segment with_rest(std::size_t s) const {
    Segment maps = network_.segments[s];
    const double constant = s > 0 ? resting(network_.activations[s - 1]) : 0;
    if (constant == 0) return maps;
    const std::vector<double> shift = multiply(maps[0].matrix, Elements{constant});
    for (std::size_t r = 0; r < shift.size(); ++r) maps[0].bias[r] += shift[r];
    return maps;
  }

  /// Sums in front of the segment's maps, a relinearisation where the activation before is still in three parts, and
  /// one transform.
  Result<void> segment(std::size_t s) {
    std::vector<Way> grown;
    const Segment maps = with_rest(s);
    for (Way& way : ways_) {
      const std::size_t first = sums(way, s, maps);
      const LinearMap map = rest(maps, first);
      OBSCURA_TRY_VOID(transforms(way, s, map, grown));
    }
    std::sort(grown.begin(), grown.end(), [](const Way& a, const Way& b) { return a.nanoseconds < b.nanoseconds; });
    if (grown.size() > kBeam) grown.resize(kBeam);
    ways_ = std::move(grown);
    if (s + 1 < network_.segments.size()) --drops_;
    base::parallel_for(ways_.size(), [&](std::size_t w) { finish(ways_[w]); });
    return {};
  }

  /// Sums the average poolings at the start of a segment; returns how many maps they were.
  std::size_t sums(Way& way, std::size_t s, const Segment& maps) {
    const bool three_parts = s > 0;
    absorbed_.reset();
    std::size_t first = 0;
    std::size_t point = s > 0 ? last_point(s - 1) : 0;
    double factor = 1;
    std::optional<SumSteps> steps;
    const auto sum = maps.size() > 1 ? window_sum(maps[0]) : std::nullopt;
    if (sum) steps = sum_steps(maps[0], sum->window, way.layout);
    if (steps) {
      absorbed_ = maps[1];
      absorb(*sum, maps[0], *absorbed_);
      first = 1;
      point = points_.map(s, 0);
      factor = std::abs(sum->factor[0]);
      if (!steps->add.empty()) {
        ImageStep add;
        add.kind = Kind::add;
        add.add = steps->add;
        add.ciphertexts = static_cast<std::uint32_t>(add.add.size());
        add.point = point;
        add.factor = factor;
        add.origin = maps[0].origin;
        push(way, std::move(add));
      }
    }
    // Relinearised after sums of ciphertexts, which may be fewer, and before rotations.
    if (three_parts) {
      const bool added = steps && !steps->add.empty();
      push_relinearize(way, added ? point : last_point(s - 1), added ? factor : 1);
    }
    if (steps) {
      push_folds(way, steps->folds, point, factor, maps[0].origin);
      way.layout = steps->after;
    }
    return first;
  }

  /// The maps of a segment from `first` on as one.
  LinearMap rest(const Segment& maps, std::size_t first) const {
    LinearMap out = absorbed_ ? *absorbed_ : maps[first];
    for (std::size_t m = first + 1; m < maps.size(); ++m) out = compose(maps[m], out);
    return out;
  }

  /// The window of an average pooling in front of the next segment.
  std::uint32_t next_pool(std::size_t s) const {
    if (s + 1 >= network_.segments.size() || network_.segments[s + 1].size() < 2) return 1;
    const auto sum = window_sum(network_.segments[s + 1][0]);
    return sum ? sum->window : 1;
  }

  Result<void> transforms(const Way& way, std::size_t s, const LinearMap& map, std::vector<Way>& grown) {
    const std::vector<Target> targets = targets_of(map, way.layout, grid_, next_pool(s));
    std::vector<Way> fresh(targets.size(), way);
    std::vector<char> fits(targets.size(), 0);
    OBSCURA_TRY(const QuantizedWeights weights, quantized(map));
    const auto integers = std::make_shared<const ckks::IntegerMap>(to_blocks(map.matrix, weights.integers));
    base::parallel_for(targets.size(), [&](std::size_t t) {
      fits[t] = plan::verify_layout(targets[t].to, grid_.slots, "").ok() && extend(fresh[t], s, map, targets[t]);
    });
    for (std::size_t t = 0; t < targets.size(); ++t) {
      if (!fits[t]) continue;
      auto prototype = std::make_shared<plan::Transform>();
      prototype->map = *integers;
      prototype->weight_scale = weights.scale;
      prototype->bias = map.bias;
      prototype->from = way.layout;
      prototype->to = targets[t].to;
      prototype->spread = targets[t].spread;
      ImageStep& step = fresh[t].network.steps[way.network.steps.size()];
      step.transform = std::move(prototype);
      step.weight_error = weights.exact ? 0 : 1 / (12 * weights.scale * weights.scale);
      grown.push_back(std::move(fresh[t]));
    }
    if (grown.empty()) return error(Code::infeasible, "{}: no layout fits N = 2^{}", map.origin, log2_degree_);
    return {};
  }

  /// Adds a transform to a target and its folds, with their cost. False where a ciphertext has no diagonal.
  bool extend(Way& way, std::size_t s, const LinearMap& map, const Target& target) const {
    const auto diagonals = diagonals_of(map, way.layout, target, grid_.slots);
    std::set<std::uint32_t> inputs, outputs;
    for (const ckks::Diagonal& d : diagonals) inputs.insert(d.input), outputs.insert(d.output);
    if (inputs.size() != way.layout.ciphertexts() || outputs.size() != target.to.ciphertexts()) return false;
    const ckks::TransformShape shape(grid_.slots, way.layout.ciphertexts(), target.to.ciphertexts(), diagonals,
                                     {size(), {}});
    way.nanoseconds += transform_nanoseconds(cost_, log2_degree_, shape.cost(size(), 1), size());
    ImageStep step;
    step.ciphertexts = target.to.ciphertexts();
    step.point = points_.map(s, network_.segments[s].size() - 1);
    step.origin = map.origin;
    step.last = s + 1 == network_.segments.size();
    for (const auto& fold : target.folds) step.parts *= fold.count;
    push(way, std::move(step));
    push_folds(way, target.folds, points_.map(s, network_.segments[s].size() - 1), 1, map.origin);
    way.layout = target.after;
    // What the activation will cost more where its input is in several ciphertexts.
    if (s < network_.activations.size()) {
      way.nanoseconds += network_.activations[s].squares * target.to.ciphertexts() * key_switch();
    }
    return true;
  }

  /// The exact diagonals of a way's last transform.
  void finish(Way& way) const {
    for (auto step = way.network.steps.rbegin(); step != way.network.steps.rend(); ++step) {
      if (step->kind != Kind::transform) continue;
      if (!step->diagonals) step->diagonals = std::make_shared<const plan::Diagonals>(*step->transform, grid_.slots);
      return;
    }
  }

  std::size_t last_point(std::size_t k) const {
    return network_.activations[k].squares == 2 ? points_.result(k) : points_.square(k);
  }

  void push_square(Way& way, std::size_t k, std::size_t point) const {
    ImageStep step;
    step.kind = Kind::square;
    step.ciphertexts = way.ciphertexts();
    step.activation = k;
    step.point = point;
    step.origin = network_.activations[k].origin;
    push(way, std::move(step));
  }

  void push_combine(Way& way, std::size_t k, plan::ValueId x, const Elements& coefficient, const Elements& constant,
                    std::size_t point) const {
    if (is_zero(coefficient) && is_zero(constant)) return;
    ImageStep step;
    step.kind = Kind::combine;
    step.ciphertexts = way.ciphertexts();
    step.activation = k;
    step.other = x;
    step.coefficient = one_number(coefficient);
    step.constant = one_number(constant);
    step.point = point;
    step.origin = network_.activations[k].origin;
    push(way, std::move(step));
  }

  /// The squares of activation k; the last one stays in three parts until the next segment's sums.
  Result<void> activation(std::size_t k) {
    const MonicActivation& a = network_.activations[k];
    if (!uniform(a.p) || !uniform(a.q) || !uniform(a.r)) {
      return error(Code::unsupported,
                   "activation {}: in the image layout a polynomial of degree 4 has the same coefficients for all "
                   "elements, up to scale and shift",
                   a.origin);
    }
    for (Way& way : ways_) {
      const plan::ValueId x = way.value();
      push_square(way, k, points_.square(k));
      if (a.squares == 1) continue;
      push_combine(way, k, x, a.p, a.q, points_.shifted(k));
      push_relinearize(way, points_.shifted(k), 1);
      push_square(way, k, points_.outer_square(k));
      push_combine(way, k, x, a.r, {-resting(a)}, points_.result(k));
    }
    drops_ -= static_cast<std::uint32_t>(a.squares);
    return {};
  }

  const MonicNetwork& network_;
  int log2_degree_;
  const CostModel& cost_;
  Grid grid_;
  Points points_;
  std::uint32_t drops_ = 0;  ///< divisions that are still to come
  std::vector<Way> ways_;
  std::optional<LinearMap> absorbed_;  ///< the segment's first map after its sum
};

/// Whether every segment reads what the activation before it gives, and nothing else does.
bool is_chain(const MonicNetwork& network) {
  for (std::size_t j = 0; j < network.junctions.size(); ++j) {
    const Junction& junction = network.junctions[j];
    const bool last = j + 1 == network.junctions.size();
    if (junction.branches.size() != 1 || junction.branches[0].source != j || junction.branches[0].segment != j)
      return false;
    if (!last && junction.activation != j) return false;
  }
  return true;
}

}  // namespace

std::uint32_t ImageNetwork::drops() const {
  std::uint32_t count = 0;
  for (const ImageStep& step : steps) {
    count += step.kind == Kind::relinearize || (step.kind == Kind::transform && !step.last) ? 1 : 0;
  }
  return count;
}

double transform_nanoseconds(const CostModel& cost, int log2_degree, const ckks::TransformCost& work,
                             const ckks::SwitchSize& size) {
  const double n = std::exp2(log2_degree);
  const double ntts = static_cast<double>(work.ntts + work.encode_ntts) * cost.ntt(log2_degree, kNominalBits);
  const double products = static_cast<double>(work.products) * n * cost.product_ns;
  const double ffts = static_cast<double>(work.plaintexts) * n / 2 * (log2_degree - 1) * cost.fft_ns;
  const double drawn = static_cast<double>(work.keys * size.digits * (size.limbs + size.special)) * n * cost.draw_ns;
  return ntts + (products + ffts + drawn) / cost.threads;
}

Result<ImageNetwork> make_image_network(const MonicNetwork& network, int log2_degree, const CostModel& cost) {
  if (!is_chain(network)) {
    return error(Code::unsupported, "network '{}': shortcuts around activations are compiled in the batch layout only",
                 network.name);
  }
  const auto slots = std::uint32_t{1} << (log2_degree - 1);
  const auto grid = make_grid(network.input, slots);
  if (!grid) {
    return error(Code::infeasible, "an image of {} has more pixels in a plane than N = 2^{} has slots",
                 nn::to_string(network.input), log2_degree);
  }
  return Builder(network, log2_degree, cost, *grid).run();
}

}  // namespace obscura::compile
