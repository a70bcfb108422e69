// SPDX-License-Identifier: Apache-2.0
#include "compile/emit.h"

#include "compile/quantize.h"

namespace obscura::compile {
namespace {

Result<plan::Operation> linear(const MonicNetwork& network, const Action& action, const WeightBits& weight_bits) {
  const LinearMap& map = network.segments[action.segment][action.map];
  OBSCURA_TRY(const QuantizedWeights weights, quantize(map, weight_bits[action.segment][action.map]));
  plan::Linear step;
  step.input = action.input;
  step.map = to_blocks(map.matrix, weights.integers);
  step.weight_scale = weights.scale;
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

Result<plan::Operation> operation(const MonicNetwork& network, const Action& action, const WeightBits& weight_bits) {
  switch (action.kind) {
    case Action::Kind::linear:
      return linear(network, action, weight_bits);
    case Action::Kind::square:
      return plan::Operation(plan::Multiply{action.input, action.input});
    case Action::Kind::combine:
      return combine(network.activations[action.segment], action);
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
  for (const Action& action : candidate.schedule.actions) {
    OBSCURA_TRY(auto step, operation(network, action, candidate.choice.weight_bits));
    plan.keys.relinearization |= action.kind == Action::Kind::relinearize;
    plan.steps.push_back({std::move(step), action.output, origin(network, action)});
  }
  const plan::ValueInfo& last = plan.steps.back().output;
  plan.output = {last.elements, last.limbs, last.scale, last.error_std, candidate.schedule.noise_std};
  return plan;
}

}  // namespace obscura::compile
