// SPDX-License-Identifier: Apache-2.0
#include "compile/search/emit.h"

#include <algorithm>

#include "plan/work.h"

namespace obscura::compile {
namespace {

using Kind = Operation::Kind;

class Emitter {
 public:
  Emitter(const MonicNetwork& network, const Candidate& candidate, bool weights)
      : network_(network),
        candidate_(candidate),
        circuit_(*candidate.circuit),
        schedule_(candidate.schedule),
        weights_(weights) {}

  Result<plan::Operation> operation(std::size_t k) const {
    const Operation& operation = circuit_.operations[k];
    switch (operation.kind) {
      case Kind::linear:
        return linear(operation);
      case Kind::transform:
        return plan::Operation(transform(k));
      case Kind::add:
        return plan::Operation(sum_of_ciphertexts(operation));
      case Kind::fold: {
        plan::Fold fold = operation.fold;
        fold.input = operation.input;
        return plan::Operation(std::move(fold));
      }
      case Kind::square:
        return plan::Operation(plan::Multiply{operation.input, operation.input});
      case Kind::product:
        return plan::Operation(plan::Multiply{operation.input, operation.other});
      case Kind::combine:
      case Kind::sum:
        return plan::Operation(combine(operation));
      case Kind::polynomial:
        return plan::Operation(polynomial_of(operation, schedule_.values[k].scale));
      case Kind::bootstrap:
        return plan::Operation(plan::Bootstrap{operation.input});
      case Kind::relinearize:
        break;
    }
    return plan::Operation(plan::Relinearize{operation.input, operation.drops});
  }

  /// Memory that a step of the plan holds at work.
  std::uint64_t work_bytes(const plan::Plan& plan, std::size_t k) const {
    const Operation& operation = circuit_.operations[k];
    if (operation.kind == Kind::bootstrap) return candidate_.bootstrapper->memory().working;
    if (operation.kind != Kind::transform) return plan::working_bytes(plan, plan.steps[k]);
    const ckks::TransformCost cost =
        schedule_.shapes[k]->cost(switch_size(plan, operation.input), operation.drops, operation.diagonals->period());
    return cost.working_limbs * (std::uint64_t{sizeof(double)} << plan.params.log2_degree);
  }

 private:
  Result<plan::Operation> linear(const Operation& operation) const {
    const LinearMap& map = network_.segments[operation.segment][operation.map];
    plan::Linear step;
    step.input = operation.input;
    step.weight_scale = schedule_.weight_scales[operation.segment][operation.map];
    OBSCURA_TRY(const std::vector<std::int32_t> weights, quantize(map, step.weight_scale));
    step.map = to_blocks(map.matrix, weights);
    step.bias = map.bias;
    return plan::Operation(std::move(step));
  }

  plan::Transform transform(std::size_t k) const {
    const Operation& operation = circuit_.operations[k];
    plan::Transform out = operation.laid_out->transform(weights_);
    out.input = operation.input;
    out.split = schedule_.shapes[k]->split();
    out.plain_scale = schedule_.plain_scales[k];
    out.rescale = operation.drops;
    return out;
  }

  /// As an integer map.
  plan::Linear sum_of_ciphertexts(const Operation& operation) const {
    plan::Linear out;
    out.input = operation.input;
    out.map.inputs =
        operation.input == 0 ? circuit_.input.ciphertexts() : circuit_.operations[operation.input - 1].ciphertexts;
    out.map.outputs = operation.ciphertexts;
    for (std::uint32_t o = 0; o < operation.add.size(); ++o) {
      const auto width = static_cast<std::uint32_t>(operation.add[o].size());
      if (o == 0) out.map.matrices.push_back({1, width, std::vector<std::int32_t>(width, 1)});
      out.map.blocks.push_back({0, operation.add[o], {o}});
    }
    out.bias.assign(operation.ciphertexts, 0);
    return out;
  }

  plan::Combine combine(const Operation& operation) const {
    plan::Combine out;
    out.terms.push_back({operation.input, {1}});
    for (const Operation::Addend& addend : operation.addends) {
      out.terms.push_back({addend.value, {1}});
      if (addend.diagonal) out.terms.back().coefficients = network_.segments[*addend.diagonal][0].matrix.value;
    }
    if (operation.coefficient) out.terms.push_back({operation.other, *operation.coefficient});
    if (operation.constant) out.constants = *operation.constant;
    return out;
  }

  const MonicNetwork& network_;
  const Candidate& candidate_;
  const Circuit& circuit_;
  const Schedule& schedule_;
  bool weights_;
};

}  // namespace

ckks::SwitchSize switch_size(const plan::Plan& plan, plan::ValueId input) {
  const std::size_t limbs = plan.value(input).limbs, alpha = static_cast<std::size_t>(plan.params.digit_limbs);
  return {limbs, alpha, (limbs + alpha - 1) / alpha, plan.params.ring};
}

Result<plan::Plan> emit(const MonicNetwork& network, const Candidate& candidate, bool weights) {
  const Emitter emitter(network, candidate, weights);
  const Circuit& circuit = *candidate.circuit;
  const Schedule& schedule = candidate.schedule;
  plan::Plan plan;
  plan.name = network.name;
  plan.params = candidate.literal;
  plan.input.channels = static_cast<std::uint32_t>(network.input[0]);
  plan.input.height = static_cast<std::uint32_t>(network.input[1]);
  plan.input.width = static_cast<std::uint32_t>(network.input[2]);
  plan.input.limbs = schedule.limbs;
  plan.input.scale = schedule.input_scale;
  plan.input.layout = circuit.input;
  plan.keys = schedule.keys;
  for (std::size_t k = 0; k < circuit.operations.size(); ++k) {
    const Operation& operation = circuit.operations[k];
    const bool bootstraps = operation.kind == Kind::bootstrap;
    if (bootstraps) plan.bootstrap = schedule.choice.bootstrap;
    plan.keys.relinearization |=
        bootstraps || operation.kind == Kind::relinearize || operation.kind == Kind::polynomial;
    OBSCURA_TRY(auto step, emitter.operation(k));
    plan.steps.push_back({std::move(step), schedule.values[k], operation.origin});
  }
  for (std::size_t k = 0; k < plan.steps.size() && !circuit.batch; ++k) {
    plan.steps[k].seconds = schedule.nanoseconds[k] * 1e-9;
    plan.steps[k].bytes = emitter.work_bytes(plan, k);
  }
  const plan::ValueInfo& last = plan.steps.back().output;
  plan.output = {circuit.output.elements(), last.limbs, last.scale, last.error_std, schedule.noise_std, circuit.output};
  plan.predicted_seconds = schedule.total_nanoseconds() * 1e-9;
  plan.predicted_bytes = candidate.memory.total();
  plan.value_bytes = candidate.memory.values;
  plan.kept_bytes = candidate.memory.kept;
  return plan;
}

}  // namespace obscura::compile
