// SPDX-License-Identifier: Apache-2.0
#include "plan/work.h"

#include <algorithm>
#include <cmath>

#include "plan/polynomial.h"

namespace obscura::plan {
namespace {

// A transform of one limb has N/2 log2 N butterflies, each about as long as a multiply-add: 7 passes at N = 2^14.
constexpr std::uint64_t kTransform = 7;
// A modular product of residues is about as long as two multiply-adds of the linear kernel.
constexpr std::uint64_t kProduct = 2;

ckks::CompositePlan planned(const Plan& plan, const Polynomial& x) {
  const ValueInfo in = plan.value(x.input);
  return composite_of(x, plan.params, in.limbs, in.scale).value();
}

struct WorkOf {
  const Plan& plan;
  const ValueInfo& out;

  std::uint64_t operator()(const Linear& x) const { return x.map.multiplications() * out.limbs * out.parts; }
  std::uint64_t operator()(const Multiply& x) const { return (x.a == x.b ? 3U : 4U) * kProduct * out.limbs; }
  std::uint64_t key_switch(std::uint64_t limbs) const {
    const std::uint64_t special = plan.params.special.size();
    const auto alpha = static_cast<std::uint64_t>(std::max(1, plan.params.digit_limbs));
    const std::uint64_t digits = (limbs + alpha - 1) / alpha;
    const std::uint64_t extended = digits * (limbs + special);
    return kTransform * (extended + 2 * (special + limbs)) + 2 * kProduct * extended;
  }
  std::uint64_t operator()(const Relinearize& x) const { return key_switch(out.limbs + x.rescale); }
  std::uint64_t operator()(const Rescale& x) const { return kTransform * out.parts * (out.limbs + x.limbs); }
  std::uint64_t operator()(const Combine& x) const { return std::uint64_t{out.parts} * out.limbs * x.terms.size(); }
  /// Diagonals are encoded, multiplied and summed; there are about as many as weights in a slot on average.
  std::uint64_t operator()(const Transform& x) const {
    const std::uint64_t limbs = out.limbs + x.rescale + plan.params.special.size();
    const std::uint64_t slots = plan::slots(plan);
    const std::uint64_t diagonals = 1 + x.map.multiplications() * (slots / x.to.period) / slots;
    return diagonals * limbs * (kTransform + 2 * kProduct);
  }
  std::uint64_t operator()(const Fold& x) const {
    std::uint64_t rotations = 0;
    for (const Fold::Sum& sum : x.sums) rotations += sum.count - 1;
    return rotations * key_switch(out.limbs);
  }
  std::uint64_t operator()(const Polynomial& x) const {
    std::uint64_t sum = 0;
    for (const ckks::PolynomialLevelCost& level : planned(plan, x).cost()) {
      sum += level.multiplications * 4 * kProduct * level.limbs + level.relinearizations * key_switch(level.limbs) +
             level.rescales * kTransform * 2 * level.limbs + level.terms * 2 * level.limbs;
    }
    return sum;
  }
  /// Babies and giants of each factor, products with its diagonals; EvalMod as a polynomial at half of the levels.
  std::uint64_t operator()(const Bootstrap&) const {
    const ckks::BootstrapLiteral& set = plan.bootstrap->literal;
    const std::uint64_t raised = plan.params.chain.size(), special = plan.params.special.size();
    const std::uint64_t eval_mod = raised - set.coeff_to_slot.size(), input = 1 + set.slot_to_coeff.size();
    const std::uint64_t output = input + static_cast<std::uint64_t>(set.levels);
    const auto factors = [&](const std::vector<int>& levels, std::uint64_t limbs) {
      std::uint64_t sum = 0;
      for (const int k : levels) {
        sum += (std::uint64_t{2} << (k + 1) / 2) * key_switch(limbs) + (limbs + special) * (kProduct * 2 << (k + 1));
        --limbs;
      }
      return sum;
    };
    const auto products = static_cast<std::uint64_t>(std::sqrt(2 * set.cosine_degree) + 4 + set.double_angles);
    return factors(set.slot_to_coeff, input) + factors(set.coeff_to_slot, raised) + 2 * key_switch(raised) +
           products * key_switch((eval_mod + output) / 2);
  }
};

}  // namespace

std::uint64_t work_of(const Plan& plan, const Step& step) {
  return std::visit(WorkOf{plan, step.output}, step.operation);
}

bool stands_alone(const Operation& operation) {
  return std::holds_alternative<Polynomial>(operation) || std::holds_alternative<Bootstrap>(operation);
}

std::uint64_t working_bytes(const Plan& plan, const Step& step) {
  const std::uint64_t limb = std::uint64_t{sizeof(double)} << plan.params.log2_degree;
  const auto digits = [&](std::uint64_t limbs) {
    const auto alpha = static_cast<std::uint64_t>(std::max(1, plan.params.digit_limbs));
    return (limbs + alpha - 1) / alpha;
  };
  // Digits of a key switch raised to all primes, and the two parts of the sum.
  const auto switching = [&](std::uint64_t limbs) {
    return (digits(limbs) + 2) * (limbs + plan.params.special.size());
  };
  if (const auto* polynomial = std::get_if<Polynomial>(&step.operation)) {
    std::uint64_t values = 0;  // baby steps and powers, of the stage that has most
    for (const ckks::PolynomialPlan& stage : planned(plan, *polynomial).stages) {
      values = std::max<std::uint64_t>(values, stage.steps.size());
    }
    const std::uint64_t limbs = plan.value(polynomial->input).limbs;
    return (2 * limbs * values + switching(limbs)) * limb;
  }
  if (const auto* switched = std::get_if<Relinearize>(&step.operation)) {
    return switching(plan.value(switched->input).limbs) * limb;
  }
  if (const auto* fold = std::get_if<Fold>(&step.operation)) {
    std::uint64_t rotated = 0;  // all of one sum together
    for (const Fold::Sum& sum : fold->sums) rotated = std::max<std::uint64_t>(rotated, sum.count);
    return (2 * step.output.limbs * rotated + switching(step.output.limbs)) * limb;
  }
  return 0;
}

}  // namespace obscura::plan
