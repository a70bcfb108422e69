// SPDX-License-Identifier: Apache-2.0
/// A network with polynomials in place of its activations: what `calibrate`, `evaluate --backend poly` and `sweep`
/// share.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "calibrate/choice.h"
#include "cli/inference.h"
#include "cli/support.h"

namespace obscura::cli {

struct PolynomialOptions {
  std::string ranges;                             ///< file of `obscura calibrate`; empty: measure them now
  std::optional<std::size_t> calibration_images;  ///< to measure them on
  double margin = calibrate::kDefaultMargin;
  std::string noise;  ///< empty: none; "model", or bits
  std::uint64_t noise_seed = 1;
};
void add_polynomial_options(CLI::App& command, PolynomialOptions& options);

/// What can be told before anything is read. errors: an alpha that approx::relu refuses.
Result<void> check_alpha(int alpha);

inline constexpr std::size_t kRangeImages = 10000;      ///< that ranges are measured on unless said
inline constexpr std::size_t kSensitivityImages = 128;  ///< that sensitivities are measured on
inline constexpr std::size_t kTriedImages = 2000;       ///< that automatic choices are tried on, at most
inline constexpr double kDefaultMaxLoss = 0.002;        ///< of their answers

/// Ranges and sensitivities of one network, and choices from them.
class Polynomials {
 public:
  /// Of a network whose activations are polynomials already the calibration is empty, and so is every choice.
  /// errors: a margin or a noise that is not allowed; those of reading the ranges and the training images, of
  /// calibrate::measure_ranges. `graph` must outlive this.
  static Result<Polynomials> prepare(const nn::Graph& graph, const TrainingData& data,
                                     const PolynomialOptions& options);
  const calibrate::Calibration& calibration() const { return calibration_; }
  /// One alpha for all.
  Result<calibrate::Choice> alike(int alpha) const;
  Result<calibrate::Choice> layerwise(const calibrate::Budget& budget);
  /// The cheapest layerwise choice by depth whose answers differ from the network's on at most this share of the
  /// training images: of several outputs the largest, of one output its sign, or where those are all the same its value
  /// by 2^-9 of the largest. errors also: infeasible, with the least share that was reached.
  Result<calibrate::Choice> automatic(double max_loss);
  /// The cheapest layerwise choice with at most this predicted error of the logits.
  Result<calibrate::Choice> layerwise_within(double logit_error, calibrate::Budget::Of of);

 private:
  Result<void> make_chooser();
  const nn::Graph* graph_ = nullptr;
  calibrate::Calibration calibration_;
  std::vector<double> sensitivities_;
  std::vector<float> few_;  ///< training images that choices are tried on
  std::optional<calibrate::LayerwiseChooser> chooser_;
  double margin_ = 0;
};

struct PolynomialInference {
  Inference inference;
  std::map<std::size_t, eval::Excess> excess;
  std::uint64_t outside() const;
  std::uint64_t arguments() const;
};

/// The network with the chosen polynomials on normalised images, with noise if options ask for it.
/// errors: those of eval::Network; a noise that is neither "model" nor a number of bits.
Result<PolynomialInference> infer_poly(const nn::Graph& graph, const calibrate::Choice& choice,
                                       std::span<const float> images, std::size_t count,
                                       const PolynomialOptions& options);

/// A choice for people's scripts: totals, and each activation with its degrees, bound and cost.
nlohmann::ordered_json describe(const nn::Graph& graph, const calibrate::Choice& choice,
                                const PolynomialInference& result);

}  // namespace obscura::cli
