// SPDX-License-Identifier: Apache-2.0
/// A network in the batch layout, one image per slot: MonicNetwork -> Circuit, for one choice of parameters.
///
/// linear -> x;  square -> x^2 (three parts);  combine + p x + q, while the scale is still that of the square, so that
/// the coefficient of x keeps its bits;  relinearize, dropping limbs in the same division;  the same once more for the
/// second square. After the last square of an activation the three parts may stay through the maps that follow, where
/// relinearizing their outputs is cheaper. The logits keep the limbs that are left.
///
/// A sum has the limbs and the scale of its first branch. The others come with the limbs that their fewer squares left
/// them, and are brought to that scale without spending any: by the weight scale of their last map, or, where they are
/// added as they are, by the integers that their coefficients become. What several branches read is relinearized
/// once, before any of them.
///
/// Approximations are polynomials of each ciphertext, a prime a level: their output may have any scale. Beside them
/// other branches spend a level on coming to it (rescaled_shortcuts).
#pragma once

#include <map>

#include "compile/cost/model.h"
#include "compile/layout/choice.h"
#include "compile/layout/circuit.h"

namespace obscura::compile {

/// What the circuits of all choices have in common.
class BatchLowering {
 public:
  /// needs   both outlive it
  BatchLowering(const MonicNetwork& network, const CostModel& cost);
  /// Of the sizes of primes only what key switches take with them matters here.
  Circuit circuit(const Choice& choice);

 private:
  class Builder;
  std::shared_ptr<const plan::Layout> layout(std::uint32_t elements, std::uint64_t slots);
  /// Of coefficients of an activation.
  double largest_of(const Elements& values);

  const MonicNetwork& network_;
  const CostModel& cost_;
  Points points_;
  std::vector<char> rescaled_;  ///< by segment
  std::shared_ptr<const Approximation::Term> identity_;
  std::vector<std::size_t> readers_;                 ///< by value
  std::vector<std::vector<double>> largest_biases_;  ///< by [segment][map]
  std::vector<double> largest_weights_;              ///< of each diagonal branch, by segment
  std::map<const Elements*, double> largest_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::shared_ptr<const plan::Layout>> layouts_;
};

}  // namespace obscura::compile
