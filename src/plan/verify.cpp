// SPDX-License-Identifier: Apache-2.0
#include "plan/verify.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "plan/diagonals.h"
#include "plan/polynomial.h"
#include "plan/verify_map.h"
#include "plan/verify_slots.h"

namespace obscura::plan {
namespace {

constexpr double kScaleTolerance = 1e-9;  // doubles multiplied in another order differ by 1e-15
constexpr double kMaxEncoded = 0x1p100;   // ckks::apply and combine encode constants below it
constexpr double kMaxSlot = 0x1p61;       // ckks::Encoder takes coefficients below 2^62
constexpr std::uint64_t kMaxMemory = 1ULL << 50;
constexpr std::uint32_t kMaxFold = 64;              // slots that a fold sums at a time
constexpr std::uint64_t kMaxElements = 1ULL << 26;  // far above any image or layer that fits into memory

bool positive(double x) { return std::isfinite(x) && x > 0; }
bool not_negative(double x) { return std::isfinite(x) && x >= 0; }

/// Recomputes the values of a plan one step after the other.
class Verifier {
 public:
  Verifier(const Plan& plan, const Gates& gates) : plan_(plan), gates_(gates) {}

  Result<void> run() {
    OBSCURA_TRY(const auto params, gates_.params(plan_.params));
    OBSCURA_TRY_VOID(bootstrap());
    if (plan_.batch == 0) return error(Code::bad_format, "plan: a batch of 0 images");
    OBSCURA_TRY_VOID(input());
    if (plan_.steps.empty()) return error(Code::bad_format, "plan: no steps");
    for (std::size_t k = 0; k < plan_.steps.size(); ++k) {
      place_ = fmt::format("plan step {}", k + 1);
      stated_ = &plan_.steps[k].output;
      const auto expected =
          std::visit([this](const auto& operation) { return follow(operation); }, plan_.steps[k].operation);
      if (!expected.ok()) return expected.error();
      OBSCURA_TRY_VOID(compare(expected.value(), plan_.steps[k].output));
      values_.push_back(plan_.steps[k].output);
    }
    OBSCURA_TRY_VOID(rotations());
    OBSCURA_TRY_VOID(memory());
    OBSCURA_TRY_VOID(output());
    return verify_answer_slots(plan_, diagonals_);
  }

 private:
  template <class... Args>
  Error broken(fmt::format_string<Args...> format, Args&&... args) const {
    return error(Code::bad_format, "{}: {}", place_, fmt::format(format, std::forward<Args>(args)...));
  }

  /// Sums of these stay far below 2^64.
  Result<void> memory() const {
    for (std::size_t k = 0; k < plan_.steps.size(); ++k) {
      if (plan_.steps[k].bytes > kMaxMemory) {
        return error(Code::bad_format, "plan step {}: {} bytes of work; {} are allowed", k + 1, plan_.steps[k].bytes,
                     kMaxMemory);
      }
    }
    if (plan_.predicted_bytes > kMaxMemory || plan_.value_bytes > plan_.predicted_bytes ||
        plan_.kept_bytes > plan_.predicted_bytes - plan_.value_bytes) {
      return error(Code::bad_format,
                   "plan: {} bytes of memory, {} of them of values and {} of diagonals; {} are allowed",
                   plan_.predicted_bytes, plan_.value_bytes, plan_.kept_bytes, kMaxMemory);
    }
    return {};
  }

  Result<void> input() {
    const InputSpec& spec = plan_.input;
    place_ = "plan input";
    if (spec.channels == 0 || spec.height == 0 || spec.width == 0) {
      return broken("an image of {}x{}x{}", spec.channels, spec.height, spec.width);
    }
    if (spec.channels > kMaxElements || spec.height > kMaxElements || spec.width > kMaxElements ||
        std::uint64_t{spec.channels} * spec.height > kMaxElements ||
        std::uint64_t{spec.channels} * spec.height * spec.width > kMaxElements) {
      return broken("an image of {}x{}x{}; at most {} elements are allowed", spec.channels, spec.height, spec.width,
                    kMaxElements);
    }
    if (spec.mean.size() != spec.channels || spec.deviation.size() != spec.channels) {
      return broken("{} means and {} deviations for {} channels", spec.mean.size(), spec.deviation.size(),
                    spec.channels);
    }
    for (std::size_t c = 0; c < spec.channels; ++c) {
      if (!std::isfinite(spec.mean[c]) || !positive(spec.deviation[c])) {
        return broken("channel {} has mean {} and deviation {}; finite, and a deviation above 0, are allowed", c,
                      spec.mean[c], spec.deviation[c]);
      }
    }
    OBSCURA_TRY_VOID(limbs_and_scale(spec.limbs, spec.scale));
    OBSCURA_TRY_VOID(verify_layout(spec.layout, slots(), place_));
    if (spec.layout.elements() != spec.elements()) {
      return broken("a layout of {} elements for an image of {}x{}x{}", spec.layout.elements(), spec.channels,
                    spec.height, spec.width);
    }
    values_.push_back(plan_.value(0));
    return fits(values_.front().max_abs * spec.scale, spec.limbs, "the largest input");
  }

  /// The set of the plan, and whether a step uses it.
  Result<void> bootstrap() {
    bool used = false;
    for (const Step& step : plan_.steps) used |= std::holds_alternative<Bootstrap>(step.operation);
    if (used != plan_.bootstrap.has_value()) {
      return error(
          Code::bad_format, "plan: {}",
          used ? "a step bootstraps without parameters of it" : "parameters of bootstrapping that no step uses");
    }
    if (!used) return {};
    const BootstrapSpec& spec = *plan_.bootstrap;
    OBSCURA_TRY(const ckks::BootstrapParams set, gates_.bootstrap(spec.literal));
    if (set.params().literal() != plan_.params) {
      return error(Code::wrong_params, "plan: parameters that are not those of its bootstrapping");
    }
    place_ = "plan bootstrapping";
    for (const double scale : {spec.input_scale, spec.output_scale}) {
      if (!(scale >= ckks::kMinBootstrapScale && scale <= ckks::kMaxBootstrapScale)) {
        return broken("a scale of {}; {} to {} are allowed", scale, ckks::kMinBootstrapScale, ckks::kMaxBootstrapScale);
      }
    }
    bootstrap_limbs_ = set.limbs();
    return {};
  }

  Result<void> limbs_and_scale(std::uint32_t limbs, double scale) const {
    if (limbs == 0 || limbs > plan_.params.chain.size()) {
      return broken("{} limbs; 1 to {} are allowed", limbs, plan_.params.chain.size());
    }
    if (!positive(scale)) return broken("a scale of {}; it must be above 0 and finite", scale);
    return {};
  }

  /// |encoded| < product of the first `limbs` primes / 2.
  Result<void> fits(double encoded, std::uint32_t limbs, const char* what) const {
    double log2_modulus = 0;
    for (std::uint32_t i = 0; i < limbs; ++i) log2_modulus += std::log2(static_cast<double>(plan_.params.chain[i]));
    if (!std::isfinite(encoded) || (encoded != 0 && std::log2(std::abs(encoded)) >= log2_modulus - 1)) {
      return broken("{} is 2^{:.1f} at its scale, half of the modulus of {} limbs is 2^{:.1f}", what,
                    std::log2(std::abs(encoded)), limbs, log2_modulus - 1);
    }
    return {};
  }

  /// Constants are finite, below 2^100 and below half of the modulus, at their scale.
  Result<void> constants_fit(const std::vector<double>& values, double scale, std::uint32_t limbs,
                             const char* what) const {
    double largest = 0;
    for (const double v : values) {
      if (!std::isfinite(v)) return broken("{} is not finite", what);
      largest = std::max(largest, std::abs(v));
    }
    if (largest * scale >= kMaxEncoded) {
      return broken("{} is 2^{:.1f} at its scale; 2^100 is the bound", what, std::log2(largest * scale));
    }
    return fits(largest * scale, limbs, what);
  }

  Result<ValueInfo> read(ValueId id) const {
    if (id >= values_.size()) return broken("reads value {}, {} are defined", id, values_.size());
    return values_[id];
  }

  double primes_dropped(std::uint32_t limbs, std::uint32_t count) const {
    double product = 1;
    for (std::uint32_t i = limbs - count; i < limbs; ++i) product *= static_cast<double>(plan_.params.chain[i]);
    return product;
  }

  Result<ValueInfo> follow(const Linear& step) const {
    OBSCURA_TRY(ValueInfo info, read(step.input));
    if (step.map.inputs != info.elements) {
      return broken("a map of {} inputs reads {} elements", step.map.inputs, info.elements);
    }
    if (step.map.outputs == 0) return broken("a map without outputs");
    OBSCURA_TRY_VOID(verify_map(step.map, place_));
    if (!positive(step.weight_scale)) return broken("a weight scale of {}", step.weight_scale);
    if (step.bias.size() != step.map.outputs) {
      return broken("{} biases for {} outputs", step.bias.size(), step.map.outputs);
    }
    info.elements = step.map.outputs;
    info.scale *= step.weight_scale;
    OBSCURA_TRY_VOID(constants_fit(step.bias, info.scale, info.limbs, "a bias"));
    return info;
  }

  Result<ValueInfo> follow(const Multiply& step) const {
    OBSCURA_TRY(const ValueInfo a, read(step.a));
    OBSCURA_TRY(const ValueInfo b, read(step.b));
    if (a.parts != 2 || b.parts != 2)
      return broken("multiplies values of {} and {} parts; 2 are allowed", a.parts, b.parts);
    if (a.elements != b.elements) return broken("multiplies values of {} and {} elements", a.elements, b.elements);
    ValueInfo info = a;
    info.limbs = std::min(a.limbs, b.limbs);
    info.parts = 3;
    info.scale = a.scale * b.scale;
    return info;
  }

  /// Divides by the last `count` primes.
  Result<void> drop(ValueInfo& info, std::uint32_t count) const {
    if (count >= info.limbs) return broken("drops {} of {} limbs", count, info.limbs);
    if (count > ckks::kMaxRescale) {
      return broken("drops {} limbs at once, at most {} are allowed", count, ckks::kMaxRescale);
    }
    info.scale /= primes_dropped(info.limbs, count);
    info.limbs -= count;
    return {};
  }

  Result<ValueInfo> follow(const Relinearize& step) const {
    OBSCURA_TRY(ValueInfo info, read(step.input));
    if (!plan_.keys.relinearization) {
      return error(Code::wrong_params, "{}: needs the relinearization key, which the plan does not request", place_);
    }
    if (info.parts != 3) return broken("relinearizes a value of {} parts; 3 are expected", info.parts);
    OBSCURA_TRY_VOID(drop(info, step.rescale));
    info.parts = 2;
    return info;
  }

  Result<ValueInfo> follow(const Rescale& step) const {
    OBSCURA_TRY(ValueInfo info, read(step.input));
    if (step.limbs == 0) return broken("drops 0 of {} limbs", info.limbs);
    OBSCURA_TRY_VOID(drop(info, step.limbs));
    return info;
  }

  Result<ValueInfo> follow(const Combine& step) const {
    if (step.terms.empty()) return broken("combines nothing");
    OBSCURA_TRY(ValueInfo info, read(step.terms[0].input));
    for (const auto& term : step.terms) {
      OBSCURA_TRY(const ValueInfo x, read(term.input));
      if (x.elements != info.elements)
        return broken("combines values of {} and {} elements", info.elements, x.elements);
      if (term.coefficients.size() != 1 && term.coefficients.size() != info.elements) {
        return broken("{} coefficients for {} elements", term.coefficients.size(), info.elements);
      }
      info.limbs = std::min(info.limbs, x.limbs);
      info.parts = std::max(info.parts, x.parts);
    }
    for (const double c : step.terms[0].coefficients) {
      if (c != 1) return broken("the first term has the coefficient {}; 1 is expected", c);
    }
    for (const auto& term : step.terms) {
      const double factor = info.scale / values_[term.input].scale;
      OBSCURA_TRY_VOID(constants_fit(term.coefficients, factor, info.limbs, "a coefficient"));
    }
    if (step.constants.size() > 1 && step.constants.size() != info.elements) {
      return broken("{} constants for {} elements", step.constants.size(), info.elements);
    }
    OBSCURA_TRY_VOID(constants_fit(step.constants, info.scale, info.limbs, "a constant"));
    return info;
  }

  Result<ValueInfo> follow(const Transform& step) const {
    OBSCURA_TRY(ValueInfo info, read(step.input));
    if (step.map.outputs == 0) return broken("a map without outputs");
    if (info.parts != 2) return broken("transforms a value of {} parts; 2 are expected", info.parts);
    OBSCURA_TRY_VOID(verify_map(step.map, place_));
    OBSCURA_TRY_VOID(verify_transform(step, slots(), place_));
    if (step.from.images != plan_.images_at_once()) {
      return broken("a layout of {} images; the plan's input has {}", step.from.images, plan_.images_at_once());
    }
    if (step.from.ciphertexts() != info.elements) {
      return broken("a layout of {} ciphertexts reads {}", step.from.ciphertexts(), info.elements);
    }
    if (!positive(step.weight_scale)) return broken("a weight scale of {}", step.weight_scale);
    if (!positive(step.plain_scale)) return broken("a plaintext scale of {}", step.plain_scale);
    if (step.bias.size() != step.map.outputs) {
      return broken("{} biases for {} outputs", step.bias.size(), step.map.outputs);
    }
    double largest = 0;
    for (const auto& matrix : step.map.matrices) {
      for (const std::int32_t w : matrix.data) largest = std::max(largest, std::abs(static_cast<double>(w)));
    }
    OBSCURA_TRY_VOID(slots_fit({largest / step.weight_scale}, step.plain_scale, info.limbs, "a weight"));
    info.scale *= step.plain_scale;
    if (step.rescale > 0) OBSCURA_TRY_VOID(drop(info, step.rescale));
    OBSCURA_TRY_VOID(bias_fits(step, info));
    info.elements = step.to.ciphertexts();
    return info;
  }

  Result<ValueInfo> follow(const Fold& step) const {
    OBSCURA_TRY(ValueInfo info, read(step.input));
    if (info.parts != 2) return broken("folds a value of {} parts; 2 are expected", info.parts);
    if (step.sums.empty() || step.sums.size() > kMaxSpreads) return broken("{} sums", step.sums.size());
    for (const Fold::Sum& sum : step.sums) {
      if (sum.count < 2 || sum.count > kMaxFold || sum.step == 0 || sum.step >= slots()) {
        return broken("sums {} slots {} apart; 2 to {}, 1 to {} apart, are allowed", sum.count, sum.step, kMaxFold,
                      slots() - 1);
      }
    }
    return info;
  }

  /// What an operation on the slots of two-part ciphertexts with the relinearisation key reads.
  Result<ValueInfo> read_for_products(ValueId id, const char* what) const {
    OBSCURA_TRY(const ValueInfo info, read(id));
    if (info.parts != 2) return broken("{} of a value of {} parts; 2 are expected", what, info.parts);
    if (!plan_.keys.relinearization) {
      return error(Code::wrong_params, "{}: needs the relinearization key, which the plan does not request", place_);
    }
    return info;
  }

  Result<ValueInfo> follow(const Polynomial& step) const {
    OBSCURA_TRY(ValueInfo info, read_for_products(step.input, "a polynomial"));
    const auto composite = composite_of(step, plan_.params, info.limbs, info.scale);
    if (!composite) return error(composite.error().code, "{}: {}", place_, composite.error().message);
    info.limbs = static_cast<std::uint32_t>(composite->output_limbs());
    info.scale = composite->output_scale;
    return info;
  }

  Result<ValueInfo> follow(const Bootstrap& step) const {
    OBSCURA_TRY(ValueInfo info, read_for_products(step.input, "bootstrapping"));
    if (info.limbs < bootstrap_limbs_->input) {
      return broken("bootstraps a value of {} limbs; at least {} are needed", info.limbs, bootstrap_limbs_->input);
    }
    if (info.scale != plan_.bootstrap->input_scale) {
      return broken("bootstraps a value of scale {}; {} is expected", info.scale, plan_.bootstrap->input_scale);
    }
    if (info.max_abs > 1) return broken("bootstraps slots of {}; at most 1 is allowed", info.max_abs);
    if (stated_->limbs < 1 || stated_->limbs > bootstrap_limbs_->output) {
      return broken("bootstraps to {} limbs; 1 to {} are allowed", stated_->limbs, bootstrap_limbs_->output);
    }
    info.limbs = stated_->limbs;
    info.scale = plan_.bootstrap->output_scale;
    return info;
  }

  /// As constants_fit, below the encoder's bound.
  Result<void> slots_fit(const std::vector<double>& values, double scale, std::uint32_t limbs, const char* what) const {
    OBSCURA_TRY_VOID(constants_fit(values, scale, limbs, what));
    for (const double v : values) {
      if (std::abs(v) * scale >= kMaxSlot) {
        return broken("{} is 2^{:.1f} at its scale; 2^61 is the bound", what, std::log2(std::abs(v) * scale));
      }
    }
    return {};
  }

  /// A coefficient is at most the mean of the |slots| that it encodes, with which period they ever repeat.
  Result<void> bias_fits(const Transform& step, const ValueInfo& info) const {
    OBSCURA_TRY_VOID(constants_fit(step.bias, info.scale, info.limbs, "a bias"));
    double largest = 0, sum = 0;
    for (const double b : step.bias) {
      largest = std::max(largest, std::abs(b));
      sum += std::abs(b);
    }
    const double coefficient = std::min(largest, sum / step.to.period) * info.scale;
    if (coefficient >= kMaxSlot) {
      return broken("a bias has coefficients of up to 2^{:.1f} at its scale; 2^61 is the bound",
                    std::log2(coefficient));
    }
    return {};
  }

  std::uint64_t slots() const { return plan::slots(plan_); }

  /// Exactly the Galois keys that transforms and folds need are requested.
  Result<void> rotations() {
    diagonals_ = diagonals_of(plan_);
    const TransformShapes shapes = transform_shapes(plan_, diagonals_);
    if (shapes.keys.conjugation != plan_.keys.conjugation) {
      return error(Code::wrong_params, "plan keys: conjugation of {} limbs is requested, and the steps need it for {}",
                   plan_.keys.conjugation, shapes.keys.conjugation);
    }
    if (shapes.keys.rotations == plan_.keys.rotations) return {};
    return error(Code::wrong_params,
                 "plan keys: {} rotation keys are requested, and the steps need {}, or others, or at other limbs",
                 plan_.keys.rotations.size(), shapes.keys.rotations.size());
  }

  Result<void> compare(const ValueInfo& expected, const ValueInfo& actual) const {
    if (actual.elements != expected.elements) {
      return broken("says {} elements, {} follow", actual.elements, expected.elements);
    }
    if (actual.limbs != expected.limbs) return broken("says {} limbs, {} follow", actual.limbs, expected.limbs);
    if (actual.parts != expected.parts) return broken("says {} parts, {} follow", actual.parts, expected.parts);
    OBSCURA_TRY_VOID(limbs_and_scale(actual.limbs, actual.scale));
    if (!(std::abs(actual.scale / expected.scale - 1) <= kScaleTolerance)) {
      return broken("says the scale {}, {} follows", actual.scale, expected.scale);
    }
    if (!not_negative(actual.max_abs) || !not_negative(actual.error_std)) {
      return broken("a largest value of {} and an error of {}; finite and not below 0 are allowed", actual.max_abs,
                    actual.error_std);
    }
    return {};
  }

  Result<void> output() {
    place_ = "plan output";
    const ValueInfo& last = values_.back();
    const OutputSpec& spec = plan_.output;
    if (last.parts != 2) return broken("{} parts; 2 are expected", last.parts);
    OBSCURA_TRY_VOID(verify_layout(spec.layout, slots(), place_));
    if (spec.layout.elements() != spec.classes || spec.layout.images != plan_.images_at_once()) {
      return broken("a layout of {} logits of {} images for {} classes and {} images at once", spec.layout.elements(),
                    spec.layout.images, spec.classes, plan_.images_at_once());
    }
    if (spec.ciphertexts() != last.elements || spec.limbs != last.limbs || spec.scale != last.scale ||
        spec.error_std != last.error_std) {
      return broken("says {} ciphertexts, {} limbs, scale {}, error {}; the last step has {}, {}, {}, {}",
                    spec.ciphertexts(), spec.limbs, spec.scale, spec.error_std, last.elements, last.limbs, last.scale,
                    last.error_std);
    }
    if (!positive(spec.noise_std) || spec.noise_std > (1 + kScaleTolerance) * spec.error_std) {
      return broken("an encryption noise of {}; above 0 and at most the error, {}, are allowed", spec.noise_std,
                    spec.error_std);
    }
    OBSCURA_TRY_VOID(verify_answer(spec.answer, spec.classes, place_));
    return fits(last.max_abs * last.scale, last.limbs, "the largest output");
  }

  const Plan& plan_;
  const Gates& gates_;
  std::optional<ckks::BootstrapLimbs> bootstrap_limbs_;
  const ValueInfo* stated_ = nullptr;  ///< output of the step that is followed
  std::vector<ValueInfo> values_;
  std::vector<std::shared_ptr<const Diagonals>> diagonals_;
  std::string place_;
};

}  // namespace

Result<void> verify(const Plan& plan, const Gates& gates) { return Verifier(plan, gates).run(); }

}  // namespace obscura::plan
