// SPDX-License-Identifier: Apache-2.0
#include "compile/compile.h"

#include <algorithm>
#include <cmath>

#include "compile/emit.h"
#include "compile/search.h"
#include "plan/verify.h"

namespace obscura::compile {
namespace {

constexpr int kMinWeightBits = 7;
constexpr int kMaxWeightBits = 14;
/// Default of Options::max_error_std, as a share of the logits' deviation. The two largest logits of an image lie
/// closer together than 2^-8 of it in about one of ten thousand images of a good classifier, so labels stay what they
/// are.
constexpr double kDefaultRelativeError = 0x1p-9;
/// Room between the largest logit seen and the modulus. Wrapping around would be a wrong answer, not noise.
constexpr int kHeadroomBits = 3;
constexpr int kHeadroomBitsProbes = 6;
/// Multiply-adds spent on measuring.
constexpr std::uint64_t kMeasureBudget = 4'000'000'000;
constexpr std::uint64_t kRoundingBudget = 500'000'000;
constexpr std::size_t kMaxImages = 1024;
constexpr std::size_t kMaxRoundingImages = 64;
constexpr std::size_t kMinImages = 16;

Result<void> check_normalisation(const std::vector<double>& values, std::int64_t channels, const char* what,
                                 bool above_zero) {
  if (!values.empty() && values.size() != static_cast<std::size_t>(channels)) {
    return error(Code::wrong_params, "{} {} values for {} channels; one for each, or none, is allowed", what,
                 values.size(), channels);
  }
  for (const double v : values) {
    if (!std::isfinite(v) || (above_zero && v <= 0)) {
      return error(Code::wrong_params, "a {} of {}; finite{} is allowed", what, v, above_zero ? " and above 0" : "");
    }
  }
  return {};
}

Result<void> check(const nn::Graph& graph, const Options& options) {
  if (options.batch == 0) return error(Code::wrong_params, "a batch of 0 images; 1 or more are allowed");
  const nn::Shape& shape = graph.values[graph.input].shape;
  if (shape.size() != 3) {
    return error(Code::unsupported,
                 "network '{}': the input has shape {}; an image of channels x height x width is expected", graph.name,
                 nn::to_string(shape));
  }
  OBSCURA_TRY_VOID(check_normalisation(options.mean, shape[0], "mean", false));
  OBSCURA_TRY_VOID(check_normalisation(options.deviation, shape[0], "deviation", true));
  if (!std::isfinite(options.max_error_std) || options.max_error_std < 0) {
    return error(Code::wrong_params, "a largest error of {}; 0 (the default) or above is allowed",
                 options.max_error_std);
  }
  if (options.log2_degree &&
      (*options.log2_degree < ckks::kMinLog2Degree || *options.log2_degree > ckks::kMaxLog2Degree)) {
    return error(Code::wrong_params, "a ring degree of 2^{}; 2^{} to 2^{} are allowed", *options.log2_degree,
                 ckks::kMinLog2Degree, ckks::kMaxLog2Degree);
  }
  if (options.calibration.size() % static_cast<std::size_t>(nn::element_count(shape)) != 0) {
    return error(Code::wrong_params, "{} calibration numbers; a multiple of {} (one image) is allowed",
                 options.calibration.size(), nn::element_count(shape));
  }
  return {};
}

std::vector<double> or_else(const std::vector<double>& values, std::int64_t channels, double otherwise) {
  return values.empty() ? std::vector<double>(static_cast<std::size_t>(channels), otherwise) : values;
}

/// Probes, normalised as the network expects.
std::vector<float> normalised_probes(const nn::Shape& shape, const Options& options) {
  std::vector<float> images = probe_images(shape);
  const auto mean = or_else(options.mean, shape[0], 0);
  const auto deviation = or_else(options.deviation, shape[0], 1);
  const auto area = static_cast<std::size_t>(shape[1] * shape[2]);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::size_t c = i / area % mean.size();
    images[i] = static_cast<float>((images[i] - mean[c]) / deviation[c]);
  }
  return images;
}

double largest_input(const nn::Shape& shape, const Options& options) {
  const auto mean = or_else(options.mean, shape[0], 0);
  const auto deviation = or_else(options.deviation, shape[0], 1);
  double largest = 0;
  for (std::size_t c = 0; c < mean.size(); ++c) {
    largest = std::max({largest, std::abs(mean[c] / deviation[c]), std::abs((1 - mean[c]) / deviation[c])});
  }
  return largest;
}

std::size_t affordable(std::uint64_t budget, const MonicNetwork& network, std::size_t most) {
  const std::uint64_t images = budget / std::max<std::uint64_t>(multiplications(network), 1);
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(images, kMinImages, most));
}

Result<WeightOption> weight_option(const MonicNetwork& network, int bits, const Images& images) {
  WeightOption option;
  option.bits = bits;
  option.all_exact = true;
  Weights rounded;
  for (const auto& segment : network.segments) {
    option.scales.emplace_back();
    rounded.emplace_back();
    for (const auto& map : segment) {
      OBSCURA_TRY(const QuantizedWeights weights, quantize(map, bits));
      option.scales.back().push_back(weights.scale);
      option.all_exact &= weights.exact;
      std::vector<double> values;
      values.reserve(weights.integers.size());
      for (const std::int32_t w : weights.integers) values.push_back(w / weights.scale);
      rounded.back().push_back(std::move(values));
    }
  }
  option.rounding = rounding_errors(network, rounded, images);
  return option;
}

Result<std::vector<WeightOption>> weight_options(const MonicNetwork& network, const Images& images) {
  std::vector<WeightOption> out;
  for (int bits = kMinWeightBits; bits <= kMaxWeightBits; ++bits) {
    auto option = weight_option(network, bits, images);
    if (!option.ok()) {
      if (out.empty()) return option.error();
      break;  // more bits break the bound of a row, too
    }
    out.push_back(std::move(option).value());
    if (out.back().all_exact) break;
  }
  return out;
}

std::uint64_t key_bytes(const plan::Plan& plan) {
  if (!plan.keys.relinearization) return 0;
  const std::uint64_t alpha = static_cast<std::uint64_t>(plan.params.digit_limbs);
  const std::uint64_t primes = plan.params.chain.size() + plan.params.special.size();
  const std::uint64_t digits = (plan.params.chain.size() + alpha - 1) / alpha;
  return 2 * digits * primes * (std::uint64_t{8} << plan.params.log2_degree);
}

/// Weights as the runtime holds them: integers and doubles.
std::uint64_t weight_bytes(const plan::Plan& plan) {
  std::uint64_t weights = 0;
  for (const auto& step : plan.steps) {
    const auto* linear = std::get_if<plan::Linear>(&step.operation);
    if (!linear) continue;
    for (const auto& matrix : linear->map.matrices) weights += matrix.data.size();
  }
  return weights * (sizeof(std::int32_t) + sizeof(double));
}

std::string drops(const Choice& choice) {
  std::string text;
  for (const std::uint32_t d : choice.drops) text += fmt::format("{}{}", text.empty() ? "" : ", ", d);
  return text;
}

std::string in_short(const Candidate& c, std::uint32_t batch) {
  return fmt::format(
      "N = 2^{} with {} limbs of {} bits and digits of {}: {:.2f} core-seconds for the batch, logit error {:.2g}",
      c.choice.log2_degree, c.choice.limbs(), c.choice.prime_bits, c.choice.digit_limbs,
      batch_nanoseconds(c, batch) * 1e-9, c.logit_error);
}

std::vector<std::string> reasons(const MonicNetwork& network, const Selection& selection, const Statistics& statistics,
                                 const Request& request, bool calibrated, const plan::Plan& plan) {
  const Candidate& best = selection.best;
  std::vector<std::string> out = network.notes;
  out.push_back(fmt::format("Chosen is the cheapest of {} sets of parameters that were tried: {}.",
                            selection.considered, in_short(best, request.batch)));
  if (selection.runner_up) {
    out.push_back(fmt::format("Next comes {}.", in_short(*selection.runner_up, request.batch)));
  }
  out.push_back(
      fmt::format("The logits keep {} limbs, because their scale of 2^{:.1f} with {} bits above the largest logit "
                  "seen ({:.3g}) needs them.",
                  best.choice.final_limbs, std::log2(plan.output.scale),
                  calibrated ? kHeadroomBits : kHeadroomBitsProbes, statistics.max_logit));
  if (!best.choice.drops.empty()) {
    out.push_back(fmt::format("Limbs dropped after each square: {}; dropping is merged into the relinearization.",
                              drops(best.choice)));
  }
  const Points points(network);
  const std::size_t last = points.map(network.segments.size() - 1, network.segments.back().size() - 1);
  const double rounding = std::sqrt(best.weights->rounding[last]);
  out.push_back(
      best.weights->all_exact
          ? "All weights are exact integers: nothing is rounded."
          : fmt::format("Weights of {} bits: rounding them moves a logit by {:.2g}; fewer bits round more, more bits "
                        "leave less scale against the noise.",
                        best.choice.weight_bits, rounding));
  out.push_back(
      fmt::format("The predicted error of a logit is {:.2g} of {:.2g} allowed (logits spread by {:.3g}); measured on "
                  "{} {} images.",
                  best.logit_error, request.max_error_std, statistics.logit_deviation, statistics.images,
                  calibrated ? "calibration" : "synthetic"));
  out.push_back(fmt::format("Memory: {:.0f} MB of ciphertexts at the peak, {:.0f} MB of keys, {:.1f} MB of weights.",
                            static_cast<double>(plan::peak_ciphertext_bytes(plan)) / 1e6,
                            static_cast<double>(key_bytes(plan)) / 1e6, static_cast<double>(weight_bytes(plan)) / 1e6));
  return out;
}

}  // namespace

Result<plan::Plan> compile(const nn::Graph& graph, const Options& options) {
  OBSCURA_TRY_VOID(check(graph, options));
  OBSCURA_TRY(FusedNetwork fused, fuse(graph));
  OBSCURA_TRY(const MonicNetwork network, make_monic(std::move(fused)));

  const bool calibrated = !options.calibration.empty();
  const std::vector<float> probes = calibrated ? std::vector<float>() : normalised_probes(network.input, options);
  const auto elements = static_cast<std::size_t>(nn::element_count(network.input));
  const Images all{calibrated ? options.calibration : std::span<const float>(probes), elements};
  const Statistics statistics = measure(network, all.first(affordable(kMeasureBudget, network, kMaxImages)));
  if (!std::isfinite(statistics.max_logit) || !std::isfinite(statistics.logit_deviation)) {
    return error(Code::unsupported,
                 "network '{}': its values grow beyond all bounds on the images it was measured with", graph.name);
  }

  Setting setting;
  setting.network = &network;
  setting.statistics = &statistics;
  setting.headroom_bits = calibrated ? kHeadroomBits : kHeadroomBitsProbes;
  setting.max_input = largest_input(network.input, options);
  OBSCURA_TRY(setting.weights,
              weight_options(network, all.first(affordable(kRoundingBudget, network, kMaxRoundingImages))));
  Request request{options.batch, options.max_error_std, options.log2_degree};
  if (request.max_error_std == 0) request.max_error_std = kDefaultRelativeError * statistics.logit_deviation;
  OBSCURA_TRY(const Selection selection, search(setting, request));

  OBSCURA_TRY(plan::Plan plan, emit(network, selection.best));
  plan.batch = options.batch;
  plan.input.mean = or_else(options.mean, network.input[0], 0);
  plan.input.deviation = or_else(options.deviation, network.input[0], 1);
  plan.predicted_seconds = selection.best.schedule.nanoseconds * 1e-9;
  plan.predicted_bytes = plan::peak_ciphertext_bytes(plan) + key_bytes(plan) + weight_bytes(plan);
  plan.reasons = reasons(network, selection, statistics, request, calibrated, plan);
  const auto verified = plan::verify(plan);
  OBSCURA_CHECK(verified.ok(), "the compiler made a plan that does not verify: {}", verified.error().message);
  return plan;
}

}  // namespace obscura::compile
