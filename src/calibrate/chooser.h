// SPDX-License-Identifier: Apache-2.0
/// From training images to polynomials. Arrow: nn::Graph, images -> Calibration, sensitivities -> Choice.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "calibrate/choice.h"

namespace obscura::calibrate {

inline constexpr std::size_t kRangeImages = 10000;      ///< that ranges are measured on unless said
inline constexpr std::size_t kSensitivityImages = 128;  ///< that sensitivities are measured on
inline constexpr std::size_t kTriedImages = 2000;       ///< that automatic choices are tried on, at most
inline constexpr double kDefaultMaxLoss = 0.002;        ///< of their answers
inline constexpr double kTakenLoss = 0.01;              ///< where nothing is asked and none change fewer

/// What is done now ("ranges", "sensitivities", "polynomials"), and how much of it; false asks for an end.
using Report = std::function<bool(const std::string& what, std::size_t done, std::size_t total)>;

class Answers;

/// Ranges and sensitivities of one network, and choices from them. Of a network whose activations are polynomials
/// already the calibration is empty, and so is every choice.
class Chooser {
 public:
  /// `images`: normalised training images of C*H*W floats each. Measures their ranges, unless a calibration is given.
  /// With extremes alone alike() chooses the same, and predicts no errors; the others need everything.
  /// `most_levels`: as LayerwiseChooser has it. `graph` must outlive this.
  /// errors: those of measure_ranges and measure_sensitivities; cancelled
  static Result<Chooser> make(const nn::Graph& graph, std::span<const float> images, double margin,
                              std::optional<Calibration> calibration = {}, Report report = {},
                              Measured what = Measured::everything, int most_levels = kMostLevels);
  const Calibration& calibration() const { return calibration_; }
  /// One alpha for all.
  Result<Choice> alike(int alpha) const;
  Result<Choice> layerwise(const Budget& budget);
  /// The cheapest layerwise choice by depth whose answers differ from the network's on at most this share of the
  /// training images: of several outputs the largest, of one output its sign, or where those are all the same its value
  /// by 2^-9 of the largest. Nothing: kDefaultMaxLoss, and where none is within it the one that changes the fewest, if
  /// so many images do not show that it changes more than kTakenLoss: with n of them at most two standard deviations,
  /// 2 sqrt(n kTakenLoss), above it.
  /// errors also: infeasible, with the least share that was reached.
  Result<Choice> automatic(std::optional<double> max_loss = {});
  /// The cheapest layerwise choice with at most this predicted error of the logits.
  Result<Choice> layerwise_within(double logit_error, Budget::Of of);

 private:
  Result<void> tabulate();
  Result<std::vector<float>> exact_logits() const;
  /// A choice on its way over the training images: how many were seen, and how many of their answers it changes.
  struct Attempt {
    Choice choice;
    std::size_t seen = 0, differing = 0;
  };
  Result<void> go_on(Attempt& attempt, const Answers& answers, std::size_t most) const;
  base::Progress progress(const std::string& what) const;
  const nn::Graph* graph_ = nullptr;
  Calibration calibration_;
  std::vector<double> sensitivities_;
  std::vector<float> few_;  ///< training images that choices are tried on
  std::optional<LayerwiseChooser> layerwise_;
  double margin_ = 0;
  Report report_;
  Measured what_ = Measured::everything;
  int most_levels_ = kMostLevels;
};

}  // namespace obscura::calibrate
