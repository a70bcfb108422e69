// SPDX-License-Identifier: Apache-2.0
#include "compile/layout/circuit.h"

#include <algorithm>
#include <limits>
#include <set>

namespace obscura::compile {

using Kind = ImageStep::Kind;

std::vector<plan::ValueId> ImageStep::inputs() const {
  std::set<plan::ValueId> ids{input};
  if (kind == Kind::product || (kind == Kind::combine && !coefficient.empty())) ids.insert(other);
  ids.insert(others.begin(), others.end());
  return {ids.begin(), ids.end()};
}

std::uint32_t ImageStep::drops() const {
  if (kind == Kind::polynomial) return static_cast<std::uint32_t>(levels(*term));
  return kind == Kind::relinearize || (kind == Kind::transform && !last) ? 1 : 0;
}

std::vector<std::uint32_t> ImageNetwork::limbs(std::uint32_t input_limbs) const {
  std::vector<std::uint32_t> out{input_limbs};
  for (const ImageStep& step : steps) {
    std::uint32_t least = std::numeric_limits<std::uint32_t>::max();
    for (const plan::ValueId id : step.inputs()) least = std::min(least, out[id]);
    out.push_back(step.kind == Kind::bootstrap ? step.raised : least - step.drops());
  }
  return out;
}

std::uint32_t ImageNetwork::drops() const {
  constexpr std::uint32_t kMany = 1U << 20U;
  return kMany - limbs(kMany).back();
}

}  // namespace obscura::compile
