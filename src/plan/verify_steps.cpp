// SPDX-License-Identifier: Apache-2.0
#include "plan/verify_steps.h"

#include <algorithm>

#include "plan/diagonals.h"
#include "plan/polynomial.h"
#include "plan/verify_map.h"

namespace obscura::plan {
namespace {

constexpr std::uint32_t kMaxFold = 64;  // slots that a fold sums at a time

}  // namespace

Result<ValueInfo> StepVerifier::run() {
  values_.push_back(plan_.value(0));
  for (std::size_t k = 0; k < plan_.steps.size(); ++k) {
    bounds_.set_place(fmt::format("plan step {}", k + 1));
    stated_ = &plan_.steps[k].output;
    const auto expected =
        std::visit([this](const auto& operation) { return follow(operation); }, plan_.steps[k].operation);
    if (!expected.ok()) return expected.error();
    OBSCURA_TRY_VOID(compare(expected.value(), plan_.steps[k].output));
    values_.push_back(plan_.steps[k].output);
  }
  return values_.back();
}

Result<ValueInfo> StepVerifier::read(ValueId id) const {
  if (id >= values_.size()) return bounds_.broken("reads value {}, {} are defined", id, values_.size());
  return values_[id];
}

double StepVerifier::primes_dropped(std::uint32_t limbs, std::uint32_t count) const {
  double product = 1;
  for (std::uint32_t i = limbs - count; i < limbs; ++i) product *= static_cast<double>(plan_.params.chain[i]);
  return product;
}

Result<ValueInfo> StepVerifier::follow(const Linear& step) const {
  OBSCURA_TRY(ValueInfo info, read(step.input));
  if (step.map.inputs != info.elements) {
    return bounds_.broken("a map of {} inputs reads {} elements", step.map.inputs, info.elements);
  }
  if (step.map.outputs == 0) return bounds_.broken("a map without outputs");
  OBSCURA_TRY_VOID(verify_map(step.map, bounds_.place()));
  if (!positive(step.weight_scale)) return bounds_.broken("a weight scale of {}", step.weight_scale);
  if (step.bias.size() != step.map.outputs) {
    return bounds_.broken("{} biases for {} outputs", step.bias.size(), step.map.outputs);
  }
  info.elements = step.map.outputs;
  info.scale *= step.weight_scale;
  OBSCURA_TRY_VOID(bounds_.constants_fit(step.bias, info.scale, info.limbs, "a bias"));
  return info;
}

Result<ValueInfo> StepVerifier::follow(const Multiply& step) const {
  OBSCURA_TRY(const ValueInfo a, read(step.a));
  OBSCURA_TRY(const ValueInfo b, read(step.b));
  if (a.parts != 2 || b.parts != 2)
    return bounds_.broken("multiplies values of {} and {} parts; 2 are allowed", a.parts, b.parts);
  if (a.elements != b.elements)
    return bounds_.broken("multiplies values of {} and {} elements", a.elements, b.elements);
  ValueInfo info = a;
  info.limbs = std::min(a.limbs, b.limbs);
  info.parts = 3;
  info.scale = a.scale * b.scale;
  return info;
}

Result<void> StepVerifier::drop(ValueInfo& info, std::uint32_t count) const {
  if (count >= info.limbs) return bounds_.broken("drops {} of {} limbs", count, info.limbs);
  if (count > ckks::kMaxRescale) {
    return bounds_.broken("drops {} limbs at once, at most {} are allowed", count, ckks::kMaxRescale);
  }
  info.scale /= primes_dropped(info.limbs, count);
  info.limbs -= count;
  return {};
}

Result<ValueInfo> StepVerifier::follow(const Relinearize& step) const {
  OBSCURA_TRY(ValueInfo info, read(step.input));
  if (!plan_.keys.relinearization) {
    return error(Code::wrong_params, "{}: needs the relinearization key, which the plan does not request",
                 bounds_.place());
  }
  if (info.parts != 3) return bounds_.broken("relinearizes a value of {} parts; 3 are expected", info.parts);
  OBSCURA_TRY_VOID(drop(info, step.rescale));
  info.parts = 2;
  return info;
}

Result<ValueInfo> StepVerifier::follow(const Rescale& step) const {
  OBSCURA_TRY(ValueInfo info, read(step.input));
  if (step.limbs == 0) return bounds_.broken("drops 0 of {} limbs", info.limbs);
  OBSCURA_TRY_VOID(drop(info, step.limbs));
  return info;
}

Result<ValueInfo> StepVerifier::follow(const Combine& step) const {
  if (step.terms.empty()) return bounds_.broken("combines nothing");
  OBSCURA_TRY(ValueInfo info, read(step.terms[0].input));
  for (const auto& term : step.terms) {
    OBSCURA_TRY(const ValueInfo x, read(term.input));
    if (x.elements != info.elements)
      return bounds_.broken("combines values of {} and {} elements", info.elements, x.elements);
    if (term.coefficients.size() != 1 && term.coefficients.size() != info.elements) {
      return bounds_.broken("{} coefficients for {} elements", term.coefficients.size(), info.elements);
    }
    info.limbs = std::min(info.limbs, x.limbs);
    info.parts = std::max(info.parts, x.parts);
  }
  for (const double c : step.terms[0].coefficients) {
    if (c != 1) return bounds_.broken("the first term has the coefficient {}; 1 is expected", c);
  }
  for (const auto& term : step.terms) {
    const double factor = info.scale / values_[term.input].scale;
    OBSCURA_TRY_VOID(bounds_.constants_fit(term.coefficients, factor, info.limbs, "a coefficient"));
  }
  if (step.constants.size() > 1 && step.constants.size() != info.elements) {
    return bounds_.broken("{} constants for {} elements", step.constants.size(), info.elements);
  }
  OBSCURA_TRY_VOID(bounds_.constants_fit(step.constants, info.scale, info.limbs, "a constant"));
  return info;
}

Result<ValueInfo> StepVerifier::follow(const Transform& step) const {
  OBSCURA_TRY(ValueInfo info, read(step.input));
  if (step.map.outputs == 0) return bounds_.broken("a map without outputs");
  if (info.parts != 2) return bounds_.broken("transforms a value of {} parts; 2 are expected", info.parts);
  OBSCURA_TRY_VOID(verify_map(step.map, bounds_.place()));
  OBSCURA_TRY_VOID(verify_transform(step, slots(), bounds_.place()));
  if (step.from.sharing != plan_.input.layout.sharing) {
    return bounds_.broken("a layout of {} images {} slots apart; the plan's input has {} and {}",
                          step.from.sharing.images, step.from.sharing.stride, plan_.images_at_once(),
                          plan_.input.layout.sharing.stride);
  }
  if (step.from.ciphertexts() != info.elements) {
    return bounds_.broken("a layout of {} ciphertexts reads {}", step.from.ciphertexts(), info.elements);
  }
  if (!positive(step.weight_scale)) return bounds_.broken("a weight scale of {}", step.weight_scale);
  if (!positive(step.plain_scale)) return bounds_.broken("a plaintext scale of {}", step.plain_scale);
  if (step.bias.size() != step.map.outputs) {
    return bounds_.broken("{} biases for {} outputs", step.bias.size(), step.map.outputs);
  }
  double largest = 0;
  for (const auto& matrix : step.map.matrices) {
    for (const std::int32_t w : matrix.data) largest = std::max(largest, std::abs(static_cast<double>(w)));
  }
  OBSCURA_TRY_VOID(bounds_.slots_fit({largest / step.weight_scale}, step.plain_scale, info.limbs, "a weight"));
  info.scale *= step.plain_scale;
  if (step.rescale > 0) OBSCURA_TRY_VOID(drop(info, step.rescale));
  OBSCURA_TRY_VOID(bounds_.bias_fits(step, info));
  info.elements = step.to.ciphertexts();
  return info;
}

Result<ValueInfo> StepVerifier::follow(const Fold& step) const {
  OBSCURA_TRY(ValueInfo info, read(step.input));
  if (info.parts != 2) return bounds_.broken("folds a value of {} parts; 2 are expected", info.parts);
  if (step.sums.empty() || step.sums.size() > kMaxSpreads) return bounds_.broken("{} sums", step.sums.size());
  for (const Fold::Sum& sum : step.sums) {
    if (sum.count < 2 || sum.count > kMaxFold || sum.step == 0 || sum.step >= slots()) {
      return bounds_.broken("sums {} slots {} apart; 2 to {}, 1 to {} apart, are allowed", sum.count, sum.step,
                            kMaxFold, slots() - 1);
    }
  }
  return info;
}

Result<ValueInfo> StepVerifier::read_for_products(ValueId id, const char* what) const {
  OBSCURA_TRY(const ValueInfo info, read(id));
  if (info.parts != 2) return bounds_.broken("{} of a value of {} parts; 2 are expected", what, info.parts);
  if (!plan_.keys.relinearization) {
    return error(Code::wrong_params, "{}: needs the relinearization key, which the plan does not request",
                 bounds_.place());
  }
  return info;
}

Result<ValueInfo> StepVerifier::follow(const Polynomial& step) const {
  OBSCURA_TRY(ValueInfo info, read_for_products(step.input, "a polynomial"));
  const auto composite = composite_of(step, plan_.params, info.limbs, info.scale);
  if (!composite) return error(composite.error().code, "{}: {}", bounds_.place(), composite.error().message);
  info.limbs = static_cast<std::uint32_t>(composite->output_limbs());
  info.scale = composite->output_scale;
  return info;
}

Result<ValueInfo> StepVerifier::follow(const Bootstrap& step) const {
  OBSCURA_TRY(ValueInfo info, read_for_products(step.input, "bootstrapping"));
  if (info.limbs < bootstrap_limbs_->input) {
    return bounds_.broken("bootstraps a value of {} limbs; at least {} are needed", info.limbs,
                          bootstrap_limbs_->input);
  }
  if (info.scale != plan_.bootstrap->input_scale) {
    return bounds_.broken("bootstraps a value of scale {}; {} is expected", info.scale, plan_.bootstrap->input_scale);
  }
  if (info.max_abs > 1) return bounds_.broken("bootstraps slots of {}; at most 1 is allowed", info.max_abs);
  if (stated_->limbs < 1 || stated_->limbs > bootstrap_limbs_->output) {
    return bounds_.broken("bootstraps to {} limbs; 1 to {} are allowed", stated_->limbs, bootstrap_limbs_->output);
  }
  info.limbs = stated_->limbs;
  info.scale = plan_.bootstrap->output_scale;
  return info;
}

Result<void> StepVerifier::compare(const ValueInfo& expected, const ValueInfo& actual) const {
  if (actual.elements != expected.elements) {
    return bounds_.broken("says {} elements, {} follow", actual.elements, expected.elements);
  }
  if (actual.limbs != expected.limbs) return bounds_.broken("says {} limbs, {} follow", actual.limbs, expected.limbs);
  if (actual.parts != expected.parts) return bounds_.broken("says {} parts, {} follow", actual.parts, expected.parts);
  OBSCURA_TRY_VOID(bounds_.limbs_and_scale(actual.limbs, actual.scale));
  if (!(std::abs(actual.scale / expected.scale - 1) <= kScaleTolerance)) {
    return bounds_.broken("says the scale {}, {} follows", actual.scale, expected.scale);
  }
  if (!not_negative(actual.max_abs) || !not_negative(actual.error_std)) {
    return bounds_.broken("a largest value of {} and an error of {}; finite and not below 0 are allowed",
                          actual.max_abs, actual.error_std);
  }
  return {};
}

}  // namespace obscura::plan
