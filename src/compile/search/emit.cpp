// SPDX-License-Identifier: Apache-2.0
#include "compile/search/emit.h"

#include "compile/measure/quantize.h"

namespace obscura::compile {
namespace {

Result<plan::Operation> linear(const MonicNetwork& network, const Action& action, const WeightScales& scales) {
  const LinearMap& map = network.segments[action.segment][action.map];
  const double scale = scales[action.segment][action.map];
  OBSCURA_TRY(const std::vector<std::int32_t> weights, quantize(map, scale));
  plan::Linear step;
  step.input = action.input;
  step.map = to_blocks(map.matrix, weights);
  step.weight_scale = scale;
  step.bias = map.bias;
  return plan::Operation(std::move(step));
}

plan::Operation combine(const MonicActivation& activation, const Action& action) {
  plan::Combine step;
  step.terms.push_back({action.input, {1}});
  if (action.with_x) step.terms.push_back({action.other, action.outer ? activation.r : activation.p});
  if (!action.outer && !is_zero(activation.q)) step.constants = activation.q;
  return step;
}

plan::Operation sum(const MonicNetwork& network, const Action& action) {
  plan::Combine step;
  step.terms.push_back({action.input, {1}});
  for (const Action::Addend& addend : action.addends) {
    step.terms.push_back({addend.value, {1}});
    if (addend.diagonal) step.terms.back().coefficients = network.segments[*addend.diagonal][0].matrix.value;
  }
  return step;
}

Result<plan::Operation> operation(const MonicNetwork& network, const Action& action, const WeightScales& scales) {
  switch (action.kind) {
    case Action::Kind::linear:
      return linear(network, action, scales);
    case Action::Kind::square:
      return plan::Operation(plan::Multiply{action.input, action.input});
    case Action::Kind::combine:
      return combine(network.activations[action.segment], action);
    case Action::Kind::sum:
      return sum(network, action);
    case Action::Kind::relinearize:
      break;
  }
  return plan::Operation(plan::Relinearize{action.input, action.rescale});
}

std::string origin(const MonicNetwork& network, const Action& action) {
  switch (action.kind) {
    case Action::Kind::linear:
      return network.segments[action.segment][action.map].origin;
    case Action::Kind::square:
    case Action::Kind::combine:
      return network.activations[action.segment].origin;
    case Action::Kind::sum:
      return network.junctions[action.segment].origin;
    case Action::Kind::relinearize:
      break;
  }
  return "";
}

}  // namespace

Result<plan::Plan> emit(const MonicNetwork& network, const Candidate& candidate) {
  plan::Plan plan;
  plan.name = network.name;
  plan.params = candidate.literal;
  plan.input.channels = static_cast<std::uint32_t>(network.input[0]);
  plan.input.height = static_cast<std::uint32_t>(network.input[1]);
  plan.input.width = static_cast<std::uint32_t>(network.input[2]);
  plan.input.limbs = candidate.schedule.limbs;
  plan.input.scale = candidate.schedule.input_scale;
  plan.input.layout = plan::batch_layout(plan.input.elements(), plan::slots(plan));
  for (const Action& action : candidate.schedule.actions) {
    OBSCURA_TRY(auto step, operation(network, action, candidate.schedule.weight_scales));
    plan.keys.relinearization |= action.kind == Action::Kind::relinearize;
    plan.steps.push_back({std::move(step), action.output, origin(network, action)});
  }
  const plan::ValueInfo& last = plan.steps.back().output;
  plan.output = {last.elements,
                 last.limbs,
                 last.scale,
                 last.error_std,
                 candidate.schedule.noise_std,
                 plan::batch_layout(last.elements, plan::slots(plan))};
  return plan;
}

}  // namespace obscura::compile
