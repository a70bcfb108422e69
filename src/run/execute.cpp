// SPDX-License-Identifier: Apache-2.0
#include "run/execute.h"

#include <cmath>
#include <iterator>

#include "ckks/scale.h"

namespace obscura::run {

void check_shape(const plan::Plan& plan, plan::ValueId id, const Shape& actual) {
  const plan::ValueInfo expected = plan.value(id);
  const bool same = actual.limbs == expected.limbs && actual.parts == expected.parts;
  OBSCURA_CHECK(same && ckks::same_scale(actual.scale, expected.scale),
                "{}: {} limbs, {} parts, scale 2^{:.9f}; the plan expects {} limbs, {} parts, scale 2^{:.9f}",
                id == 0 ? "input" : fmt::format("step {} ({})", id - 1, plan.steps[id - 1].origin), actual.limbs,
                actual.parts, std::log2(actual.scale), expected.limbs, expected.parts, std::log2(expected.scale));
}

const char* operation_name(const plan::Operation& operation) {
  static constexpr const char* kNames[] = {"Linear",    "Multiply", "Relinearize", "Rescale",  "Combine",
                                           "Transform", "Fold",     "Polynomial",  "Bootstrap"};
  static_assert(std::size(kNames) == plan::kOperationCount);
  return kNames[operation.index()];
}

}  // namespace obscura::run
