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

#include "calibrate/chooser.h"
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

/// Ranges and sensitivities of one network, measured on training images or read from a file. Progress bars on a
/// terminal. errors: a margin or a noise that is not allowed; those of reading the ranges and the training images, and
/// of calibrate::Chooser::make. `graph` must outlive what is made.
Result<calibrate::Chooser> make_chooser(const nn::Graph& graph, const TrainingData& data,
                                        const PolynomialOptions& options);

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
