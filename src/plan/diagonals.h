// SPDX-License-Identifier: Apache-2.0
/// The diagonals of a plan's transforms, and the rotation keys that it needs. Arrow: run and compile ->
/// ckks/transform.h.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "ckks/noise.h"
#include "plan/plan.h"

namespace obscura::plan {

/// Of a transform, what its diagonals follow from: a map between two layouts.
struct MapBetween {
  const ckks::IntegerMap& map;
  const Layout& from;
  const Layout& to;
  const std::vector<std::uint32_t>& spread;
  double weight_scale = 1;
  std::span<const double> bias = {};
};
MapBetween map_between(const Transform& transform);

/// Which diagonals a transform's matrix between slots has, and what the weights on each add up to: what its price, its
/// error and its keys follow from. The weights themselves are DiagonalWeights.
class Diagonals {
 public:
  /// needs   a map and layouts that would pass verify_transform
  /// cost    a pass over the weights of each block of the map that lies unlike the others (alike_blocks)
  Diagonals(const MapBetween& of, std::uint64_t slots);

  /// The same between layouts that so many images share, in as many more slots. `of`: of one image; or of two, one
  /// after the other.
  Diagonals(const Diagonals& of, std::uint32_t images);

  /// Ascending; those that are 0 everywhere are absent. Steps are in slots.
  const std::vector<ckks::Diagonal>& places() const { return places_; }
  std::uint64_t slots() const { return slots_; }
  const ImageSlots& sharing() const { return sharing_; }
  /// The least power of two after which every diagonal repeats.
  std::uint64_t period() const { return period_; }
  double weight_scale() const { return weight_scale_; }
  /// Positions that have a weight on a diagonal.
  std::uint64_t entries(std::size_t index) const { return counts_[index]; }
  /// On all.
  std::uint64_t entries() const { return entries_; }
  /// The numbers of each diagonal of one output, in the order of places().
  std::span<const ckks::DiagonalNumbers> numbers(std::uint32_t output) const;
  /// The sum of a diagonal's squared weights, over their scale, in all positions.
  double square(std::size_t index) const { return squares_[index]; }
  /// Positions of one output that have a weight.
  std::size_t written(std::uint32_t output) const { return written_[output]; }
  /// Whether one position has.
  bool writes(std::uint32_t output, std::uint64_t position) const {
    return writes_[output][position % writes_[output].size()];
  }

 private:
  std::uint64_t least_period(const MapBetween& of) const;

  std::uint64_t slots_, period_ = 1, entries_ = 0;
  ImageSlots sharing_;
  double weight_scale_;
  std::vector<ckks::Diagonal> places_;
  std::vector<std::uint64_t> counts_;  ///< by diagonal
  std::vector<ckks::DiagonalNumbers> numbers_;
  std::vector<double> squares_;            ///< by diagonal
  std::vector<std::size_t> written_;       ///< by output
  std::vector<std::vector<bool>> writes_;  ///< by output: one period of positions (SlotMap)
};

/// Layouts and spread steps that fit each other, the map and the slots; every input and output ciphertext with an
/// entry; weights below 2^24. Needs a verified map.
/// errors  bad_format, naming `place`
Result<void> verify_transform(const Transform& transform, std::uint64_t slots, const std::string& place);

/// Of one output: what ckks::noise_of_transform asks for, but the input's error and mean square. Means are over the
/// slots that have a weight; it refers to the diagonals' numbers.
ckks::TransformNoise noise_of(const ckks::TransformShape& shape, const Diagonals& diagonals, std::uint32_t output);

/// Rotation steps of a fold in a ring of these slots, all in (-n/2, n/2].
std::vector<std::int64_t> rotations_of(const Fold& fold, std::uint64_t slots);

/// Adds rotation keys of ciphertexts of these limbs.
void add_rotations(KeyRequest& to, std::span<const std::int64_t> steps, std::uint32_t limbs);
/// Adds the keys of a transform from `limbs` to `limbs_out` limbs.
void add_keys(KeyRequest& to, const ckks::TransformShape& shape, std::uint32_t limbs, std::uint32_t limbs_out);

/// The shape of a transform of ciphertexts of these limbs: as it is where every rotation of it has a key, composed of
/// those that have one where not, and as it is where they do not suffice.
ckks::TransformShape with_keys(ckks::TransformShape shape, const KeyRequest& keys, std::uint32_t limbs);

/// The shape of each transform of a plan, by step (nothing where the step is none), its rotations composed of those
/// that the plan has keys for, and the Galois keys of all of them and of the folds. Shapes and keys are of all slots of
/// the ring, with which diagonals of fewer (plan::slots) repeat.
struct TransformShapes {
  std::vector<std::shared_ptr<const ckks::TransformShape>> by_step;
  KeyRequest keys;
};
TransformShapes transform_shapes(const Plan& plan, std::span<const std::shared_ptr<const Diagonals>> diagonals);

/// The diagonals of each transform of a plan, by step.
std::vector<std::shared_ptr<const Diagonals>> diagonals_of(const Plan& plan);

}  // namespace obscura::plan
