// SPDX-License-Identifier: Apache-2.0
#include "compile/search/memory.h"

#include <algorithm>
#include <cmath>

#include "compile/cost/transform.h"
#include "compile/search/emit.h"
#include "plan/diagonal_weights.h"
#include "plan/keys.h"
#include "plan/schedule.h"

namespace obscura::compile {
namespace {

/// Limbs that a prime's NTT tables take: roots and their inverses, and again for the lower degrees together.
constexpr double kTableLimbs = 7.5;

std::uint64_t batch_key_bytes(const plan::Plan& plan) {
  if (!plan.keys.relinearization) return 0;
  const auto alpha = static_cast<std::uint64_t>(plan.params.digit_limbs);
  const std::uint64_t primes = plan.params.chain.size() + plan.params.special.size();
  const std::uint64_t digits = (plan.params.chain.size() + alpha - 1) / alpha;
  return 2 * digits * primes * (std::uint64_t{8} << plan.params.log2_degree);
}

/// Weights as the runtime holds them: integers and doubles.
std::uint64_t batch_weight_bytes(const plan::Plan& plan) {
  std::uint64_t weights = 0;
  for (const auto& step : plan.steps) {
    const auto* linear = std::get_if<plan::Linear>(&step.operation);
    if (!linear) continue;
    for (const auto& matrix : linear->map.matrices) weights += matrix.data.size();
  }
  return weights * (sizeof(std::int32_t) + sizeof(double));
}

/// Ciphertexts, keys and weights: with less than the largest tasks take, they are smaller.
Result<void> predict_batch_memory(const Setting& setting, Candidate& candidate) {
  OBSCURA_TRY(const plan::Plan plan, emit(*setting.network, candidate));
  Memory memory;
  memory.keys = batch_key_bytes(plan);
  memory.weights = batch_weight_bytes(plan);
  const std::uint64_t fixed = memory.keys + memory.weights;
  const auto schedule = plan::make_schedule_within(plan, setting.memory - std::min(setting.memory, fixed));
  if (!schedule) {
    return error(
        Code::infeasible,
        "network '{}': {:.2f} GB of memory are too little for {} images at a time: after {:.2f} GB of keys and "
        "weights, {}; give more (--memory), or take the image layout (--layout image --batch 1)",
        plan.name, megabytes(setting.memory) / 1e3, plan.images_at_once(), megabytes(fixed) / 1e3,
        schedule.error().message);
  }
  memory.values = schedule->peak_bytes;
  candidate.memory = std::move(memory);
  return {};
}

}  // namespace

Result<void> predict_memory(const Setting& setting, Candidate& candidate) {
  const PassTimer timer(setting.passes, Pass::memory);
  const Circuit& circuit = *candidate.circuit;
  if (circuit.batch) return predict_batch_memory(setting, candidate);
  const plan::Plan plan = emit(*setting.network, candidate, false).value();
  const double limb_bytes = std::exp2(plan.params.log2_degree) * sizeof(double);
  std::vector<std::size_t> steps;
  std::vector<ckks::SwitchSize> sizes;
  std::vector<ckks::TransformCost> work;
  Memory memory;
  for (std::size_t k = 0; k < circuit.operations.size(); ++k) {
    const Operation& operation = circuit.operations[k];
    if (operation.kind != Operation::Kind::transform) continue;
    steps.push_back(k);
    sizes.push_back(switch_size(plan, operation.input));
    work.push_back(candidate.schedule.shapes[k]->cost(sizes.back(), operation.drops, operation.diagonals->period()));
    memory.weights += operation.diagonals->entries() * sizeof(plan::DiagonalWeights::Weight);
    memory.encoded += static_cast<std::uint64_t>(static_cast<double>(work.back().encoded_limbs) * limb_bytes);
  }
  const auto& bootstrapper = candidate.bootstrapper;
  memory.keys = plan::server_key_bytes(plan, bootstrapper);
  const auto primes = static_cast<double>(plan.params.chain.size() + plan.params.special.size());
  memory.tables = static_cast<std::uint64_t>(kTableLimbs * primes * limb_bytes);
  if (bootstrapper != nullptr) memory.tables += bootstrapper->memory().diagonals + bootstrapper->memory().tables;
  const plan::Schedule schedule = plan::make_schedule(plan);
  memory.values = schedule.peak_bytes;
  memory.heaviest = circuit.operations[schedule.peak_step].origin;
  memory.kept = std::min(memory.encoded, setting.memory - std::min(setting.memory, memory.least()));
  const std::vector<Kept> kept = kept_diagonals(circuit.log2_degree, work, static_cast<double>(memory.kept));
  for (std::size_t t = 0; t < steps.size(); ++t) {
    candidate.schedule.nanoseconds[steps[t]] =
        transform_nanoseconds(setting.cost.of(circuit.ring), circuit.log2_degree, work[t], sizes[t], kept[t]);
  }
  candidate.memory = std::move(memory);
  return {};
}

}  // namespace obscura::compile
