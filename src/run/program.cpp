// SPDX-License-Identifier: Apache-2.0
#include "run/program.h"

#include <utility>

#include "plan/polynomial.h"

namespace obscura::run {

std::shared_ptr<const Program> make_program(plan::Plan plan, std::shared_ptr<const ckks::Bootstrapper> bootstrapper,
                                            std::uint64_t kept_bytes) {
  plan::Schedule schedule = plan::make_schedule(plan);
  return std::make_shared<const Program>(
      Program{std::move(plan), std::move(schedule), std::move(bootstrapper), kept_bytes});
}

std::map<std::size_t, WeightedTransform> weighted_transforms(const plan::Plan& plan) {
  std::map<std::size_t, WeightedTransform> out;
  const auto diagonals = plan::diagonals_of(plan);
  const plan::TransformShapes shapes = plan::transform_shapes(plan, diagonals);
  for (std::size_t s = 0; s < plan.steps.size(); ++s) {
    const auto* transform = std::get_if<plan::Transform>(&plan.steps[s].operation);
    if (transform == nullptr) continue;
    auto weights = std::make_shared<const plan::DiagonalWeights>(plan::map_between(*transform), *diagonals[s]);
    out.emplace(s, WeightedTransform{diagonals[s], std::move(weights), shapes.by_step[s]});
  }
  return out;
}

Model::Model(std::shared_ptr<const Program> program) : program_(std::move(program)) {
  for (std::size_t s = 0; s < plan().steps.size(); ++s) {
    const auto* polynomial = std::get_if<plan::Polynomial>(&plan().steps[s].operation);
    if (polynomial == nullptr) continue;
    const plan::ValueInfo in = plan().value(polynomial->input);
    polynomials_.emplace(s, plan::composite_of(*polynomial, plan().params, in.limbs, in.scale).value());
  }
}

const ckks::CompositePlan& Model::polynomial(std::size_t step) const {
  const auto found = polynomials_.find(step);
  OBSCURA_CHECK(found != polynomials_.end(), "step {} is no polynomial", step);
  return found->second;
}

}  // namespace obscura::run
