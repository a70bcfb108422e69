// SPDX-License-Identifier: Apache-2.0
#include "compile/layout/prepared_map.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <span>

#include "compile/front/symbol.h"
#include "compile/measure/quantize.h"
#include "plan/slot_map.h"

namespace obscura::compile {
namespace {

constexpr int kWeightBits = 22;      // rounding then drowns in what encoding and encryption do
constexpr int kLeastWeightBits = 8;  // where rows are so long that more would break the bound on them
/// Positions of a convolution that represent all when diagonals are counted.
constexpr std::uint32_t kSampledRows = 4;

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
  const double largest = largest_weight(map);
  for (int bits = kWeightBits;; --bits) {
    const double scale = power_scale(largest, bits);
    auto integers = quantize(map, scale);
    if (integers.ok()) return QuantizedWeights{std::move(integers).value(), scale, false};
    if (bits == kLeastWeightBits) return integers.error();
  }
}

/// The columns of the first channel's rows.
void forget_weights(LinearMap& map) {
  SparseMatrix& m = map.matrix;
  const std::size_t plane = map.shape.size() == 3 ? static_cast<std::size_t>(map.shape[1] * map.shape[2]) : 0;
  for (std::size_t r = plane + 1; r < m.start.size(); ++r) m.start[r] = m.start[plane];
  m.column.resize(m.start[plane]);
  m.column.shrink_to_fit();
  m.value = {};
}

/// Whether a row of a map is one of those that represent all.
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

}  // namespace

Result<PreparedMap> prepare_map(Segment maps, const std::optional<WindowSum>& sum) {
  std::size_t first = sum ? 1 : 0;
  PreparedMap out;
  out.map = std::move(maps[first]);
  if (sum) absorb(*sum, maps[0], out.map);
  for (++first; first < maps.size(); ++first) out.map = compose(maps[first], out.map);
  OBSCURA_TRY(const QuantizedWeights weights, quantized(out.map));
  out.integers = std::make_shared<const ckks::IntegerMap>(to_blocks(out.map.matrix, weights.integers));
  std::int32_t largest = 0;
  for (const std::int32_t w : weights.integers) largest = std::max(largest, std::abs(w));
  out.largest_weight = largest / weights.scale;
  out.weight_scale = weights.scale;
  out.weight_error = weights.exact ? 0 : 1 / (12 * weights.scale * weights.scale);
  forget_weights(out.map);
  return out;
}

plan::Transform LaidOutMap::transform(bool weights) const {
  plan::Transform out;
  if (weights) out.map = *map->integers;
  out.weight_scale = map->weight_scale;
  out.bias = map->map.bias;
  out.from = from;
  out.to = to;
  out.spread = spread;
  return out;
}

namespace {

/// Distances of 0 <= distance < period, a power of two, as bits.
class Distances {
 public:
  explicit Distances(std::uint32_t period) : period_(period), bits_((period + kBits - 1) / kBits, 0) {}
  void clear() { std::fill(bits_.begin(), bits_.end(), 0); }
  void add(std::uint32_t distance) { bits_[distance / kBits] |= std::uint64_t{1} << distance % kBits; }
  bool contains(std::uint32_t distance) const { return (bits_[distance / kBits] >> distance % kBits & 1) != 0; }
  std::size_t words() const { return bits_.size(); }
  /// All of other's, each less `turn`.
  void add_turned(const Distances& other, std::uint32_t turn) {
    if (period_ < kBits) {
      for (std::uint32_t d = 0; d < period_; ++d) {
        if (other.contains(d)) add((d - turn) & (period_ - 1));
      }
      return;
    }
    const std::size_t count = bits_.size(), first = turn / kBits;
    const std::uint32_t shift = turn % kBits;
    const auto add_words = [&](std::size_t to, std::size_t from, std::size_t some) {
      for (std::size_t k = 0; k < some; ++k) {
        // In two shifts, of which neither is 64 where the first of all is 0.
        const std::uint64_t next = other.bits_[from + k + 1 == count ? 0 : from + k + 1];
        bits_[to + k] |= other.bits_[from + k] >> shift | next << 1U << (kBits - 1 - shift);
      }
    };
    add_words(0, first, count - first);
    add_words(count - first, 0, first);
  }

 private:
  static constexpr std::uint32_t kBits = 64;
  std::uint32_t period_;
  std::vector<std::uint64_t> bits_;
};

/// Distances from the outputs to the inputs that they have a weight of, by ciphertexts.
class DistanceFinder {
 public:
  DistanceFinder(const PreparedMap& map, const plan::SlotMap& slot_map, std::uint32_t inputs, std::uint32_t outputs)
      : map_(*map.integers),
        slot_map_(slot_map),
        inputs_(inputs),
        found_(std::size_t{inputs} * outputs, Distances(slot_map.distances())),
        sources_(inputs, Distances(slot_map.distances())) {}

  const Distances& at(std::uint32_t output, std::uint32_t input) const {
    return found_[std::size_t{output} * inputs_ + input];
  }

  /// Of the wanted outputs of a block.
  void add(const ckks::IntegerBlock& block, const std::vector<bool>& wanted) {
    for (Distances& one : sources_) one.clear();
    for (const std::uint32_t input : block.inputs) {
      const plan::Place& source = slot_map_.source(input);
      sources_[source.ciphertext].add(source.position);
    }
    for (std::size_t r = 0; r < block.outputs.size(); ++r) {
      if (!wanted[block.outputs[r]]) continue;
      for (std::uint32_t copy = 0; copy < slot_map_.copies_apart(); ++copy) add_row(block, r, copy);
    }
  }

 private:
  void add_row(const ckks::IntegerBlock& block, std::size_t r, std::uint32_t copy) {
    const auto weights =
        std::span(map_.matrices[block.matrix].data).subspan(r * block.inputs.size(), block.inputs.size());
    const plan::Place target = slot_map_.target(block.outputs[r]);
    const std::uint32_t turn = slot_map_.distances() - 1;  // a power of two
    const std::uint32_t position = target.position + copy * slot_map_.to_period();
    Distances* found = &found_[std::size_t{target.ciphertext} * inputs_];
    const bool full =
        weights.size() > inputs_ * sources_[0].words() && std::find(weights.begin(), weights.end(), 0) == weights.end();
    if (full) {
      for (std::uint32_t i = 0; i < inputs_; ++i) found[i].add_turned(sources_[i], position & turn);
      return;
    }
    for (std::size_t c = 0; c < weights.size(); ++c) {
      if (weights[c] == 0) continue;
      const plan::Place& source = slot_map_.source(block.inputs[c]);
      found[source.ciphertext].add((source.position - position) & turn);
    }
  }

  const ckks::IntegerMap& map_;
  const plan::SlotMap& slot_map_;
  std::uint32_t inputs_;
  std::vector<Distances> found_;    ///< by output and input
  std::vector<Distances> sources_;  ///< positions that the block reads, by input
};

}  // namespace

std::vector<ckks::Diagonal> sampled_diagonals(const PreparedMap& map, const plan::Layout& from, const plan::Layout& to,
                                              const std::vector<std::uint32_t>& spread, std::uint64_t slots) {
  const plan::SlotMap slot_map(from, to, spread, from.positions(slots));
  const std::vector<bool> sample = sampled(map.map);
  const std::uint32_t inputs = from.ciphertexts(), outputs = to.ciphertexts(), distances = slot_map.distances();
  DistanceFinder finder(map, slot_map, inputs, outputs);
  for (const plan::AlikeBlocks& group : plan::alike_blocks(*map.integers, slot_map, sample)) {
    finder.add(map.integers->blocks[group[0]], sample);
  }
  std::vector<ckks::Diagonal> out;
  for (std::uint32_t o = 0; o < outputs; ++o) {
    for (std::uint32_t i = 0; i < inputs; ++i) {
      Distances steps(distances);
      for (std::uint32_t distance = 0; distance < distances; ++distance) {
        if (!finder.at(o, i).contains(distance)) continue;
        const auto offset = static_cast<std::uint32_t>(slot_map.offsets()[slot_map.part(distance)]);
        const std::uint32_t turned = (distance - offset) & (distances - 1);
        if (steps.contains(turned)) continue;
        steps.add(turned);
        const std::int64_t step = turned > distances / 2 ? std::int64_t{turned} - distances : std::int64_t{turned};
        out.push_back({o, i, step * from.sharing.step()});
      }
    }
  }
  return out;
}

}  // namespace obscura::compile
