// SPDX-License-Identifier: Apache-2.0
/// A network as operations on slot vectors (image layout), before parameters: MonicNetwork -> ImageNetwork.
#pragma once

#include <array>
#include <memory>

#include "compile/cost/model.h"
#include "compile/layout/candidates.h"
#include "compile/measure/statistics.h"
#include "compile/pass/report.h"
#include "plan/diagonals.h"

namespace obscura::compile {

class ImageStore;

/// One operation; limbs and scales come later.
struct ImageStep {
  enum class Kind { transform, add, fold, square, product, combine, sum, relinearize, polynomial, bootstrap };
  Kind kind = Kind::transform;
  plan::ValueId input = 0;
  plan::ValueId other = 0;            ///< combine: x; product: the other factor
  std::vector<plan::ValueId> others;  ///< sum: what is added to the input, at its scale
  std::uint32_t ciphertexts = 1;
  std::string origin;
  bool last = false;  ///< transform: of the network's last junction, which keeps its limbs
  /// transform: all but input and scales; its diagonals; how many copies of an error its folds add up afterwards.
  std::shared_ptr<const plan::Transform> transform;
  std::shared_ptr<const plan::Diagonals> diagonals;
  std::shared_ptr<const ckks::TransformShape> sketch;  ///< from some of its diagonals, for first estimates of its cost
  double parts = 1;
  double largest_weight = 0;                    ///< transform: in size
  double largest_bias = 0;                      ///< transform: coefficient of its bias, encoded at scale 1
  double weight_error = 0;                      ///< mean square of what rounding a weight does, over its inputs' square
  std::vector<std::vector<std::uint32_t>> add;  ///< add
  plan::Fold fold;                              ///< fold
  std::vector<double> coefficient, constant;    ///< combine: of x, and what is added; none or one number
  std::size_t activation = 0;                   ///< square, combine, polynomial
  std::shared_ptr<const Approximation::Term> term;  ///< polynomial
  bool of_input = false;                            ///< product: the other factor is what polynomials read too
  bool alike = false;                               ///< product: both factors have one scale
  std::uint32_t raised = 0;                         ///< bootstrap: limbs out
  /// What a junction gives, before or after its activation: it may be bootstrapped.
  bool settled = false;
  /// The value's range and error are those of this point, divided by `factor`.
  std::size_t point = 0;
  double factor = 1;
  double largest = 0;  ///< of the value, where that is not its point's; else 0
  /// One of the values side by side that an activation with `leading` is computed from. What it adds to errors does not
  /// go through the others, as an error of the activation's argument does.
  struct Side {
    std::size_t x = 0;              ///< point of the argument
    std::size_t result = 0;         ///< that its own errors enter at
    std::array<double, 3> range{};  ///< the value is at most the sum of range[k] |x|^k; all 0: as its point
    double growth = 1;              ///< mean square of its derivative by x, where that is not its point's
    std::vector<double> Slopes::*slope = nullptr;  ///< of the result by the value; none: 1
  };
  std::optional<Side> side;

  /// Ascending, each once.
  std::vector<plan::ValueId> inputs() const;
  /// Divisions by a prime.
  std::uint32_t drops() const;
};

struct ImageNetwork {
  int log2_degree = 0;
  std::vector<ImageStep> steps;
  plan::Layout input, output;
  std::vector<std::string> notes;  ///< what was chosen, for people
  /// N/2: shapes and keys are of them all, also where vectors have fewer slots and repeat (plan::TransformShapes).
  std::uint64_t ring_slots() const { return std::uint64_t{1} << (log2_degree - 1); }
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
///
/// An activation with `leading` is u v + x b with u = x^2, v = x a (or u), a = leading x + p, b = q x + r: a and b are
/// the junction's maps once more, with their rows multiplied and other biases. So coefficients for each element cost
/// transforms and products, but no level.
/// errors: infeasible where a plane of the image does not fit a ciphertext; cancelled.
struct ImageBuild {
  /// What other builds of the same network made; none: nothing is shared.
  std::shared_ptr<ImageStore> store = {};
  int log2_degree = 0;
  std::uint32_t slots = 0;   ///< of every vector: N/2, or those that bootstrapping keeps
  std::uint32_t images = 1;  ///< that share ciphertexts (plan::Layout)
  /// Where set, values are divided by the largest that was seen, and a margin, in the maps around them, so that what
  /// junctions give is at most 1 in size and may be bootstrapped.
  const Statistics* bounded = nullptr;
  std::uint32_t most_limbs = 1U << 10U;  ///< that a value has, whatever is to come
  Report report = {};                    ///< of junctions; or none
};
Result<ImageNetwork> make_image_network(const MonicNetwork& network, const ImageBuild& build, const CostModel& cost);

}  // namespace obscura::compile
