// SPDX-License-Identifier: Apache-2.0
/// A network as operations on slot vectors, an image's elements in the slots of few ciphertexts: MonicNetwork ->
/// Circuit, before parameters.
#pragma once

#include "compile/cost/model.h"
#include "compile/layout/circuit.h"
#include "compile/pass/report.h"

namespace obscura::compile {

class MapCache;

/// Divisions between each value of the network and the output on the longest path, whatever the layouts.
std::vector<std::uint32_t> levels_after(const MonicNetwork& network);
/// Those after the input.
std::uint32_t levels(const MonicNetwork& network);

struct LoweringRequest {
  /// What other circuits of the same network made; none: nothing is shared.
  std::shared_ptr<MapCache> cache = {};
  int log2_degree = 0;
  ckks::RingType ring = ckks::RingType::standard;
  std::uint32_t slots = 0;   ///< of every vector: those of the ring, or those that bootstrapping keeps
  std::uint32_t images = 1;  ///< that share ciphertexts
  bool interleaved = true;   ///< or one after the other (plan::ImageSlots)
  /// Where set, values are divided by the largest that was seen, and a margin, in the maps around them, so that what
  /// junctions give is at most 1 in size and may be bootstrapped.
  const Statistics* bounded = nullptr;
  std::uint32_t most_limbs = 1U << 10U;  ///< that a value has, whatever is to come
  Report report = {};                    ///< of junctions; or none
};

/// Chooses layouts for all values, one junction after the other, keeping the cheapest few states so far (by `cost`, at
/// the limbs that will be left there). Maps without an activation between become one, except average poolings whose
/// windows lie at equal distances: those are sums of rotations or ciphertexts and cost no level. The branches of a
/// junction end in the layout that its first branch has; a shortcut without a map of its own is a transform too: one
/// diagonal where its layout is that one, which has a level to spare compared with the maps that it goes around.
///
/// An activation with `leading` is u v + x b with u = x^2, v = x a (or u), a = leading x + p, b = q x + r: a and b are
/// the junction's maps once more, with their rows multiplied and other biases. So coefficients for each element cost
/// transforms and products, but no level.
/// errors: infeasible where a plane of the image does not fit a ciphertext; cancelled.
Result<Circuit> lower(const MonicNetwork& network, const LoweringRequest& request, const CostModel& cost);

}  // namespace obscura::compile
