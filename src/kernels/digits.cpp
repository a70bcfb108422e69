// SPDX-License-Identifier: Apache-2.0
#include "kernels/digits.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/kernels.h"

namespace obscura::kernels {
namespace {

constexpr std::size_t kTileSize = kDigitTile * kTileBytes;
constexpr std::int32_t kLeastDigit = -128, kMostDigit = 127;

/// The tile of columns that holds each quad, quads that no column meets left out, and the first quads of the tiles:
/// each begins at the first quad that the ones before have not, and ends where the packed quads end.
std::vector<std::uint32_t> cover(const std::vector<bool>& used, std::vector<std::uint32_t>& tile_of) {
  const std::size_t quads = used.size();
  std::vector<std::uint32_t> first_quads;
  for (std::size_t q = 0; q < quads; ++q) {
    if (!used[q]) continue;
    const std::size_t end = std::min(q + kDigitTile, quads);
    const auto tile = static_cast<std::uint32_t>(first_quads.size());
    first_quads.push_back(static_cast<std::uint32_t>(end - kDigitTile));
    std::fill(tile_of.begin() + static_cast<std::ptrdiff_t>(q), tile_of.begin() + static_cast<std::ptrdiff_t>(end),
              tile);
    q = end - 1;
  }
  return first_quads;
}

}  // namespace

int residue_digits(const Modulus& m) { return m.bits / 8 + 1; }

std::optional<int> weight_digits(const double* weights, std::size_t count) {
  if (count == 0) return 1;
  const auto [least, most] = std::minmax_element(weights, weights + count);
  double low = kLeastDigit, high = kMostDigit;
  for (int digits = 1; digits <= kMaxWeightDigits; ++digits) {
    if (*least >= low && *most <= high) return digits;
    low = 256 * low + kLeastDigit, high = 256 * high + kMostDigit;
  }
  return std::nullopt;
}

std::size_t packed_quads(std::size_t inputs) { return std::max((inputs + kQuad - 1) / kQuad, kDigitTile); }

std::size_t packed_bytes(std::size_t quads, const Modulus& m) {
  return quads * kQuad * kMatrixTile * static_cast<std::size_t>(residue_digits(m));
}

DigitMatrix make_digit_matrix(const double* weights, std::size_t rows, std::size_t cols, const std::uint32_t* places,
                              std::size_t quads) {
  const auto digits = weight_digits(weights, rows * cols);
  OBSCURA_CHECK(digits && cols <= kMaxDigitColumns && quads >= kDigitTile,
                "matrix of {} columns on {} quads is not for products by digits", cols, quads);
  DigitMatrix matrix;
  matrix.rows = rows;
  matrix.digits = *digits;
  std::vector<bool> used(quads);
  for (std::size_t c = 0; c < cols; ++c) used.at(places[c] / kQuad) = true;
  std::vector<std::uint32_t> tile_of(quads);
  matrix.first_quads = cover(used, tile_of);
  const std::size_t tiles = matrix.first_quads.size(), used_digits = static_cast<std::size_t>(*digits);
  matrix.tiles.resize((rows + kDigitTile - 1) / kDigitTile * tiles * used_digits * kTileSize / sizeof(Octet));
  std::vector<std::size_t> at(cols);  // where a column stands in the first row
  for (std::size_t c = 0; c < cols; ++c) {
    const std::size_t tile = tile_of[places[c] / kQuad];
    at[c] = tile * kTileSize + places[c] - kQuad * matrix.first_quads[tile];
  }
  auto* const out = reinterpret_cast<std::int8_t*>(matrix.tiles.data());
  for (std::size_t r = 0; r < rows; ++r) {
    std::int8_t* row = out + r / kDigitTile * used_digits * tiles * kTileSize + r % kDigitTile * kTileBytes;
    for (std::size_t c = 0; c < cols; ++c) {
      const auto w = static_cast<std::int32_t>(weights[r * cols + c]);
      const auto low = static_cast<std::int8_t>(w & 255);  // the digit that w is congruent to
      row[at[c]] = low;
      if (used_digits == 2) row[at[c] + tiles * kTileSize] = static_cast<std::int8_t>((w - low) / 256);
    }
  }
  return matrix;
}

}  // namespace obscura::kernels
