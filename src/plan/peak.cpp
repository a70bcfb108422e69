// SPDX-License-Identifier: Apache-2.0
/// Peak memory of ciphertexts: liveness of values over the executor's schedule.
#include <algorithm>
#include <vector>

#include "plan/plan.h"

namespace obscura::plan {
namespace {

/// Elements that are in flight at once inside a run of elementwise steps: one for each of a dozen threads or so. Small
/// against any layer, so a fixed figure keeps the estimate independent of the machine.
constexpr std::uint64_t kElementsInFlight = 16;

bool is_linear(const Step& step) { return std::holds_alternative<Linear>(step.operation); }

std::vector<ValueId> inputs_of(const Step& step) {
  struct Visitor {
    std::vector<ValueId> operator()(const Linear& s) const { return {s.input}; }
    std::vector<ValueId> operator()(const Multiply& s) const { return {s.a, s.b}; }
    std::vector<ValueId> operator()(const Relinearize& s) const { return {s.input}; }
    std::vector<ValueId> operator()(const Rescale& s) const { return {s.input}; }
    std::vector<ValueId> operator()(const Combine& s) const {
      std::vector<ValueId> ids;
      for (const auto& term : s.terms) ids.push_back(term.input);
      return ids;
    }
  };
  return std::visit(Visitor{}, step.operation);
}

std::uint64_t bytes_of_element(const ValueInfo& info, std::uint64_t degree) {
  return std::uint64_t{info.limbs} * info.parts * degree * sizeof(double);
}

/// For each value, the last step (1-based) that reads it; the plan's result lives to the end.
std::vector<std::size_t> last_uses(const Plan& plan) {
  std::vector<std::size_t> last(plan.steps.size() + 1, 0);
  for (std::size_t k = 0; k < plan.steps.size(); ++k) {
    for (const ValueId id : inputs_of(plan.steps[k])) last[id] = k + 1;
  }
  last.back() = plan.steps.size() + 1;
  return last;
}

/// The most that values which go and values which come take together. Elementwise they change places element by
/// element; in a linear step limb by limb of each part.
std::uint64_t overlap(const Step& step, std::uint64_t dying, std::uint64_t made) {
  if (!is_linear(step)) return std::max(dying, made);
  const std::uint64_t slices = std::max<std::uint64_t>(1, std::uint64_t{step.output.limbs} * step.output.parts);
  return std::max(dying + made / slices, dying / slices + made);
}

}  // namespace

std::uint64_t peak_ciphertext_bytes(const Plan& plan) {
  const std::uint64_t degree = std::uint64_t{1} << plan.params.log2_degree;
  const std::vector<std::size_t> last = last_uses(plan);
  std::uint64_t peak = 0;
  for (std::size_t first = 1; first <= plan.steps.size();) {
    std::size_t end = first + 1;  // [first, end): one linear step, or a whole run of elementwise steps
    if (!is_linear(plan.steps[first - 1])) {
      while (end <= plan.steps.size() && !is_linear(plan.steps[end - 1])) ++end;
    }
    std::uint64_t kept = 0, dying = 0, made = 0, in_flight = 0;
    for (std::size_t id = 0; id < end; ++id) {
      const ValueInfo info = plan.value(static_cast<ValueId>(id));
      const std::uint64_t bytes = info.elements * bytes_of_element(info, degree);
      if (id >= first) {
        if (last[id] >= end) {
          made += bytes;
        } else {
          in_flight += std::min<std::uint64_t>(info.elements, kElementsInFlight) * bytes_of_element(info, degree);
        }
      } else if (last[id] >= end) {
        kept += bytes;
      } else if (last[id] >= first) {
        dying += bytes;
      }
    }
    peak = std::max(peak, kept + in_flight + overlap(plan.steps[first - 1], dying, made));
    first = end;
  }
  return peak;
}

}  // namespace obscura::plan
