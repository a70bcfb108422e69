// SPDX-License-Identifier: Apache-2.0
/// What rounding the weights of each map to some bits costs.
#pragma once

#include "compile/measure/quantize.h"
#include "compile/measure/statistics.h"

namespace obscura::compile {

inline constexpr int kMinWeightBits = 6;
inline constexpr int kMaxWeightBits = 16;

/// Rounding of one map alone.
struct MapRounding {
  bool exact = false;           ///< whole weights: `scale`, whatever the bits
  bool scale_matched = false;   ///< the last map of a shortcut: its scale follows from the first's
  double scale = 1;             ///< of exact weights; the largest of matched ones
  double reference = 1;         ///< the scale that `squares` is for
  int max_bits = 0;             ///< more would break the kernel's bound on a row
  std::vector<double> scales;   ///< by bits - kMinWeightBits
  std::vector<double> squares;  ///< mean squared effect at each point, at the scale `reference`

  bool fixed() const { return exact || scale_matched; }  ///< its bits are not for the search to choose
};

/// Effects of rounding, each map measured alone, or all together.
class Rounding {
 public:
  /// errors: infeasible where a row's weights are too many for kMinWeightBits.
  static Result<Rounding> measure(const MonicNetwork& network, const Images& images);

  const MapRounding& map(std::size_t segment, std::size_t index) const { return maps_[segment][index]; }
  /// Bits for every map, at most what it can take; 0 for exact and matched ones.
  WeightBits uniform(int bits) const;
  WeightScales scales(const WeightBits& bits) const;
  /// The sum of the maps' effects at each point, each scaled from where it was measured.
  std::vector<double> predict(const WeightScales& scales) const;
  /// All maps rounded at once.
  std::vector<double> measure_together(const WeightScales& scales) const;
  bool all_exact() const;

 private:
  Rounding(const MonicNetwork& network, const Images& images)
      : network_(&network), exact_(lane_maps(network)), images_(images) {}
  /// Place: of the last map of a branch.
  enum class Place { alone, first_of_sum, shortcut };
  /// But squares.
  Result<MapRounding> bits_of(std::size_t segment, std::size_t index, Place place) const;
  const MonicNetwork* network_;
  LaneMaps exact_;
  Images images_;
  std::vector<std::vector<MapRounding>> maps_;
};

}  // namespace obscura::compile
