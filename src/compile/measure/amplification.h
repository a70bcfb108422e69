// SPDX-License-Identifier: Apache-2.0
/// How a network amplifies errors.
#pragma once

#include "compile/measure/statistics.h"

namespace obscura::compile {

/// Errors of different elements are independent, so variances add: through a map with the squares of its weights,
/// through an activation with the measured mean of its squared derivative. At the output nothing is taken as
/// independent: the logits are derived by every value for each image (of a sum with random signs, whose gradient has
/// the squared norm of the Jacobian in the mean: Hutchinson 1989), since what overlapping windows share comes together
/// again where layers pool, and an image whose values are large has large derivatives in all layers.
class ErrorAmplification {
 public:
  /// `maps`: the network's.
  /// cost: one pass over the network's weights for 16 places where errors can enter, and for each 16 images as many
  /// as gradients are taken of one (512 in all, at most 16 of an image) and one more; all cores.
  ErrorAmplification(const MonicNetwork& network, const LaneMaps& maps, const Statistics& statistics,
                     const Images& images);
  ErrorAmplification(const MonicNetwork& network, const Statistics& statistics, const Images& images)
      : ErrorAmplification(network, lane_maps(network), statistics, images) {}

  /// The mean variance at `point` for errors of variance 1 in every element of the input.
  double from_input(std::size_t point) const { return amplification_[0][point]; }
  /// The same for errors that enter at point `source`: a map's output, or a value inside of an activation that was
  /// relinearized. 0 where `point` comes before `source`.
  double from(std::size_t source, std::size_t point) const { return amplification_[source + 1][point]; }

  /// The square root of how much larger the gain to the logits, from the place where it is most, is for one of the
  /// images than in the mean: at least 1.
  double growth() const { return growth_; }

 private:
  std::vector<std::vector<double>> amplification_;
  double growth_ = 1;
};

}  // namespace obscura::compile
