// SPDX-License-Identifier: Apache-2.0
#include "plan/verify.h"

#include "plan/diagonals.h"
#include "plan/verify_slots.h"
#include "plan/verify_steps.h"

namespace obscura::plan {
namespace {

constexpr std::uint64_t kMaxMemory = 1ULL << 50;
constexpr std::uint64_t kMaxElements = 1ULL << 26;  // far above any image or layer that fits into memory

/// Of a plan, what is not a step.
class Verifier {
 public:
  Verifier(const Plan& plan, const Gates& gates) : plan_(plan), gates_(gates), bounds_(plan) {}

  Result<void> run() {
    OBSCURA_TRY(const auto params, gates_.params(plan_.params));
    OBSCURA_TRY_VOID(bootstrap());
    if (plan_.batch == 0) return error(Code::bad_format, "plan: a batch of 0 images");
    OBSCURA_TRY_VOID(input());
    if (plan_.steps.empty()) return error(Code::bad_format, "plan: no steps");
    OBSCURA_TRY(const ValueInfo last, StepVerifier(plan_, bounds_, bootstrap_limbs_).run());
    OBSCURA_TRY_VOID(rotations());
    OBSCURA_TRY_VOID(memory());
    OBSCURA_TRY_VOID(output(last));
    return verify_answer_slots(plan_, diagonals_);
  }

 private:
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
    bounds_.set_place("plan input");
    if (spec.channels == 0 || spec.height == 0 || spec.width == 0) {
      return bounds_.broken("an image of {}x{}x{}", spec.channels, spec.height, spec.width);
    }
    if (spec.channels > kMaxElements || spec.height > kMaxElements || spec.width > kMaxElements ||
        std::uint64_t{spec.channels} * spec.height > kMaxElements ||
        std::uint64_t{spec.channels} * spec.height * spec.width > kMaxElements) {
      return bounds_.broken("an image of {}x{}x{}; at most {} elements are allowed", spec.channels, spec.height,
                            spec.width, kMaxElements);
    }
    if (spec.mean.size() != spec.channels || spec.std.size() != spec.channels) {
      return bounds_.broken("{} means and {} standard deviations for {} channels", spec.mean.size(), spec.std.size(),
                            spec.channels);
    }
    for (std::size_t c = 0; c < spec.channels; ++c) {
      if (!std::isfinite(spec.mean[c]) || !positive(spec.std[c])) {
        return bounds_.broken(
            "channel {} has mean {} and standard deviation {}; finite, and a standard deviation above 0, are allowed",
            c, spec.mean[c], spec.std[c]);
      }
    }
    if (const auto fault = base::fault_of(spec.standardise)) return bounds_.broken("{}", *fault);
    OBSCURA_TRY_VOID(bounds_.limbs_and_scale(spec.limbs, spec.scale));
    OBSCURA_TRY_VOID(verify_layout(spec.layout, slots(), bounds_.place()));
    if (spec.layout.elements() != spec.elements()) {
      return bounds_.broken("a layout of {} elements for an image of {}x{}x{}", spec.layout.elements(), spec.channels,
                            spec.height, spec.width);
    }
    return bounds_.fits(plan_.value(0).max_abs * spec.scale, spec.limbs, "the largest input");
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
    bounds_.set_place("plan bootstrapping");
    for (const double scale : {spec.input_scale, spec.output_scale}) {
      if (!(scale >= ckks::kMinBootstrapScale && scale <= ckks::kMaxBootstrapScale)) {
        return bounds_.broken("a scale of {}; {} to {} are allowed", scale, ckks::kMinBootstrapScale,
                              ckks::kMaxBootstrapScale);
      }
    }
    bootstrap_limbs_ = set.limbs();
    return {};
  }

  /// Exactly the Galois keys that transforms and folds need are requested.
  Result<void> rotations() {
    diagonals_ = diagonals_of(plan_);
    const TransformShapes shapes = transform_shapes(plan_, diagonals_);
    if (shapes.keys.conjugation != 0 && plan_.params.ring != ckks::RingType::standard) {
      return error(Code::wrong_params, "plan keys: pairs of diagonals in the {} ring, whose slots are real",
                   ckks::name_of(plan_.params.ring));
    }
    if (shapes.keys.conjugation != plan_.keys.conjugation) {
      return error(Code::wrong_params, "plan keys: conjugation of {} limbs is requested, and the steps need it for {}",
                   plan_.keys.conjugation, shapes.keys.conjugation);
    }
    if (shapes.keys.rotations == plan_.keys.rotations) return {};
    return error(Code::wrong_params,
                 "plan keys: {} rotation keys are requested, and the steps need {}, or others, or at other limbs",
                 plan_.keys.rotations.size(), shapes.keys.rotations.size());
  }

  Result<void> output(const ValueInfo& last) {
    bounds_.set_place("plan output");
    const OutputSpec& spec = plan_.output;
    if (last.parts != 2) return bounds_.broken("{} parts; 2 are expected", last.parts);
    OBSCURA_TRY_VOID(verify_layout(spec.layout, slots(), bounds_.place()));
    if (spec.layout.elements() != spec.classes || spec.layout.sharing != plan_.input.layout.sharing) {
      return bounds_.broken("a layout of {} logits of {} images {} slots apart for {} classes and {} images {} apart",
                            spec.layout.elements(), spec.layout.sharing.images, spec.layout.sharing.stride,
                            spec.classes, plan_.images_at_once(), plan_.input.layout.sharing.stride);
    }
    if (spec.ciphertexts() != last.elements || spec.limbs != last.limbs || spec.scale != last.scale ||
        spec.error_std != last.error_std) {
      return bounds_.broken("says {} ciphertexts, {} limbs, scale {}, error {}; the last step has {}, {}, {}, {}",
                            spec.ciphertexts(), spec.limbs, spec.scale, spec.error_std, last.elements, last.limbs,
                            last.scale, last.error_std);
    }
    if (!positive(spec.noise_std) || spec.noise_std > (1 + kScaleTolerance) * spec.error_std) {
      return bounds_.broken("an encryption noise of {}; above 0 and at most the error, {}, are allowed", spec.noise_std,
                            spec.error_std);
    }
    OBSCURA_TRY_VOID(verify_answer(spec.answer, spec.classes, bounds_.place()));
    return bounds_.fits(last.max_abs * last.scale, last.limbs, "the largest output");
  }

  std::uint64_t slots() const { return plan::slots(plan_); }

  const Plan& plan_;
  const Gates& gates_;
  Bounds bounds_;
  std::optional<ckks::BootstrapLimbs> bootstrap_limbs_;
  std::vector<std::shared_ptr<const Diagonals>> diagonals_;
};

}  // namespace

Result<void> verify(const Plan& plan, const Gates& gates) { return Verifier(plan, gates).run(); }

}  // namespace obscura::plan
