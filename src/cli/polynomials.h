// SPDX-License-Identifier: Apache-2.0
/// Options of polynomials in place of activations, and what stands in answers of them: for `compile`, `evaluate
/// --backend poly` and `sweep`.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "api/inference.h"
#include "api/polynomials.h"

namespace obscura::cli {

/// --ranges, --margin and --noise.
void add_polynomial_options(CLI::App& command, api::RangeOptions& ranges, std::string& noise);

// What can be told before anything is read.

/// errors: a margin beyond calibrate::kMaxMargin.
Result<void> check_margin(double margin);
/// errors: an alpha that approx::relu refuses.
Result<void> check_alpha(int alpha);
/// Of "" none. errors: neither "model" nor a number of bits.
Result<std::optional<api::Noise>> parse_noise(const std::string& text, std::uint64_t seed);

/// A choice for people's scripts: totals, and each activation with its degrees, bound and cost.
nlohmann::ordered_json describe(const nn::Graph& graph, const calibrate::Choice& choice,
                                const api::PolynomialInference& result);

}  // namespace obscura::cli
