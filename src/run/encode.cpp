// SPDX-License-Identifier: Apache-2.0
#include "run/encode.h"

#include <algorithm>
#include <utility>

#include "plan/polynomial.h"

namespace obscura::run {

EncodedModel::EncodedModel(plan::Plan plan, plan::Schedule schedule,
                           std::shared_ptr<const ckks::Bootstrapper> bootstrapper)
    : plan_(std::move(plan)), schedule_(std::move(schedule)), maps_(plan_.steps.size()) {
  for (std::size_t i = 0; i < maps_.size(); ++i) {
    const plan::Operation& operation = plan_.steps[i].operation;
    if (const auto* linear = std::get_if<plan::Linear>(&operation)) maps_[i].emplace(linear->map);
    if (const auto* polynomial = std::get_if<plan::Polynomial>(&operation)) {
      const plan::ValueInfo in = plan_.value(polynomial->input);
      polynomials_.emplace(i, plan::composite_of(*polynomial, plan_.params, in.limbs, in.scale).value());
    }
    if (std::holds_alternative<plan::Bootstrap>(operation)) {
      bootstraps_.emplace(i,
                          PreparedBootstrap{plan_.steps[i].output.limbs, plan_.bootstrap->output_scale, bootstrapper});
    }
  }
  const auto diagonals = plan::diagonals_of(plan_);
  const plan::TransformShapes shapes = plan::transform_shapes(plan_, diagonals);
  for (std::size_t i = 0; i < maps_.size(); ++i) {
    const auto* transform = std::get_if<plan::Transform>(&plan_.steps[i].operation);
    if (transform == nullptr) continue;
    const plan::ValueInfo in = plan_.value(transform->input);
    transforms_.push_back({i,
                           diagonals[i],
                           std::make_shared<const plan::DiagonalWeights>(plan::map_between(*transform), *diagonals[i]),
                           shapes.by_step[i],
                           in.limbs,
                           transform->rescale,
                           in.scale,
                           plan_.steps[i].output.scale,
                           transform->plain_scale,
                           {}});
    for (std::uint32_t o = 0; o < shapes.by_step[i]->outputs(); ++o) {
      transforms_.back().noise.push_back(plan::noise_of(*shapes.by_step[i], *diagonals[i], o));
    }
  }
}

const ckks::PreparedMap& EncodedModel::map(std::size_t step) const {
  OBSCURA_CHECK(step < maps_.size() && maps_[step].has_value(), "step {} has no linear map", step);
  return *maps_[step];
}

const PreparedTransform& EncodedModel::transform(std::size_t step) const {
  const auto found =
      std::find_if(transforms_.begin(), transforms_.end(), [&](const PreparedTransform& t) { return t.step == step; });
  OBSCURA_CHECK(found != transforms_.end(), "step {} is no transform", step);
  return *found;
}

const ckks::CompositePlan& EncodedModel::polynomial(std::size_t step) const {
  const auto found = polynomials_.find(step);
  OBSCURA_CHECK(found != polynomials_.end(), "step {} is no polynomial", step);
  return found->second;
}

const PreparedBootstrap& EncodedModel::bootstrap(std::size_t step) const {
  const auto found = bootstraps_.find(step);
  OBSCURA_CHECK(found != bootstraps_.end(), "step {} is no bootstrapping", step);
  return found->second;
}

}  // namespace obscura::run
