// SPDX-License-Identifier: Apache-2.0
#include "cli/polynomials.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "calibrate/ranges_file.h"
#include "ckks/noise.h"
#include "cli/progress.h"

namespace obscura::cli {

void add_polynomial_options(CLI::App& command, PolynomialOptions& options) {
  command.add_option("--ranges", options.ranges,
                     "Backend poly: ranges of the activations, a file of `obscura calibrate` (default: measure them)");
  command
      .add_option("--margin", options.margin,
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

/// With a file of ranges, only the sensitivities take training images.
Result<std::vector<float>> training_images(const nn::Graph& graph, const TrainingData& data,
                                           const PolynomialOptions& options) {
  if (!options.ranges.empty() && options.calibration_images) {
    return error(Code::wrong_params, "--calibration-images: the ranges of {} are measured already", options.ranges);
  }
  return calibration_images(graph, data, options.calibration_images,
                            options.ranges.empty() ? kRangeImages : kSensitivityImages);
}

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

Result<void> check_options(const PolynomialOptions& options) {
  if (!(options.margin >= 0 && options.margin <= calibrate::kMaxMargin)) {
    return error(Code::wrong_params, "--margin {}: from 0 to {} is allowed (a share of the largest argument)",
                 options.margin, calibrate::kMaxMargin);
  }
  if (!options.noise.empty()) OBSCURA_TRY_VOID(parse_noise(options.noise));
  return {};
}

}  // namespace

Result<Polynomials> Polynomials::prepare(const nn::Graph& graph, const TrainingData& data,
                                         const PolynomialOptions& options) {
  OBSCURA_TRY_VOID(check_options(options));
  Polynomials out;
  out.graph_ = &graph;
  out.margin_ = options.margin;
  OBSCURA_TRY(const std::vector<float> images, training_images(graph, data, options));
  const std::size_t image_size = static_cast<std::size_t>(nn::element_count(graph.values[graph.input].shape));
  const std::size_t count = images.size() / image_size;
  if (options.ranges.empty()) {
    ProgressBar bar("ranges");
    OBSCURA_TRY(out.calibration_, calibrate::measure_ranges(graph, images, count, bar.callback()));
  } else {
    OBSCURA_TRY(out.calibration_, calibrate::read_ranges_file(options.ranges, graph));
  }
  if (out.calibration_.ranges.empty()) return out;
  constexpr std::size_t kMostFloats = std::size_t{1} << 24;
  const std::size_t tried = std::min({count, kTriedImages, std::max<std::size_t>(kMostFloats / image_size, 1)});
  out.few_.assign(images.begin(), images.begin() + static_cast<std::ptrdiff_t>(tried * image_size));
  ProgressBar bar("sensitivities");
  const std::size_t few = std::min(count, kSensitivityImages);
  OBSCURA_TRY(out.sensitivities_,
              calibrate::measure_sensitivities(graph, out.calibration_, std::span(images).first(few * image_size), few,
                                               bar.callback()));
  return out;
}

Result<calibrate::Choice> Polynomials::alike(int alpha) const {
  return calibrate::choose_alike(*graph_, calibration_, sensitivities_, alpha, margin_);
}

Result<void> Polynomials::make_chooser() {
  if (chooser_) return {};
  OBSCURA_TRY(chooser_, calibrate::LayerwiseChooser::make(*graph_, calibration_, sensitivities_, margin_));
  return {};
}

Result<calibrate::Choice> Polynomials::layerwise(const calibrate::Budget& budget) {
  OBSCURA_TRY_VOID(make_chooser());
  return chooser_->choose(budget);
}

Result<calibrate::Choice> Polynomials::layerwise_within(double logit_error, calibrate::Budget::Of of) {
  OBSCURA_TRY_VOID(make_chooser());
  return chooser_->choose_within(logit_error, of);
}

namespace {

/// Share of images whose answers differ.
double differing(std::span<const float> actual, std::span<const float> expected, std::size_t outputs) {
  const std::size_t count = expected.size() / outputs;
  const auto label = [&](std::span<const float> row) {
    return outputs > 1 ? std::max_element(row.begin(), row.end()) - row.begin() : std::ptrdiff_t{row[0] > 0};
  };
  double largest = 0;
  for (const float v : expected) largest = std::max(largest, std::abs(double{v}));
  const bool one_sign = outputs == 1 && std::all_of(expected.begin(), expected.end(),
                                                    [&](float v) { return (v > 0) == (expected[0] > 0); });
  std::size_t differ = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto a = actual.subspan(i * outputs, outputs), e = expected.subspan(i * outputs, outputs);
    const bool finite = std::all_of(a.begin(), a.end(), [](float v) { return std::isfinite(v); });
    const bool same = one_sign ? std::abs(double{a[0]} - e[0]) <= std::ldexp(largest, -9) : label(a) == label(e);
    differ += finite && same ? 0 : 1;
  }
  return static_cast<double>(differ) / static_cast<double>(count);
}

}  // namespace

Result<calibrate::Choice> Polynomials::automatic(double max_loss) {
  const nn::Graph& graph = *graph_;
  const std::size_t size = static_cast<std::size_t>(nn::element_count(graph.values[graph.input].shape));
  const auto outputs = static_cast<std::size_t>(nn::element_count(graph.values[graph.output].shape));
  const std::size_t count = few_.size() / size;
  OBSCURA_TRY(const Inference exact, infer_float(graph, few_, count));
  double squares = 0;
  for (const float v : exact.logits) squares += double{v} * v;
  const double spread = std::sqrt(squares / static_cast<double>(count));
  double least = 1;
  constexpr int kMostBits = 14;
  for (int bits = 1; bits <= kMostBits; ++bits) {
    auto choice = layerwise_within(std::ldexp(spread, -bits), calibrate::Budget::Of::depth);
    if (!choice.ok()) {
      if (bits == 1 || choice.error().code != Code::infeasible) return choice;
      break;
    }
    OBSCURA_TRY(const PolynomialInference tried, infer_poly(graph, choice.value(), few_, count, {}));
    const double loss = differing(tried.inference.logits, exact.logits, outputs);
    if (loss <= max_loss) return choice;
    least = std::min(least, loss);
  }
  return error(Code::infeasible,
               "polynomials change the answers of {:.2f} % of {} training images at least; {:.2f} % are allowed "
               "(--max-loss): calibrate with more images, or with a larger --margin",
               100 * least, count, 100 * max_loss);
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
