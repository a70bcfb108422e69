// SPDX-License-Identifier: Apache-2.0
#include "plan/plan.h"

#include <algorithm>
#include <cmath>

namespace obscura::plan {
namespace {

/// Largest |number| that the client encrypts for pixels in 0..255, of a plan that may not have been verified.
double largest_input(const InputSpec& input) {
  base::Normaliser normaliser = input.normaliser();
  normaliser.channels = std::min(input.mean.size(), input.std.size());
  return normaliser.largest();
}

}  // namespace

ValueInfo Plan::value(ValueId id) const {
  OBSCURA_CHECK(id <= steps.size(), "plan: value {} of {}", id, steps.size() + 1);
  if (id > 0) return steps[id - 1].output;
  ValueInfo info;
  info.elements = input.ciphertexts();
  info.limbs = input.limbs;
  info.parts = 2;
  info.scale = input.scale;
  info.max_abs = largest_input(input);
  return info;
}

Offer make_offer(const Plan& plan, const std::array<std::uint8_t, 32>& digest) {
  Offer offer;
  offer.name = plan.name;
  offer.plan_digest = digest;
  offer.params = plan.params;
  offer.input = plan.input;
  offer.output = plan.output;
  offer.keys = plan.keys;
  offer.bootstrap = plan.bootstrap;
  return offer;
}

}  // namespace obscura::plan
