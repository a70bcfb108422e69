// SPDX-License-Identifier: Apache-2.0
#include "compile/compile.h"

#include <algorithm>
#include <cmath>

#include "base/normalise.h"
#include "compile/answer.h"
#include "compile/front/check.h"
#include "compile/measure/intervals.h"
#include "compile/measure/text.h"
#include "compile/readiness.h"
#include "compile/search/emit.h"
#include "compile/search/pricing.h"
#include "compile/search/reasons.h"
#include "compile/search/search.h"
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
  OBSCURA_TRY_VOID(check_normalisation(options.std, shape[0], "standard deviation", true));
  if (const auto fault = base::fault_of(options.standardise)) return error(Code::wrong_params, "{}", *fault);
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

base::Normaliser normaliser_of(const nn::Shape& shape, const Options& options) {
  return {static_cast<std::size_t>(shape[0]), static_cast<std::size_t>(shape[1] * shape[2]), options.mean, options.std,
          options.standardise};
}

std::size_t affordable(std::uint64_t budget, std::uint64_t multiplications, std::size_t most) {
  const std::uint64_t images = budget / std::max<std::uint64_t>(multiplications, 1);
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(images, kMinImages, most));
}

struct Measured {
  MonicNetwork network;
  Statistics statistics;
  ErrorAmplification amplification;
};

/// A plan, and what passes can show of it.
struct Compiled {
  plan::Plan plan;
  std::shared_ptr<const Measured> measured;
  std::shared_ptr<const Rounding> rounding;  ///< batch layout
  Candidate candidate;                       ///< where passes are asked for
};

/// Whether the two layouts take some activation differently, or but one takes products.
bool layouts_differ(const FusedNetwork& network) {
  if (std::any_of(network.junctions.begin(), network.junctions.end(), is_product)) return true;
  return std::any_of(network.activations.begin(), network.activations.end(), [](const PolynomialActivation& a) {
    const Coefficients& c = a.coefficients;
    return !a.approximation && degree(c) == 4 &&
           std::any_of(c.begin(), c.end(), [](const Elements& numbers) { return numbers.size() > 1; });
  });
}

/// Core-seconds for `batch` images: whole runs.
double seconds_for(const plan::Plan& plan, std::uint32_t batch) {
  const std::uint64_t at_once = plan.images_at_once();
  const std::uint64_t runs = (batch + at_once - 1) / at_once;
  return plan.predicted_seconds * static_cast<double>(runs);
}

std::string images_of(std::uint32_t batch) { return batch == 1 ? "one image" : fmt::format("{} images", batch); }

/// With what the other layout costs as its first reason.
Compiled image_preferred(Compiled image, const Options& options, const std::string& other) {
  std::vector<std::string>& reasons = image.plan.reasons;
  reasons.insert(reasons.begin(), fmt::format("Image layout: {:.2f} core-seconds for {}; beside it {}.",
                                              seconds_for(image.plan, options.batch), images_of(options.batch), other));
  return image;
}

/// From one network to a plan in either layout.
class Compiler {
 public:
  Compiler(FusedNetwork fused, const Images& images, plan::AnswerKind answer, bool unbounded, const Options& options)
      : name_(fused.name),
        input_(fused.input),
        fused_(std::move(fused)),
        images_(images),
        answer_(answer),
        unbounded_(unbounded),
        options_(options),
        calibrated_(!options.calibration.empty()) {}

  /// The cheaper of the two layouts, or the one that was asked for.
  Result<Compiled> run() {
    constexpr std::uint32_t kFewestSlots = std::uint32_t{1} << (ckks::kMinLog2Degree - 1);
    if (!layouts_differ(fused_)) {
      OBSCURA_TRY(same_, measure_monic(std::move(fused_), Quartics::squared));
    }
    if (options_.layout == LayoutChoice::image) return image();
    std::optional<Result<Compiled>> one;
    if (options_.layout == LayoutChoice::automatic && options_.batch < kFewestSlots) {
      one = image();
      if (!one->ok() && one->error().code == Code::cancelled) return *one;
      const std::optional<double> least = one->ok() ? least_batch_seconds() : std::nullopt;
      if (least && seconds_for(one->value().plan, options_.batch) <= *least) {
        return image_preferred(std::move(*one).value(), options_,
                               fmt::format("the batch layout, {:.2f} core-seconds or more", *least));
      }
    }
    const double most = one && one->ok() ? seconds_for(one->value().plan, options_.batch) : HUGE_VAL;
    auto found = batch(most);
    if (found.ok() && !found.value()) {
      return image_preferred(std::move(*one).value(), options_,
                             fmt::format("the batch layout, {:.2f} core-seconds or more", most));
    }
    Result<Compiled> full = found.ok() ? Result<Compiled>(std::move(*found.value())) : found.error();
    if (!full.ok() && full.error().code == Code::cancelled) return full;
    // Ciphertexts full of images are far cheaper than as many runs.
    const bool filled = full.ok() && options_.batch >= full.value().plan.images_at_once();
    if (options_.layout == LayoutChoice::batch || filled) return full;
    if (!one) one = image();
    if (!one->ok()) {
      if (full.ok()) return full;
      if (one->error().code == Code::cancelled) return *one;
      return error(one->error().code, "{}; in the batch layout: {}", one->error().message, full.error().message);
    }
    return compare(std::move(*one).value(), std::move(full));
  }

 private:
  Result<Compiled> compare(Compiled image, Result<Compiled> batch) const {
    if (!batch.ok()) {
      const std::string why = fmt::format("the batch layout, which is infeasible ({})", batch.error().message);
      return image_preferred(std::move(image), options_, why);
    }
    const double own = seconds_for(image.plan, options_.batch), other = seconds_for(batch->plan, options_.batch);
    if (own <= other) {
      return image_preferred(std::move(image), options_, fmt::format("the batch layout, {:.2f} core-seconds", other));
    }
    std::vector<std::string>& reasons = batch->plan.reasons;
    reasons.insert(reasons.begin(),
                   fmt::format("Batch layout: {:.2f} core-seconds for {}; beside it the image layout, {:.2f}.", other,
                               images_of(options_.batch), own));
    return batch;
  }

  Result<std::shared_ptr<const Measured>> measure_monic(FusedNetwork fused, Quartics quartics) const {
    constexpr std::size_t kSteps = 3;
    OBSCURA_TRY_VOID(tell(options_.report, "measuring", 0, kSteps));
    OBSCURA_TRY(MonicNetwork network,
                run_pass(options_.passes, Pass::monic, [&] { return make_monic(std::move(fused), quartics); }));
    verify_after(Pass::monic, [&] { return verify(network); });
    const PassTimer timer(options_.passes, Pass::measure);
    const Images images = images_.first(affordable(kMeasureBudget, multiplications(network), kMaxImages));
    OBSCURA_TRY_VOID(tell(options_.report, "measuring", 1, kSteps));
    const LaneMaps maps = lane_maps(network);
    OutputGains gains(network, maps, images.count());
    Statistics statistics =
        measure(network, maps, images, [&](std::size_t batch, Arguments own) { gains.take(batch, std::move(own)); });
    OBSCURA_TRY_VOID(tell(options_.report, "measuring", 2, kSteps));
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
    ErrorAmplification amplification(network, maps, statistics, gains);
    return std::make_shared<const Measured>(
        Measured{std::move(network), std::move(statistics), std::move(amplification)});
  }

  Setting setting_for(const Measured& measured) const {
    Setting out;
    out.network = &measured.network;
    out.statistics = &measured.statistics;
    out.amplification = &measured.amplification;
    out.headroom_bits = options_.headroom_bits.value_or(calibrated_ ? kHeadroomBits : kHeadroomBitsProbes);
    out.max_input = normaliser_of(input_, options_).largest();
    out.spread = spread_of(measured.statistics, answer_);
    out.max_error = options_.max_error_std == 0 ? kDefaultRelativeError * out.spread : options_.max_error_std;
    out.max_key_bytes = options_.max_key_bytes;
    out.memory = options_.memory;
    out.cache = std::make_shared<MapCache>();
    out.report = options_.report;
    out.passes = options_.passes;
    return out;
  }

  /// The plan of the best choice; nothing where those of use all take more than the request says.
  Result<std::optional<Compiled>> choose(const Setting& setting, const Request& request, Compiled out) const {
    OBSCURA_TRY(std::optional<Selection> found, search(setting, request));
    if (!found) return std::optional<Compiled>();
    Selection& selection = *found;
    OBSCURA_TRY(out.plan,
                run_pass(options_.passes, Pass::emit, [&] { return emit(out.measured->network, selection.best); }));
    out.plan.batch = options_.batch;
    out.plan.output.noise_growth = out.measured->amplification.growth();
    explain(setting, selection, calibrated_, out.plan);
    if (options_.passes != nullptr) out.candidate = std::move(selection.best);
    return std::optional(std::move(out));
  }

  Request request(bool image_layout) const {
    return {options_.batch, image_layout, options_.log2_degree, options_.ring};
  }

  /// Nothing where all that may do take more than so many seconds.
  Result<std::optional<Compiled>> batch(double most_seconds) const {
    if (unbounded_) {
      return error(Code::unsupported,
                   "network '{}': polynomials of degrees other than 2 and 4 are compiled in the image layout only "
                   "(--layout image)",
                   name_);
    }
    Compiled out;
    out.measured = same_;
    if (!same_) {
      OBSCURA_TRY(out.measured, measure_monic(fused_, Quartics::squared));
    }
    const MonicNetwork& network = out.measured->network;
    OBSCURA_TRY_VOID(check_levels(network, {}, request(false)));
    OBSCURA_TRY_VOID(tell(options_.report, "rounding", 0, 2));
    const Images some = images_.first(affordable(kRoundingBudget, multiplications(network), kMaxRoundingImages));
    OBSCURA_TRY(Rounding rounding,
                run_pass(options_.passes, Pass::rounding, [&] { return Rounding::measure(network, some); }));
    out.rounding = std::make_shared<const Rounding>(std::move(rounding));
    OBSCURA_TRY_VOID(tell(options_.report, "rounding", 1, 2));
    Setting setting = setting_for(*out.measured);
    setting.rounding = out.rounding.get();
    Request within = request(false);
    within.most_nanoseconds = most_seconds * 1e9;
    return choose(setting, within, std::move(out));
  }

  Result<Compiled> image() const {
    Compiled out;
    out.measured = same_;
    if (!same_) {
      OBSCURA_TRY(out.measured, measure_monic(fused_, Quartics::plain));
    }
    const Setting setting = setting_for(*out.measured);
    OBSCURA_TRY(std::optional<Compiled> made, choose(setting, request(true), std::move(out)));
    return std::move(*made);
  }

  /// What no choice of the batch layout undercuts; nothing where there is none.
  std::optional<double> least_batch_seconds() const {
    if (unbounded_) return std::nullopt;
    std::optional<MonicNetwork> own;
    if (!same_) {
      auto made = make_monic(fused_, Quartics::squared);
      if (!made.ok()) return std::nullopt;
      own = std::move(made).value();
    }
    const MonicNetwork& network = same_ ? same_->network : *own;
    const double least = least_nanoseconds(network, {}, request(false)) * 1e-9;
    return std::isfinite(least) ? std::optional(least) : std::nullopt;
  }

  std::string name_;
  nn::Shape input_;
  FusedNetwork fused_;  ///< until both layouts have what they take of it
  Images images_;
  plan::AnswerKind answer_;
  bool unbounded_;
  const Options& options_;
  bool calibrated_;
  std::shared_ptr<const Measured> same_;  ///< where both layouts take all activations alike
};

/// Bounds the polynomials that need it; whether there are any.
Result<bool> bound(FusedNetwork& fused, const Images& all, const Options& options) {
  if (!has_unbounded(fused)) return false;
  const PassTimer timer(options.passes, Pass::intervals);
  const Images some = all.first(affordable(kMeasureBudget, multiplications(fused), kMaxImages));
  OBSCURA_TRY_VOID(bound_polynomials(fused, some, options.calibration.empty() ? kMarginProbes : kMargin));
  verify_after(Pass::intervals, [&] { return verify(fused); });
  return true;
}

/// What the plan says whatever its layout. errors (infeasible): an error that leaves nothing of the logits
Result<void> finish(plan::Plan& plan, const Options& options, const plan::AnswerSpec& answer, const nn::Shape& shape) {
  plan.output.answer = answer;
  plan.input.mean = or_else(options.mean, shape[0], 0);
  plan.input.std = or_else(options.std, shape[0], 1);
  plan.input.standardise = options.standardise;
  const auto verified = run_pass(options.passes, Pass::verify, [&] { return plan::verify(plan); });
  OBSCURA_CHECK(verified.ok(), "the compiler made a plan that does not verify: {}", verified.error().message);
  const double largest = plan.value(static_cast<plan::ValueId>(plan.steps.size())).max_abs;
  constexpr double kDeviations = 4;  // of a logit, in deviations of its error: below it labels are chance
  if (kDeviations * plan.output.error_std < largest) return {};
  return error(Code::infeasible,
               "network '{}': the predicted error of a logit, {:.3g}, stands beside logits of at most {:.3g}, so that "
               "nothing would be left of the answer: allow a smaller --max-error, or train with smaller weights",
               plan.name, plan.output.error_std, largest);
}

/// Sizes and texts of what each pass gave to the plan.
void show(Passes& passes, const FusedNetwork& fused, const Compiled& compiled) {
  const MonicNetwork& network = compiled.measured->network;
  const Circuit& circuit = *compiled.candidate.circuit;
  const Schedule& schedule = compiled.candidate.schedule;
  const std::size_t operations = circuit.operations.size();
  const auto with_schedule = [&] { return to_text(circuit, schedule); };
  const auto with_circuit = [&] { return to_text(circuit); };
  passes.show(Pass::front, fused.junctions.size(), "values", [&] { return to_text(fused); });
  if (passes[Pass::intervals].runs > 0) {
    passes.show(Pass::intervals, fused.activations.size(), "activations", [&] { return to_text(fused); });
  }
  passes.show(Pass::monic, network.junctions.size(), "values", [&] { return to_text(network); });
  passes.show(Pass::measure, Points(network).count(), "values",
              [&] { return to_text(network, compiled.measured->statistics, compiled.measured->amplification); });
  if (compiled.rounding) {
    passes.show(Pass::rounding, network.segments.size(), "segments",
                [&] { return to_text(network, *compiled.rounding); });
  }
  passes.show(Pass::layout, operations, "operations", with_circuit);
  if (passes[Pass::bootstraps].runs > 0) passes.show(Pass::bootstraps, operations, "operations", with_circuit);
  if (passes[Pass::split].runs > 0)
    passes.show(Pass::split, schedule.keys.rotations.size(), "rotations", with_schedule);
  for (const Pass pass : {Pass::scales, Pass::errors, Pass::price}) {
    passes.show(pass, operations, "operations", with_schedule);
  }
  if (passes[Pass::memory].runs > 0) {
    passes.show(Pass::memory, compiled.plan.predicted_bytes, "bytes", with_schedule);
  }
  for (const Pass pass : {Pass::emit, Pass::verify}) {
    passes.show(pass, compiled.plan.steps.size(), "steps", [&] { return plan::to_text(compiled.plan); });
  }
}

}  // namespace

int most_activation_levels() {
  int most = 0;
  for (const ckks::BootstrapLiteral& set : ckks::BootstrapParams::demonstrated()) most = std::max(most, set.levels);
  return most;
}

Result<plan::Plan> compile(const nn::Graph& graph, const Options& options) {
  OBSCURA_TRY_VOID(check(graph, options));
  OBSCURA_TRY(const plan::AnswerSpec answer, answer_of(graph, options.answer, options.class_names));
  OBSCURA_TRY_VOID(require_ready(graph, options.layout, !options.approximations.empty()));
  OBSCURA_TRY_VOID(tell(options.report, "layers", 0, 1));
  OBSCURA_TRY(FusedNetwork fused,
              run_pass(options.passes, Pass::front, [&] { return fuse(graph, options.approximations); }));
  verify_after(Pass::front, [&] { return verify(fused); });
  const bool calibrated = !options.calibration.empty();
  const std::vector<float> probes =
      calibrated ? std::vector<float>()
                 : base::normalise(probe_images(fused.input), normaliser_of(fused.input, options));
  const Images images{calibrated ? options.calibration : std::span<const float>(probes),
                      static_cast<std::size_t>(nn::element_count(fused.input))};
  OBSCURA_TRY(const bool unbounded, bound(fused, images, options));
  const nn::Shape input = fused.input;
  std::optional<FusedNetwork> shown;
  if (options.passes != nullptr) shown = fused;
  OBSCURA_TRY(Compiled compiled, Compiler(std::move(fused), images, answer.kind, unbounded, options).run());
  OBSCURA_TRY_VOID(finish(compiled.plan, options, answer, input));
  if (shown) show(*options.passes, *shown, compiled);
  return std::move(compiled.plan);
}

}  // namespace obscura::compile
