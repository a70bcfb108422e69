// SPDX-License-Identifier: Apache-2.0
#include "compile/schedule/splits.h"

#include <algorithm>
#include <cmath>

#include "compile/cost/transform.h"

namespace obscura::compile {
namespace {

using Kind = Operation::Kind;

/// Of a circuit's transforms.
std::vector<double> nanoseconds_of(const Circuit& circuit, const Splits& splits, std::size_t digit_limbs,
                                   const CostModel& cost) {
  std::vector<ckks::SwitchSize> sizes;
  std::vector<ckks::TransformCost> work;
  for (std::size_t k = 0; k < circuit.operations.size(); ++k) {
    const Operation& operation = circuit.operations[k];
    if (operation.kind != Kind::transform) continue;
    const std::size_t limbs = splits.limbs[operation.input];
    sizes.push_back({limbs, digit_limbs, (limbs + digit_limbs - 1) / digit_limbs, circuit.ring});
    work.push_back(splits.shapes[k]->cost(sizes.back(), operation.drops, operation.diagonals->period()));
  }
  const std::vector<Kept> kept = kept_diagonals(circuit.log2_degree, work, HUGE_VAL);
  const CostModel here = cost.of(circuit.ring);
  std::vector<double> out(circuit.operations.size(), 0);
  std::size_t t = 0;
  for (std::size_t k = 0; k < circuit.operations.size(); ++k) {
    if (circuit.operations[k].kind != Kind::transform) continue;
    out[k] = transform_nanoseconds(here, circuit.log2_degree, work[t], sizes[t], kept[t]);
    ++t;
  }
  return out;
}

}  // namespace

Splits split(const Circuit& circuit, std::uint32_t input_limbs, int digit_limbs, const CostModel& cost) {
  const std::uint64_t slots = circuit.ring_slots();
  const auto alpha = static_cast<std::size_t>(digit_limbs);
  Splits out;
  out.limbs = circuit.limbs(input_limbs);
  out.parts = circuit.parts();
  for (const Operation& operation : circuit.operations) {
    const std::uint32_t limbs = out.limbs[operation.input];
    out.before.push_back(limbs);
    for (const plan::ValueId id : operation.inputs()) out.before.back() = std::min(out.before.back(), out.limbs[id]);
    out.shapes.emplace_back();
    if (operation.kind == Kind::fold) {
      plan::add_rotations(out.keys, plan::rotations_of(operation.fold, slots), limbs);
    }
    if (operation.kind != Kind::transform) continue;
    ckks::SplitOptions options;
    options.size = {limbs, alpha, (limbs + alpha - 1) / alpha, circuit.ring};
    options.pairs = circuit.ring == ckks::RingType::standard;
    options.longest_period = operation.diagonals->slots();
    for (const auto& [rotation, _] : out.keys.rotations) options.keys_there.push_back(rotation);
    out.shapes.back() = std::make_shared<const ckks::TransformShape>(
        slots, operation.laid_out->from.ciphertexts(), operation.ciphertexts, operation.diagonals->places(), options);
    plan::add_keys(out.keys, *out.shapes.back(), limbs, limbs - operation.drops);
  }
  price_transforms(circuit, digit_limbs, cost, out);
  return out;
}

void price_transforms(const Circuit& circuit, int digit_limbs, const CostModel& cost, Splits& splits) {
  splits.noise.assign(circuit.operations.size(), {});
  for (std::size_t k = 0; k < circuit.operations.size(); ++k) {
    const Operation& operation = circuit.operations[k];
    if (operation.kind != Kind::transform) continue;
    for (std::uint32_t o = 0; o < operation.ciphertexts; ++o) {
      splits.noise[k].push_back(plan::noise_of(*splits.shapes[k], *operation.diagonals, o));
    }
  }
  splits.nanoseconds = nanoseconds_of(circuit, splits, static_cast<std::size_t>(digit_limbs), cost);
}

std::vector<double> log2_moduli(const ckks::Params& params) {
  std::vector<double> out{0};
  for (const std::uint64_t prime : params.literal().chain) {
    out.push_back(out.back() + std::log2(static_cast<double>(prime)));
  }
  return out;
}

double Trial::dropped(std::uint32_t limbs, std::uint32_t count) const {
  double product = 1;
  for (std::uint32_t i = limbs - count; i < limbs; ++i) product *= static_cast<double>(params.literal().chain[i]);
  return product;
}

plan::Polynomial polynomial_of(const Operation& operation, double output_scale) {
  return {operation.input, operation.term->stages, operation.term->relu, output_scale};
}

}  // namespace obscura::compile
