// SPDX-License-Identifier: Apache-2.0
/// What the activations of a network see on training images: extremes and histograms.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "approx/fit.h"
#include "base/check.h"
#include "base/parallel.h"
#include "nn/graph.h"

namespace obscura::calibrate {

/// The arguments of one activation (eval::is_activation) over all calibration images: of a max_pool the differences of
/// two inputs, of an lrn the sums of squares (see eval::Substitution).
struct Range {
  std::size_t node = 0;   ///< index in Graph::nodes
  std::string name;       ///< of the node
  std::string operation;  ///< nn::operator_name of the node
  double low = 0;         ///< smallest and largest seen
  double high = 0;
  /// kBins equal parts of [low, high], whose edges are exact to 1/64 of a part; no counts where only extremes are
  /// measured.
  approx::Histogram inputs;

  /// Largest |argument|.
  double largest() const;
  /// The |argument| that this share of all arguments stays below, to a part of the histogram.
  double quantile(double share) const;
};

inline constexpr std::size_t kBins = 4096;

/// The ranges of all activations, in the order of the graph's nodes.
struct Calibration {
  std::size_t images = 0;
  std::vector<Range> ranges;
  std::vector<float> logits = {};  ///< of these images; none of a calibration that was read
};

/// What is measured of activations: one alpha for all is chosen by their extremes alone.
enum class Measured { extremes, everything };

/// Runs the network in floating point, once: arguments are counted in parts that double as the extremes grow.
/// errors  wrong_params: no images; unsupported: an activation whose arguments are not finite, naming the node; those
///         of eval::Network; cancelled.
Result<Calibration> measure_ranges(const nn::Graph& graph, std::span<const float> images, std::size_t count,
                                   const base::Progress& progress = {}, Measured what = Measured::everything);

/// The mean over the images of the summed squared change of the logits for a unit of mean square error in the output
/// of each activation: noise is added to one after the other. `probe` is its standard deviation, as a share of the
/// largest argument.
/// errors  as measure_ranges; unsupported: logits that are not finite, naming the node whose noise made them so.
/// ContractError: a calibration of another graph.
Result<std::vector<double>> measure_sensitivities(const nn::Graph& graph, const Calibration& calibration,
                                                  std::span<const float> images, std::size_t count,
                                                  const base::Progress& progress = {}, double probe = 1e-3);

}  // namespace obscura::calibrate
