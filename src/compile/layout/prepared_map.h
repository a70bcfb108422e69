// SPDX-License-Identifier: Apache-2.0
/// A segment's maps as the one map of a transform, for layout/lower.cpp.
#pragma once

#include <memory>

#include "compile/layout/candidates.h"

namespace obscura::compile {

/// A map with its weights as integers, shared by the transforms that compute it between different layouts.
struct PreparedMap {
  /// Shape, biases and origin; of its matrix the columns of the first channel's rows, by which layout_candidates tells
  /// the stride, and no values: the integers are the same in far less memory.
  LinearMap map;
  std::shared_ptr<const ckks::IntegerMap> integers;
  double weight_scale = 1;
  double weight_error = 0;    ///< mean square of what rounding a weight does, over its inputs' square
  double largest_weight = 0;  ///< in size
};

/// A map between two layouts.
struct LaidOutMap {
  std::shared_ptr<const PreparedMap> map;
  plan::Layout from, to;
  std::vector<std::uint32_t> spread;
  std::uint32_t slots = 0;
  bool operator==(const LaidOutMap&) const = default;
  /// All of the step but its input, split and scales; `weights`: with the integers.
  plan::Transform transform(bool weights) const;
};

/// The maps of a segment as one; with `sum` (of maps[0]) those behind it, which take over the sum's factors and biases.
/// errors  infeasible: rows too long for integers of a few bits
Result<PreparedMap> prepare_map(Segment maps, const std::optional<WindowSum>& sum);

/// The diagonals of a map between two layouts, from some positions that represent all: a convolution's cut windows at
/// both ends and a few in the middle.
std::vector<ckks::Diagonal> sampled_diagonals(const PreparedMap& map, const plan::Layout& from, const plan::Layout& to,
                                              const std::vector<std::uint32_t>& spread, std::uint64_t slots);

}  // namespace obscura::compile
