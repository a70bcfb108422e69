// SPDX-License-Identifier: Apache-2.0
/// What the circuits of a network have in common, for lower.cpp.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <mutex>

#include "compile/layout/outputs.h"

namespace obscura::compile {

/// Maps and diagonals of one MonicNetwork, made once for all layouts, rings and numbers of slots that are tried.
/// thread  concurrent
class MapCache {
 public:
  using MapPtr = std::shared_ptr<const PreparedMap>;
  using DiagonalsPtr = std::shared_ptr<const plan::Diagonals>;

  /// A branch's maps in front of an output of its junction.
  struct MapKey {
    std::size_t segment = 0;
    double factor_in = 1;  ///< that the branch's source is divided by
    bool summed = false;   ///< its first map is a sum of ciphertexts and rotations
    bool first = false;    ///< of the junction: adds the shift
    Elements scale, shift;
    double factor = 1;
    bool operator==(const MapKey&) const = default;
  };
  /// errors  as make, which is called where the map is not there
  Result<MapPtr> map(MapKey key, const std::function<Result<PreparedMap>()>& make);

  /// From sampled_diagonals, split for these options, of which only the limbs differ between calls; nothing where a
  /// ciphertext has no diagonal.
  std::shared_ptr<const ckks::TransformShape> sketch(const LaidOutMap& map, std::uint64_t ring_slots,
                                                     const ckks::SplitOptions& options);
  /// Of the fewest images they are found, for more that share ciphertexts they follow from those.
  DiagonalsPtr diagonals(const LaidOutMap& map);

 private:
  struct Sketch {
    std::uint64_t ring_slots = 0;
    ckks::RingType ring = ckks::RingType::standard;
    std::size_t limbs = 0;
    std::shared_ptr<const ckks::TransformShape> shape;
  };
  struct At {
    LaidOutMap map;
    std::shared_ptr<const std::vector<ckks::Diagonal>> sampled;  ///< of the fewest images
    std::vector<Sketch> sketches;
    DiagonalsPtr diagonals;
  };
  At& at(const LaidOutMap& map);

  std::mutex mutex_;  ///< of what follows
  std::vector<std::pair<MapKey, MapPtr>> maps_;
  std::map<const PreparedMap*, std::list<At>> laid_out_;
};

}  // namespace obscura::compile
