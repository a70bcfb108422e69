// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <complex>

#include "ckks/bootstrap.h"

namespace obscura::ckks {

BootstrapMemory Bootstrapper::memory() const {
  const std::size_t limb = context_->degree() * sizeof(double);
  BootstrapMemory out;
  for (const auto* factors : {&slot_to_coeff_, &coeff_to_slot_}) {
    for (const Transform& factor : *factors) {
      const TransformPlace& place = factor.place();
      const TransformCost cost = factor.shape().cost(SwitchSize::at(params_.params(), place.limbs), place.rescale);
      out.diagonals += std::min(place.memory, residue_bytes(*context_, place, cost.plaintexts));
      out.tables += cost.plaintexts * params_.slots() * sizeof(std::complex<double>);
      out.working = std::max(out.working, cost.working_limbs * limb);
    }
  }
  // EvalMod: the powers and partial sums of its cosine, and the digits of a key switch.
  const SwitchSize top = SwitchSize::at(params_.params(), params_.limbs().eval_mod);
  const std::size_t values = 2 * top.limbs * (1 + eval_mod_.stages.front().steps.size());
  out.working = std::max(out.working, (values + (top.digits + 2) * (top.limbs + top.special)) * limb);
  return out;
}

}  // namespace obscura::ckks
