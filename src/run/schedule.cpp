// SPDX-License-Identifier: Apache-2.0
#include "run/schedule.h"

#include <algorithm>
#include <cmath>

namespace obscura::run {

namespace {

// A plan may state each scale 1e-9 off what follows from the one before (plan::verify); over 1000 steps this adds up.
constexpr double kScaleTolerance = 1e-6;

// A transform of one limb has N/2 log2 N butterflies, each about as long as a multiply-add: 7 passes at N = 2^14.
constexpr std::uint64_t kTransform = 7;
// A modular product of residues is about as long as two multiply-adds of the linear kernel.
constexpr std::uint64_t kProduct = 2;

struct WorkOf {
  const plan::Plan& plan;
  const plan::ValueInfo& out;

  std::uint64_t operator()(const plan::Linear& x) const { return x.map.multiplications() * out.limbs * out.parts; }
  std::uint64_t operator()(const plan::Multiply& x) const { return (x.a == x.b ? 3U : 4U) * kProduct * out.limbs; }
  std::uint64_t operator()(const plan::Relinearize& x) const {
    const std::uint64_t limbs = out.limbs + x.rescale;
    const std::uint64_t special = plan.params.special.size();
    const auto alpha = static_cast<std::uint64_t>(std::max(1, plan.params.digit_limbs));
    const std::uint64_t digits = (limbs + alpha - 1) / alpha;
    const std::uint64_t extended = digits * (limbs + special);
    return kTransform * (extended + 2 * (special + limbs)) + 2 * kProduct * extended;
  }
  std::uint64_t operator()(const plan::Rescale& x) const { return kTransform * out.parts * (out.limbs + x.limbs); }
  std::uint64_t operator()(const plan::Combine& x) const {
    return std::uint64_t{out.parts} * out.limbs * x.terms.size();
  }
};

bool is_linear(const plan::Step& step) { return std::holds_alternative<plan::Linear>(step.operation); }

std::vector<Stage> make_stages(const plan::Plan& plan) {
  std::vector<Stage> stages;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const bool elementwise = !is_linear(plan.steps[i]);
    const bool joins = elementwise && !stages.empty() && stages.back().elementwise &&
                       plan.steps[stages.back().first].output.elements == plan.steps[i].output.elements;
    if (joins) {
      stages.back().end = i + 1;
    } else {
      stages.push_back({i, i + 1, elementwise});
    }
  }
  return stages;
}

}  // namespace

std::vector<plan::ValueId> inputs_of(const plan::Operation& operation) {
  std::vector<plan::ValueId> ids;
  if (const auto* linear = std::get_if<plan::Linear>(&operation)) ids = {linear->input};
  if (const auto* product = std::get_if<plan::Multiply>(&operation)) ids = {product->a, product->b};
  if (const auto* switched = std::get_if<plan::Relinearize>(&operation)) ids = {switched->input};
  if (const auto* rescaled = std::get_if<plan::Rescale>(&operation)) ids = {rescaled->input};
  if (const auto* sum = std::get_if<plan::Combine>(&operation)) {
    for (const auto& term : sum->terms) ids.push_back(term.input);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

Schedule make_schedule(const plan::Plan& plan) {
  Schedule schedule;
  const std::size_t steps = plan.steps.size();
  schedule.stages = make_stages(plan);
  schedule.last_use.assign(steps + 1, 0);
  for (std::size_t i = 0; i < steps; ++i) {
    schedule.last_use[i + 1] = i;
    for (const plan::ValueId id : inputs_of(plan.steps[i].operation)) {
      OBSCURA_CHECK(id <= i, "step {} reads value {}, which is not there yet", i, id);
      schedule.last_use[id] = i;
    }
    const plan::ValueInfo& out = plan.steps[i].output;
    schedule.work.push_back(std::visit(WorkOf{plan, out}, plan.steps[i].operation));
    schedule.total_work += schedule.work.back() * (is_linear(plan.steps[i]) ? 1 : out.elements);
  }
  schedule.last_use[steps] = steps;
  return schedule;
}

void check_shape(const plan::Plan& plan, plan::ValueId id, const Shape& actual) {
  const plan::ValueInfo expected = plan.value(id);
  const bool same_scale = std::abs(actual.scale - expected.scale) <= kScaleTolerance * expected.scale;
  OBSCURA_CHECK(actual.limbs == expected.limbs && actual.parts == expected.parts && same_scale,
                "{}: {} limbs, {} parts, scale 2^{:.9f}; the plan expects {} limbs, {} parts, scale 2^{:.9f}",
                id == 0 ? "input" : fmt::format("step {} ({})", id - 1, plan.steps[id - 1].origin), actual.limbs,
                actual.parts, std::log2(actual.scale), expected.limbs, expected.parts, std::log2(expected.scale));
}

}  // namespace obscura::run
