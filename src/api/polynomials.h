// SPDX-License-Identifier: Apache-2.0
/// Which polynomials stand for a network's functions. Arrow: nn::Graph, training images -> calibrate::Choice.
#pragma once

#include <optional>
#include <string>

#include "api/training.h"
#include "calibrate/chooser.h"

namespace obscura::api {

/// Ranges of the activations.
struct RangeOptions {
  std::string file;                   ///< of `obscura calibrate`; empty: they are measured now
  std::optional<std::size_t> images;  ///< training images to measure them on; nothing: calibrate::kRangeImages or all
  double margin = calibrate::kDefaultMargin;
};

/// Ranges and sensitivities of one network, measured on training images or read from a file, of which then only the
/// sensitivities take images. `graph` must outlive what is made.
/// errors: images to measure what a file has; those of reading the ranges and the training images, and of
/// calibrate::Chooser::make.
Result<calibrate::Chooser> make_chooser(const nn::Graph& graph, const TrainingData& training,
                                        const Normalization& normalization, const RangeOptions& ranges,
                                        calibrate::Report report,
                                        calibrate::Measured what = calibrate::Measured::everything,
                                        int most_levels = calibrate::kMostLevels);

/// What is asked of the polynomials: at most one of these.
struct PolynomialChoice {
  std::optional<int> alpha;        ///< each within bound * 2^-alpha
  std::optional<double> depth;     ///< levels that all activations may take together
  std::optional<double> products;  ///< products of ciphertexts that all activations of one image may take together
  std::optional<double> max_loss;  ///< the cheapest that change the answers of at most this share of training images
  bool precise() const { return alpha || depth || products; }
};

/// Nothing asked: as max_loss that is not set (calibrate::Chooser::automatic). errors: as calibrate::Chooser has them
Result<calibrate::Choice> choose(calibrate::Chooser& chooser, const PolynomialChoice& how);

}  // namespace obscura::api
