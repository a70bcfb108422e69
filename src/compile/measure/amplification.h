// SPDX-License-Identifier: Apache-2.0
/// How a network amplifies errors.
#pragma once

#include "compile/measure/statistics.h"

namespace obscura::compile {

/// What an error of variance 1 in every element of a place does to the logits: 0 = the input, p + 1 = point p. Each
/// image goes backwards right after it went forwards.
class OutputGains {
 public:
  /// needs   network outlives it
  OutputGains(const MonicNetwork& network, const LaneMaps& maps, std::size_t images);
  /// cost    as many passes over the network's weights as gradients are taken of an image: 512 of all, at most 16
  /// thread  concurrent, of different batches
  void take(std::size_t batch, Arguments arguments);

  struct Gain {
    double mean = 0;    ///< variance of a logit
    double growth = 1;  ///< square root of how much larger that is for one of the images
  };
  /// Once all batches are taken.
  Gain at(std::size_t place) const;

 private:
  const MonicNetwork& network_;
  LaneMaps transposed_;
  std::size_t images_, turns_;
  std::vector<std::vector<std::array<double, kernels::kVectors>>> parts_;  ///< by batch, place and image
};

/// Errors of different elements are independent, so variances add: through a map with the squares of its weights,
/// through an activation with the measured mean of its squared derivative. At the output nothing is taken as
/// independent: the logits are derived by every value for each image (of a sum with random signs, whose gradient has
/// the squared norm of the Jacobian in the mean: Hutchinson 1989), since what overlapping windows share comes together
/// again where layers pool, and an image whose values are large has large derivatives in all layers.
class ErrorAmplification {
 public:
  /// `maps`: the network's.
  /// cost: one pass over the network's weights for 16 places where errors can enter; all cores
  ErrorAmplification(const MonicNetwork& network, const LaneMaps& maps, const Statistics& statistics,
                     const OutputGains& gains);
  /// Runs the images once more for the gains.
  ErrorAmplification(const MonicNetwork& network, const Statistics& statistics, const Images& images);

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
