// SPDX-License-Identifier: Apache-2.0
#include "compile/measure/quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <string_view>
#include <unordered_map>

namespace obscura::compile {
namespace {

constexpr double kMaxMultiple = 64;
/// Weights come from floats: what is whole to their precision is whole.
constexpr double kWhole = 0x1p-20;

std::string_view bytes(const std::vector<std::uint32_t>& v) {
  return {reinterpret_cast<const char*>(v.data()), v.size() * sizeof(std::uint32_t)};
}

struct Sizes {
  double least = HUGE_VAL;  ///< that is not 0
  double largest = 0;
};

/// Some side by side, so that none waits for the one before.
Sizes sizes_of(std::span<const double> values) {
  constexpr std::size_t kTogether = 8;
  std::array<double, kTogether> least, largest{};
  least.fill(HUGE_VAL);
  const auto look = [&](double v, std::size_t i) {
    const double size = std::abs(v), above = size == 0 ? HUGE_VAL : size;
    least[i] = above < least[i] ? above : least[i];
    largest[i] = size > largest[i] ? size : largest[i];
  };
  std::size_t at = 0;
  for (; at + kTogether <= values.size(); at += kTogether) {
    for (std::size_t i = 0; i < kTogether; ++i) look(values[at + i], i);
  }
  for (std::size_t i = 0; at < values.size(); ++at, ++i) look(values[at], i);
  return {*std::min_element(least.begin(), least.end()), *std::max_element(largest.begin(), largest.end())};
}

}  // namespace

std::optional<double> whole_scale(const LinearMap& map) {
  const std::vector<double>& values = map.matrix.value;
  const auto [least, largest] = sizes_of(values);
  if (largest == 0) return 1;
  for (double multiple = 1; multiple * largest / least <= kMaxMultiple * (1 + kWhole); ++multiple) {
    const double factor = multiple / least;
    const bool all_whole = std::all_of(values.begin(), values.end(), [&](double v) {
      return std::abs(v * factor - std::round(v * factor)) <= kWhole * std::abs(v * factor);
    });
    if (all_whole) return factor;
  }
  return std::nullopt;
}

double largest_weight(const LinearMap& map) { return sizes_of(map.matrix.value).largest; }

double power_scale(double largest, int bits) {
  int exponent = 0;
  std::frexp(largest, &exponent);  // largest in [2^(exponent-1), 2^exponent)
  const double factor = std::ldexp(1.0, bits - exponent);
  return std::round(largest * factor) < std::ldexp(1.0, bits) ? factor : factor / 2;
}

Result<std::vector<std::int32_t>> quantize(const LinearMap& map, double scale) {
  const SparseMatrix& matrix = map.matrix;
  std::vector<std::int32_t> out;
  out.resize(matrix.value.size());
  for (std::size_t r = 0; r < matrix.rows; ++r) {
    double norm = 0;
    for (std::uint64_t k = matrix.start[r]; k < matrix.start[r + 1]; ++k) {
      const double rounded = std::round(matrix.value[k] * scale);
      norm += std::abs(rounded);
      out[k] = static_cast<std::int32_t>(rounded);
    }
    if (norm >= static_cast<double>(ckks::kMaxRowNorm)) {
      return error(Code::infeasible,
                   "{}: weights add up to 2^{:.1f} in output {} at the scale 2^{:.1f}; below 2^28 is allowed",
                   map.origin, std::log2(norm), r, std::log2(scale));
    }
  }
  return out;
}

ckks::IntegerMap to_blocks(const SparseMatrix& matrix, std::span<const std::int32_t> integers) {
  ckks::IntegerMap map;
  map.inputs = matrix.cols;
  map.outputs = matrix.rows;
  // Groups of rows with the same inputs, in the order of their first row.
  std::unordered_map<std::string, std::size_t> group_of;
  std::vector<ckks::IntegerBlock> groups;
  for (std::uint32_t r = 0; r < matrix.rows; ++r) {
    const std::vector<std::uint32_t> inputs(matrix.column.begin() + static_cast<std::ptrdiff_t>(matrix.start[r]),
                                            matrix.column.begin() + static_cast<std::ptrdiff_t>(matrix.start[r + 1]));
    const auto [found, fresh] = group_of.try_emplace(std::string(bytes(inputs)), groups.size());
    if (fresh) groups.push_back({0, inputs, {}});
    groups[found->second].outputs.push_back(r);
  }
  std::map<std::pair<std::uint32_t, std::vector<std::int32_t>>, std::uint32_t> matrix_of;
  for (auto& group : groups) {
    if (group.inputs.empty()) group.inputs.push_back(0);  // a window in the padding: an output of the bias alone
    ckks::IntegerMatrix dense{
        static_cast<std::uint32_t>(group.outputs.size()), static_cast<std::uint32_t>(group.inputs.size()), {}};
    for (const std::uint32_t r : group.outputs) {
      for (std::uint64_t k = matrix.start[r]; k < matrix.start[r + 1]; ++k) dense.data.push_back(integers[k]);
      if (matrix.start[r] == matrix.start[r + 1]) dense.data.push_back(0);
    }
    const auto next = static_cast<std::uint32_t>(map.matrices.size());
    const auto [found, fresh] = matrix_of.try_emplace({dense.rows, dense.data}, next);
    if (fresh) map.matrices.push_back(std::move(dense));
    group.matrix = found->second;
    map.blocks.push_back(std::move(group));
  }
  return map;
}

}  // namespace obscura::compile
