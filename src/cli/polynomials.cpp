// SPDX-License-Identifier: Apache-2.0
#include "cli/polynomials.h"

#include <charconv>

namespace obscura::cli {

void add_polynomial_options(CLI::App& command, api::RangeOptions& ranges, std::string& noise) {
  command.add_option("--ranges", ranges.file,
                     "Backend poly: ranges of the activations, a file of `obscura calibrate` (default: measure them)");
  command
      .add_option("--margin", ranges.margin,
                  "Polynomials hold this much beyond the calibrated extremes, a share of the largest argument")
      ->capture_default_str();
  command.add_option("--noise", noise,
                     "Backend poly: noise on each activation's output: `model` (what ciphertexts of scale 2^46 at N = "
                     "2^16 have), or bits: a standard deviation of bound * 2^-BITS");
}

Result<void> check_alpha(int alpha) {
  if (alpha >= approx::kMinAlpha && alpha <= approx::kMaxAlpha) return {};
  return error(Code::wrong_params, "--alpha {}: from {} to {} is allowed", alpha, approx::kMinAlpha, approx::kMaxAlpha);
}

Result<void> check_margin(double margin) {
  if (margin >= 0 && margin <= calibrate::kMaxMargin) return {};
  return error(Code::wrong_params, "--margin {}: from 0 to {} is allowed (a share of the largest argument)", margin,
               calibrate::kMaxMargin);
}

Result<std::optional<api::Noise>> parse_noise(const std::string& text, std::uint64_t seed) {
  if (text.empty()) return std::optional<api::Noise>();
  if (text == "model") return std::optional<api::Noise>(api::Noise{{}, seed});
  double bits = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, bits);
  if (parsed.ec == std::errc() && parsed.ptr == end && bits >= 1 && bits <= 60) {
    return std::optional<api::Noise>(api::Noise{bits, seed});
  }
  return error(Code::wrong_params, "--noise {}: `model`, or bits from 1 to 60, are allowed", text);
}

nlohmann::ordered_json describe(const nn::Graph& graph, const calibrate::Choice& choice,
                                const api::PolynomialInference& result) {
  nlohmann::ordered_json json = {{"depth", choice.depth()},
                                 {"products", choice.products()},
                                 {"predicted_logit_error_rms", choice.logit_error},
                                 {"arguments", result.arguments()},
                                 {"outside", result.outside()}};
  auto& list = json["activations"] = nlohmann::ordered_json::array();
  for (const calibrate::Chosen& one : choice.chosen) {
    const auto& certificate = one.activation.certificate;
    const eval::Excess& excess = result.excess.at(one.node);
    list.push_back({{"node", graph.nodes[one.node].name},
                    {"operator", nn::to_string(graph.nodes[one.node].op)},
                    {"low", certificate.low},
                    {"high", certificate.high},
                    {"degrees", one.degrees},
                    {"depth", one.depth},
                    {"max_error", certificate.max_error},
                    {"largest", excess.largest},
                    {"outside", excess.outside}});
  }
  return json;
}

}  // namespace obscura::cli
