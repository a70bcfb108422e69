// SPDX-License-Identifier: Apache-2.0
#include "plan/verify_bounds.h"

#include <algorithm>

namespace obscura::plan {
namespace {

constexpr double kMaxEncoded = 0x1p100;  // ckks::apply and combine encode constants below it
constexpr double kMaxSlot = 0x1p61;      // ckks::Encoder takes coefficients below 2^62

}  // namespace

Result<void> Bounds::limbs_and_scale(std::uint32_t limbs, double scale) const {
  if (limbs == 0 || limbs > plan_.params.chain.size()) {
    return broken("{} limbs; 1 to {} are allowed", limbs, plan_.params.chain.size());
  }
  if (!positive(scale)) return broken("a scale of {}; it must be above 0 and finite", scale);
  return {};
}

Result<void> Bounds::fits(double encoded, std::uint32_t limbs, const char* what) const {
  double log2_modulus = 0;
  for (std::uint32_t i = 0; i < limbs; ++i) log2_modulus += std::log2(static_cast<double>(plan_.params.chain[i]));
  if (!std::isfinite(encoded) || (encoded != 0 && std::log2(std::abs(encoded)) >= log2_modulus - 1)) {
    return broken("{} is 2^{:.1f} at its scale, half of the modulus of {} limbs is 2^{:.1f}", what,
                  std::log2(std::abs(encoded)), limbs, log2_modulus - 1);
  }
  return {};
}

Result<void> Bounds::constants_fit(const std::vector<double>& values, double scale, std::uint32_t limbs,
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

Result<void> Bounds::slots_fit(const std::vector<double>& values, double scale, std::uint32_t limbs,
                               const char* what) const {
  OBSCURA_TRY_VOID(constants_fit(values, scale, limbs, what));
  for (const double v : values) {
    if (std::abs(v) * scale >= kMaxSlot) {
      return broken("{} is 2^{:.1f} at its scale; 2^61 is the bound", what, std::log2(std::abs(v) * scale));
    }
  }
  return {};
}

Result<void> Bounds::bias_fits(const Transform& step, const ValueInfo& info) const {
  OBSCURA_TRY_VOID(constants_fit(step.bias, info.scale, info.limbs, "a bias"));
  double largest = 0, sum = 0;
  for (const double b : step.bias) {
    largest = std::max(largest, std::abs(b));
    sum += std::abs(b);
  }
  const double coefficient = std::min(largest, sum / step.to.period) * info.scale;
  if (coefficient >= kMaxSlot) {
    return broken("a bias has coefficients of up to 2^{:.1f} at its scale; 2^61 is the bound", std::log2(coefficient));
  }
  return {};
}

}  // namespace obscura::plan
