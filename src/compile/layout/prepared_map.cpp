// SPDX-License-Identifier: Apache-2.0
#include "compile/layout/prepared_map.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "compile/front/symbol.h"
#include "compile/measure/quantize.h"

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

Result<PreparedMap> prepare_map(const Segment& maps, const std::optional<WindowSum>& sum) {
  std::size_t first = sum ? 1 : 0;
  PreparedMap out;
  out.map = maps[first];
  if (sum) absorb(*sum, maps[0], out.map);
  for (++first; first < maps.size(); ++first) out.map = compose(maps[first], out.map);
  OBSCURA_TRY(const QuantizedWeights weights, quantized(out.map));
  out.integers = std::make_shared<const ckks::IntegerMap>(to_blocks(out.map.matrix, weights.integers));
  for (const std::int32_t w : weights.integers) {
    out.largest_weight = std::max(out.largest_weight, std::abs(static_cast<double>(w)) / weights.scale);
  }
  out.weight_scale = weights.scale;
  out.weight_error = weights.exact ? 0 : 1 / (12 * weights.scale * weights.scale);
  forget_weights(out.map);
  return out;
}

std::vector<ckks::Diagonal> sampled_diagonals(const PreparedMap& map, const plan::Layout& from, const plan::Layout& to,
                                              const std::vector<std::uint32_t>& spread, std::uint64_t slots) {
  const std::uint64_t positions = from.positions(slots);
  const plan::SlotMap slot_map(from, to, spread, positions);
  const std::uint32_t inputs = from.ciphertexts(), outputs = to.ciphertexts();
  const std::uint32_t copies = slot_map.alike() ? 1 : slot_map.copies();
  const std::vector<bool> sample = sampled(map.map);
  std::vector<bool> seen(std::size_t{inputs} * outputs * positions);
  std::vector<ckks::Diagonal> out;
  for (const ckks::IntegerBlock& block : map.integers->blocks) {
    const ckks::IntegerMatrix& matrix = map.integers->matrices[block.matrix];
    for (std::size_t r = 0; r < block.outputs.size(); ++r) {
      if (!sample[block.outputs[r]]) continue;
      for (std::size_t c = 0; c < block.inputs.size(); ++c) {
        if (matrix.data[r * matrix.cols + c] == 0) continue;
        for (std::uint32_t copy = 0; copy < copies; ++copy) {
          ckks::Diagonal d = slot_map.at(block.outputs[r], block.inputs[c], copy).diagonal;
          const std::size_t step =
              static_cast<std::size_t>(d.step < 0 ? d.step + static_cast<std::int64_t>(positions) : d.step);
          const std::size_t index = (std::size_t{d.output} * inputs + d.input) * positions + step;
          if (seen[index]) continue;
          seen[index] = true;
          d.step *= from.images;
          out.push_back(d);
        }
      }
    }
  }
  return out;
}

}  // namespace obscura::compile
