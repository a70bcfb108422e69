// SPDX-License-Identifier: Apache-2.0
/// Weights to small integers, and integer matrices to blocks that share their weights.
#pragma once

#include <optional>

#include "ckks/integer_map.h"
#include "compile/front/network.h"

namespace obscura::compile {

/// Bits of the largest weight of each map, by [segment][map]; 0 where the map is exact (whole_scale).
using WeightBits = std::vector<std::vector<int>>;

/// A weight scale for each map, by [segment][map].
using WeightScales = std::vector<std::vector<double>>;

/// round(value[k] * scale), in the order of the matrix.
/// errors: infeasible where a row's weights add up to ckks::kMaxRowNorm or more.
Result<std::vector<std::int32_t>> quantize(const LinearMap& map, double scale);

/// Where the weights are whole multiples of one number, with a factor up to 64 (averages, identities): the factor that
/// makes them whole.
std::optional<double> whole_scale(const LinearMap& map);

/// In size.
double largest_weight(const LinearMap& map);

/// The power of two that gives the largest weight `bits` bits.
double power_scale(double largest, int bits);

/// Rows that read the same inputs become one dense block; equal matrices are stored once.
ckks::IntegerMap to_blocks(const SparseMatrix& matrix, std::span<const std::int32_t> integers);

}  // namespace obscura::compile
