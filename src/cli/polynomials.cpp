// SPDX-License-Identifier: Apache-2.0
#include "cli/polynomials.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "ckks/noise.h"
#include "cli/progress.h"

namespace obscura::cli {

void add_polynomial_options(CLI::App& command, PolynomialOptions& options) {
  command.add_option("--ranges", options.ranges.file,
                     "Backend poly: ranges of the activations, a file of `obscura calibrate` (default: measure them)");
  command
      .add_option("--margin", options.ranges.margin,
                  "Polynomials hold this much beyond the calibrated extremes, a share of the largest argument")
      ->capture_default_str();
  command.add_option("--noise", options.noise,
                     "Backend poly: noise on each activation's output: `model` (what ciphertexts of scale 2^46 at N = "
                     "2^16 have), or bits: a standard deviation of bound * 2^-BITS");
}

Result<void> check_alpha(int alpha) {
  if (alpha >= approx::kMinAlpha && alpha <= approx::kMaxAlpha) return {};
  return error(Code::wrong_params, "--alpha {}: from {} to {} is allowed", alpha, approx::kMinAlpha, approx::kMaxAlpha);
}

namespace {

struct Noise {
  bool model = false;
  double bits = 0;
};

Result<Noise> parse_noise(const std::string& text) {
  Noise out;
  out.model = text == "model";
  if (out.model) return out;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, out.bits);
  if (parsed.ec == std::errc() && parsed.ptr == end && out.bits >= 1 && out.bits <= 60) return out;
  return error(Code::wrong_params, "--noise {}: `model`, or bits from 1 to 60, are allowed", text);
}

}  // namespace

Result<void> check_margin(double margin) {
  if (margin >= 0 && margin <= calibrate::kMaxMargin) return {};
  return error(Code::wrong_params, "--margin {}: from 0 to {} is allowed (a share of the largest argument)", margin,
               calibrate::kMaxMargin);
}

Result<void> check_options(const PolynomialOptions& options) {
  OBSCURA_TRY_VOID(check_margin(options.ranges.margin));
  if (!options.noise.empty()) OBSCURA_TRY_VOID(parse_noise(options.noise));
  return {};
}

std::uint64_t PolynomialInference::outside() const {
  std::uint64_t sum = 0;
  for (const auto& [node, one] : excess) sum += one.outside;
  return sum;
}

std::uint64_t PolynomialInference::arguments() const {
  std::uint64_t sum = 0;
  for (const auto& [node, one] : excess) sum += one.count;
  return sum;
}

namespace {

/// The deviation that one level leaves in a slot at scale 2^46 and N = 2^16: the rounding of its rescale.
Result<double> deviation_of_level() {
  constexpr int kLog2Degree = 16, kScaleBits = 46;
  ckks::ParamsLiteral literal;
  literal.log2_degree = kLog2Degree;
  OBSCURA_TRY(literal.chain, ckks::make_primes(kLog2Degree, kScaleBits, 3, {}));
  literal.special = {literal.chain.back()};
  literal.chain.pop_back();
  OBSCURA_TRY(const ckks::Params params, ckks::Params::make(literal));
  return std::ldexp(ckks::noise_of_rounding(params, 2), -kScaleBits);
}

/// Standard deviation of the noise on each activation's output, by node.
Result<std::map<std::size_t, double>> noise_of(const calibrate::Choice& choice, const PolynomialOptions& options) {
  std::map<std::size_t, double> out;
  if (options.noise.empty()) return out;
  OBSCURA_TRY(const Noise noise, parse_noise(options.noise));
  OBSCURA_TRY(const double level, deviation_of_level());
  for (const calibrate::Chosen& one : choice.chosen) {
    const auto& certificate = one.activation.certificate;
    const double bound = std::max(std::abs(certificate.low), std::abs(certificate.high));
    out[one.node] = bound * (noise.model ? level * std::sqrt(static_cast<double>(one.depth)) : std::exp2(-noise.bits));
  }
  return out;
}

}  // namespace

Result<PolynomialInference> infer_poly(const nn::Graph& graph, const calibrate::Choice& choice,
                                       std::span<const float> images, std::size_t count,
                                       const PolynomialOptions& options) {
  PolynomialInference result;
  const Stopwatch watch;
  OBSCURA_TRY(const eval::Network network, eval::Network::make(graph, choice.substitution()));
  ProgressBar bar("polynomials");
  eval::Options how;
  OBSCURA_TRY(how.noise, noise_of(choice, options));
  how.noise_seed = options.noise_seed;
  how.progress = bar.callback();
  OBSCURA_TRY(eval::Outcome outcome, network.run(images, count, how));
  result.inference.logits = std::move(outcome.logits);
  result.inference.seconds.run = watch.seconds();
  result.inference.batches = 1;
  result.excess = std::move(outcome.excess);
  return result;
}

nlohmann::ordered_json describe(const nn::Graph& graph, const calibrate::Choice& choice,
                                const PolynomialInference& result) {
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
