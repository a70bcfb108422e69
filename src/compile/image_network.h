// SPDX-License-Identifier: Apache-2.0
/// A network as operations on slot vectors (image layout), before parameters: MonicNetwork -> ImageNetwork.
#pragma once

#include <memory>

#include "compile/cost.h"
#include "compile/image_layout.h"
#include "compile/statistics.h"
#include "plan/diagonals.h"

namespace obscura::compile {

/// One operation; limbs and scales come later.
struct ImageStep {
  enum class Kind { transform, add, fold, square, combine, sum, relinearize, polynomial, bootstrap };
  Kind kind = Kind::transform;
  plan::ValueId input = 0;
  plan::ValueId other = 0;            ///< combine: x
  std::vector<plan::ValueId> others;  ///< sum: what is added to the input, at its scale
  std::uint32_t ciphertexts = 1;
  std::string origin;
  bool last = false;  ///< transform: of the network's last junction, which keeps its limbs
  /// transform: all but input and scales; its diagonals; how many copies of an error its folds add up afterwards.
  std::shared_ptr<const plan::Transform> transform;
  std::shared_ptr<const plan::Diagonals> diagonals;
  std::shared_ptr<const ckks::TransformShape> sketch;  ///< from some of its diagonals, for first estimates of its cost
  double parts = 1;
  double weight_error = 0;                      ///< mean square of what rounding a weight does, over its inputs' square
  std::vector<std::vector<std::uint32_t>> add;  ///< add
  plan::Fold fold;                              ///< fold
  std::vector<double> coefficient, constant;    ///< combine: of x, and what is added; none or one number
  std::size_t activation = 0;                   ///< square, combine, polynomial
  std::shared_ptr<const Approximation> approximation;  ///< polynomial
  std::uint32_t raised = 0;                            ///< bootstrap: limbs out
  /// What a junction gives, before or after its activation: it may be bootstrapped.
  bool settled = false;
  /// The value's range and error are those of this point, divided by `factor`.
  std::size_t point = 0;
  double factor = 1;

  /// Ascending, each once.
  std::vector<plan::ValueId> inputs() const;
  /// Divisions by a prime.
  std::uint32_t drops() const;
};

struct ImageNetwork {
  int log2_degree = 0;
  std::uint32_t slots = 0;
  std::vector<ImageStep> steps;
  plan::Layout input, output;
  std::vector<std::string> notes;  ///< what was chosen, for people
  /// Limbs of each value, 0 = the input: a step has the least of its inputs, less what it drops.
  std::vector<std::uint32_t> limbs(std::uint32_t input_limbs) const;
  /// Divisions by a prime on the longest way: after each transform but the last, and after each square. Of a network
  /// without bootstrapping.
  std::uint32_t drops() const;
};

/// Divisions that the longest way through the network takes, whatever the layouts.
std::uint32_t levels(const MonicNetwork& network);

/// Chooses layouts for all values, one junction after the other, keeping the cheapest few ways so far (by `cost`, at
/// the limbs that will be left there). Maps without an activation between become one, but average poolings whose
/// windows lie at equal distances: those are sums of rotations or ciphertexts and cost no level. The branches of a
/// junction end in the layout that its first branch has; a shortcut without a map of its own is a transform too: one
/// diagonal where its layout is that one, which has a level to spare beside the maps that it goes around.
/// errors: infeasible where a plane of the image does not fit a ciphertext; unsupported: a degree-4 activation whose
/// coefficients differ from element to element.
struct ImageBuild {
  int log2_degree = 0;
  std::uint32_t slots = 0;
  /// Where set, values are divided by the largest that was seen, and a margin, in the maps around them, so that what
  /// junctions give is at most 1 in size and may be bootstrapped.
  const Statistics* bounded = nullptr;
  std::uint32_t most_limbs = 1U << 10U;  ///< that a value has, whatever is to come
};
Result<ImageNetwork> make_image_network(const MonicNetwork& network, const ImageBuild& build, const CostModel& cost);

}  // namespace obscura::compile
