// SPDX-License-Identifier: Apache-2.0
#include "compile/compile.h"

#include <algorithm>
#include <cmath>

#include "compile/answer.h"
#include "compile/bounds.h"
#include "compile/emit.h"
#include "compile/image_compile.h"
#include "compile/image_store.h"
#include "compile/readiness.h"
#include "compile/reasons.h"
#include "compile/search.h"
#include "plan/verify.h"

namespace obscura::compile {
namespace {

/// Default of Options::max_error_std, as a share of spread_of. The two largest logits of an image lie closer together
/// than 2^-8 of it in about one of ten thousand images of a good classifier, so labels stay what they are.
constexpr double kDefaultRelativeError = 0x1p-9;
/// Defaults of Options::headroom_bits. Wrapping around would be a wrong answer, not noise.
constexpr int kHeadroomBits = 3;
constexpr int kHeadroomBitsProbes = 6;
constexpr int kMaxHeadroomBits = 40;
/// How far polynomials hold beyond the largest argument that was seen, as a share of it.
constexpr double kMargin = 0.25;
constexpr double kMarginProbes = 1;
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
  if (options.headroom_bits && (*options.headroom_bits < 0 || *options.headroom_bits > kMaxHeadroomBits)) {
    return error(Code::wrong_params, "a headroom of {} bits; 0 to {} are allowed", *options.headroom_bits,
                 kMaxHeadroomBits);
  }
  if (options.max_key_bytes && options.layout == LayoutChoice::batch) {
    return error(Code::wrong_params, "a largest size of the keys is for the image layout; batches have one small key");
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

std::size_t affordable(std::uint64_t budget, std::uint64_t multiplications, std::size_t most) {
  const std::uint64_t images = budget / std::max<std::uint64_t>(multiplications, 1);
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(images, kMinImages, most));
}

struct Limits {
  int headroom_bits = 0;
  double max_input = 1;
  double max_error = 0;
  double spread = 0;
};

struct Measured {
  MonicNetwork network;
  Statistics statistics;
  Gains gains;
};

Result<Measured> measure_monic(FusedNetwork fused, Quartics quartics, const Images& all, const Report& report) {
  constexpr std::size_t kSteps = 3;
  OBSCURA_TRY_VOID(tell(report, "measuring", 0, kSteps));
  OBSCURA_TRY(MonicNetwork network, make_monic(std::move(fused), quartics));
  const Images images = all.first(affordable(kMeasureBudget, multiplications(network), kMaxImages));
  OBSCURA_TRY_VOID(tell(report, "measuring", 1, kSteps));
  Statistics statistics = measure(network, images);
  OBSCURA_TRY_VOID(tell(report, "measuring", 2, kSteps));
  if (!std::isfinite(statistics.max_logit) || !std::isfinite(statistics.logit_deviation)) {
    return error(Code::unsupported,
                 "network '{}': its values grow beyond all bounds on the images it was measured with", network.name);
  }
  if (statistics.max_logit == 0) {
    return error(
        Code::unsupported,
        "network '{}': its outputs are 0 for all of the {} images that it was measured with; one that is not is "
        "needed to say how precise they have to be: calibrate with other images",
        network.name, images.count());
  }
  Gains gains(network, statistics, images);
  return Measured{std::move(network), std::move(statistics), std::move(gains)};
}

/// Bounds the polynomials that need it; whether there are any.
Result<bool> bound(FusedNetwork& fused, const Images& all, bool calibrated) {
  if (!has_unbounded(fused)) return false;
  const Images some = all.first(affordable(kMeasureBudget, multiplications(fused), kMaxImages));
  OBSCURA_TRY_VOID(bound_polynomials(fused, some, calibrated ? kMargin : kMarginProbes));
  return true;
}

/// Whether the two layouts take some activation differently, or but one takes products.
bool layouts_differ(const FusedNetwork& network) {
  if (std::any_of(network.junctions.begin(), network.junctions.end(), is_product)) return true;
  return std::any_of(network.activations.begin(), network.activations.end(), [](const PolynomialActivation& a) {
    const Coefficients& c = a.coefficients;
    return !a.approximation && degree(c) == 4 &&
           std::any_of(c.begin(), c.end(), [](const Elements& numbers) { return numbers.size() > 1; });
  });
}

Limits limits_of(const Statistics& statistics, const nn::Shape& shape, plan::AnswerKind answer,
                 const Options& options) {
  Limits out;
  out.headroom_bits = options.headroom_bits.value_or(options.calibration.empty() ? kHeadroomBitsProbes : kHeadroomBits);
  out.max_input = largest_input(shape, options);
  out.max_error = options.max_error_std;
  out.spread = spread_of(statistics, answer);
  if (out.max_error == 0) out.max_error = kDefaultRelativeError * out.spread;
  return out;
}

Result<plan::Plan> compile_batch(const Measured& measured, const Images& all, const Limits& limits,
                                 const Options& options, bool calibrated) {
  OBSCURA_TRY_VOID(tell(options.report, "rounding", 0, 2));
  OBSCURA_TRY(
      const Rounding rounding,
      Rounding::measure(measured.network,
                        all.first(affordable(kRoundingBudget, multiplications(measured.network), kMaxRoundingImages))));
  OBSCURA_TRY_VOID(tell(options.report, "rounding", 1, 2));
  Setting setting;
  setting.network = &measured.network;
  setting.statistics = &measured.statistics;
  setting.gains = &measured.gains;
  setting.rounding = &rounding;
  setting.headroom_bits = limits.headroom_bits;
  setting.max_input = limits.max_input;
  setting.max_error = limits.max_error;
  setting.spread = limits.spread;
  const Request request{options.batch, options.log2_degree};
  OBSCURA_TRY(const Selection selection, search(setting, request));
  OBSCURA_TRY(plan::Plan plan, emit(measured.network, selection.best));
  plan.batch = options.batch;
  plan.output.noise_growth = measured.gains.growth();
  plan.predicted_seconds = selection.best.schedule.nanoseconds * 1e-9;
  OBSCURA_TRY_VOID(explain(setting, selection, calibrated, options.memory, plan));
  return plan;
}

/// What no choice of the batch layout undercuts; nothing where there is none. `monic`: what becomes of the network, if
/// that is known.
std::optional<double> least_batch_seconds(const FusedNetwork& fused, const MonicNetwork* monic,
                                          const Options& options) {
  std::optional<MonicNetwork> own;
  if (monic == nullptr) {
    auto made = make_monic(fused, Quartics::squared);
    if (!made.ok()) return std::nullopt;
    own = std::move(made).value();
    monic = &*own;
  }
  const double least = least_nanoseconds(*monic, {}, {options.batch, options.log2_degree}) * 1e-9;
  return std::isfinite(least) ? std::optional(least) : std::nullopt;
}

ImageSetting image_setting(const Measured& measured, const Limits& limits, const Options& options) {
  return {&measured.network,
          &measured.statistics,
          &measured.gains,
          {},
          limits.headroom_bits,
          limits.max_input,
          limits.max_error,
          limits.spread,
          options.max_key_bytes,
          options.memory,
          std::make_shared<ImageStore>(),
          options.report};
}

/// Core-seconds for `batch` images: whole runs.
double seconds_for(const plan::Plan& plan, std::uint32_t batch) {
  const std::uint64_t at_once = plan.images_at_once();
  const std::uint64_t runs = (batch + at_once - 1) / at_once;
  return plan.predicted_seconds * static_cast<double>(runs);
}

std::string images_of(std::uint32_t batch) { return batch == 1 ? "one image" : fmt::format("{} images", batch); }

/// With what the other layout costs as its first reason.
plan::Plan image_beside(plan::Plan plan, const Options& options, const std::string& others) {
  plan.reasons.insert(plan.reasons.begin(),
                      fmt::format("Image layout: {:.2f} core-seconds for {}; beside it {}.",
                                  seconds_for(plan, options.batch), images_of(options.batch), others));
  return plan;
}

/// The cheaper of the two layouts, or the one that was asked for. `least`: core-seconds that the batch layout takes at
/// the least, which often say enough.
template <class Image, class Batch, class Least>
Result<plan::Plan> choose_layout(const Options& options, const Image& image, const Batch& batch, const Least& least) {
  constexpr std::uint32_t kFewestSlots = std::uint32_t{1} << (ckks::kMinLog2Degree - 1);
  if (options.layout == LayoutChoice::image) return image();
  std::optional<Result<plan::Plan>> one;
  if (options.layout == LayoutChoice::automatic && options.batch < kFewestSlots) {
    one = image();
    const std::optional<double> seconds = one->ok() ? least() : std::nullopt;
    if (seconds && seconds_for(one->value(), options.batch) <= *seconds) {
      return image_beside(std::move(*one).value(), options,
                          fmt::format("the batch layout, {:.2f} core-seconds or more", *seconds));
    }
  }
  if (one && !one->ok() && one->error().code == Code::cancelled) return *one;
  auto slots = batch();
  if (!slots.ok() && slots.error().code == Code::cancelled) return slots;
  // Ciphertexts full of images are far cheaper than as many runs.
  const bool full = slots.ok() && options.batch >= slots.value().images_at_once();
  if (options.layout == LayoutChoice::batch || full) return slots;
  if (!one) one = image();
  if (!one->ok()) return slots;
  const double own = seconds_for(one->value(), options.batch);
  if (!slots.ok()) {
    return image_beside(std::move(*one).value(), options, "the batch layout, which is infeasible");
  }
  const double others = seconds_for(slots.value(), options.batch);
  if (own <= others) {
    return image_beside(std::move(*one).value(), options, fmt::format("the batch layout, {:.2f} core-seconds", others));
  }
  slots.value().reasons.insert(
      slots.value().reasons.begin(),
      fmt::format("Batch layout: {:.2f} core-seconds for {}; beside it the image layout, {:.2f}.", others,
                  images_of(options.batch), own));
  return slots;
}

/// What the plan says whatever its layout. errors (infeasible): an error that leaves nothing of the logits
Result<void> finish(plan::Plan& plan, const Options& options, const plan::AnswerSpec& answer, const nn::Shape& shape) {
  plan.batch = options.batch;
  plan.output.answer = answer;
  plan.input.mean = or_else(options.mean, shape[0], 0);
  plan.input.deviation = or_else(options.deviation, shape[0], 1);
  const auto verified = plan::verify(plan);
  OBSCURA_CHECK(verified.ok(), "the compiler made a plan that does not verify: {}", verified.error().message);
  const double largest = plan.value(static_cast<plan::ValueId>(plan.steps.size())).max_abs;
  constexpr double kLeastShare = 4;  // of a logit, in deviations of its error: below it labels are chance
  if (kLeastShare * plan.output.error_std < largest) return {};
  return error(Code::infeasible,
               "network '{}': the predicted error of a logit, {:.3g}, stands beside logits of at most {:.3g}, so that "
               "nothing would be left of the answer: allow a smaller --max-error, or train with smaller weights",
               plan.name, plan.output.error_std, largest);
}

}  // namespace

Result<plan::Plan> compile(const nn::Graph& graph, const Options& options) {
  OBSCURA_TRY_VOID(check(graph, options));
  OBSCURA_TRY(const plan::AnswerSpec answer, answer_of(graph, options.answer, options.class_names));
  OBSCURA_TRY_VOID(require_ready(graph, options.layout, !options.approximations.empty()));
  OBSCURA_TRY_VOID(tell(options.report, "layers", 0, 1));
  OBSCURA_TRY(FusedNetwork fused, fuse(graph, options.approximations));
  const bool calibrated = !options.calibration.empty();
  const nn::Shape& shape = fused.input;
  const std::vector<float> probes = calibrated ? std::vector<float>() : normalised_probes(shape, options);
  const Images all{calibrated ? options.calibration : std::span<const float>(probes),
                   static_cast<std::size_t>(nn::element_count(shape))};
  OBSCURA_TRY(const bool unbounded, bound(fused, all, calibrated));
  const bool image_only = unbounded || !options.approximations.empty();
  std::optional<Measured> same;
  if (!layouts_differ(fused)) {
    OBSCURA_TRY(same, measure_monic(fused, Quartics::squared, all, options.report));
  }
  const auto least = [&] {
    return image_only ? std::nullopt : least_batch_seconds(fused, same ? &same->network : nullptr, options);
  };
  const auto batch = [&]() -> Result<plan::Plan> {
    if (image_only) {
      return error(Code::unsupported, "network '{}': {} are compiled in the image layout only (--layout image)",
                   graph.name, unbounded ? "polynomials of degrees other than 2 and 4" : "approximated activations");
    }
    std::optional<Measured> own;
    if (!same) {
      OBSCURA_TRY(own, measure_monic(fused, Quartics::squared, all, options.report));
    }
    const Measured& measured = same ? *same : *own;
    return compile_batch(measured, all, limits_of(measured.statistics, shape, answer.kind, options), options,
                         calibrated);
  };
  const auto image = [&]() -> Result<plan::Plan> {
    std::optional<Measured> own;
    if (!same) {
      OBSCURA_TRY(own, measure_monic(fused, Quartics::plain, all, options.report));
    }
    const Measured& measured = same ? *same : *own;
    const Limits limits = limits_of(measured.statistics, shape, answer.kind, options);
    auto plan = compile_image(image_setting(measured, limits, options), options.log2_degree, options.batch, calibrated);
    if (plan.ok()) plan.value().output.noise_growth = measured.gains.growth();
    return plan;
  };
  OBSCURA_TRY(plan::Plan plan, choose_layout(options, image, batch, least));
  OBSCURA_TRY_VOID(finish(plan, options, answer, shape));
  return plan;
}

}  // namespace obscura::compile
