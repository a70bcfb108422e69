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

#include "api/polynomials.h"
#include "cli/inference.h"
#include "cli/support.h"

namespace obscura::cli {

struct PolynomialOptions {
  api::RangeOptions ranges;
  std::string noise;  ///< empty: none; "model", or bits
  std::uint64_t noise_seed = 1;
};
void add_polynomial_options(CLI::App& command, PolynomialOptions& options);

/// What can be told before anything is read. errors: a margin or a noise that is not allowed.
Result<void> check_options(const PolynomialOptions& options);
/// errors: a margin beyond calibrate::kMaxMargin.
Result<void> check_margin(double margin);
/// errors: an alpha that approx::relu refuses.
Result<void> check_alpha(int alpha);

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
