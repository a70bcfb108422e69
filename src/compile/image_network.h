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
  enum class Kind { transform, add, fold, square, combine, relinearize };
  Kind kind = Kind::transform;
  plan::ValueId input = 0;
  plan::ValueId other = 0;  ///< combine: x
  std::uint32_t ciphertexts = 1;
  std::string origin;
  bool last = false;  ///< transform: the network's last, which keeps its limbs
  /// transform: all but input and scales; its diagonals; how many copies of an error its folds add up afterwards.
  std::shared_ptr<const plan::Transform> transform;
  std::shared_ptr<const plan::Diagonals> diagonals;
  double parts = 1;
  double weight_error = 0;                      ///< mean square of what rounding a weight does, over its inputs' square
  std::vector<std::vector<std::uint32_t>> add;  ///< add
  plan::Fold fold;                              ///< fold
  std::vector<double> coefficient, constant;    ///< combine: of x, and what is added; none or one number
  std::size_t activation = 0;                   ///< square, combine
  /// The value's range and error are those of this point, divided by `factor`.
  std::size_t point = 0;
  double factor = 1;
};

struct ImageNetwork {
  int log2_degree = 0;
  std::vector<ImageStep> steps;
  plan::Layout input, output;
  std::vector<std::string> notes;  ///< what was chosen, for people
  /// How many divisions by a prime: after each transform but the last, and after each square.
  std::uint32_t drops() const;
};

/// Chooses layouts for all values, one transform after the other, keeping the cheapest few ways so far (by `cost`, at
/// the limbs that will be left there). Maps without an activation between become one, but average poolings whose
/// windows lie at equal distances: those are sums of rotations or ciphertexts and cost no level.
/// errors: infeasible where a plane of the image does not fit a ciphertext; unsupported: a shortcut around an
/// activation, a degree-4 activation whose coefficients differ from element to element.
Result<ImageNetwork> make_image_network(const MonicNetwork& network, int log2_degree, const CostModel& cost);

/// Predicted nanoseconds of a transform at `size`: for the first image, with the encoding of its diagonals and the
/// expansion of its keys' seeds.
double transform_nanoseconds(const CostModel& cost, int log2_degree, const ckks::TransformCost& work,
                             const ckks::SwitchSize& size);

}  // namespace obscura::compile
