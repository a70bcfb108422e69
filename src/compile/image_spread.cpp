// SPDX-License-Identifier: Apache-2.0
#include "compile/image_spread.h"

#include <algorithm>
#include <span>

namespace obscura::compile {
namespace {

bool same_row(const LinearMap& map, std::uint32_t a, std::uint32_t b) {
  const SparseMatrix& m = map.matrix;
  const auto entries = [&](const auto& of, std::uint32_t r) {
    return std::span(of).subspan(m.start[r], m.start[r + 1] - m.start[r]);
  };
  return map.bias[a] == map.bias[b] && std::ranges::equal(entries(m.column, a), entries(m.column, b)) &&
         std::ranges::equal(entries(m.value, a), entries(m.value, b));
}

/// Sums that repeat what stands at one slot at `count` slots, `step` apart to the right: one for each prime factor.
void repeat(std::uint32_t count, std::uint32_t step, std::uint32_t slots, std::vector<plan::Fold::Sum>& folds) {
  for (std::uint32_t p = 2; count > 1; ++p) {
    for (; count % p == 0; count /= p, step *= p) folds.push_back({slots - step, p});
  }
}

}  // namespace

std::optional<ChannelSpread> channel_spread(const LinearMap& map, const plan::Layout& to, std::uint32_t slots) {
  const std::uint32_t area = to.height * to.width;
  if (to.phases != 1 || area == 1 || map.matrix.rows != to.elements()) return std::nullopt;
  for (std::uint32_t r = 0; r < map.matrix.rows; ++r) {
    if (!same_row(map, r, r / area * area)) return std::nullopt;
  }
  ChannelSpread out;
  out.map.origin = map.origin;
  out.map.matrix.cols = map.matrix.cols;
  for (std::uint32_t c = 0; c < to.channels; ++c) {
    for (std::uint64_t k = map.matrix.start[c * area]; k < map.matrix.start[c * area + 1]; ++k) {
      out.map.matrix.push(map.matrix.column[k], map.matrix.value[k]);
    }
    out.map.matrix.end_row();
    out.map.bias.push_back(map.bias[c * area]);
  }
  out.target.to = to;
  out.target.to.height = out.target.to.width = 1;
  out.target.after = to;
  repeat(to.width, to.column, slots, out.target.folds);
  repeat(to.height, to.row, slots, out.target.folds);
  return out;
}

}  // namespace obscura::compile
