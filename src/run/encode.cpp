// SPDX-License-Identifier: Apache-2.0
#include "run/encode.h"

#include <utility>

namespace obscura::run {

EncodedModel::EncodedModel(plan::Plan plan, plan::Schedule schedule)
    : plan_(std::move(plan)), schedule_(std::move(schedule)), maps_(plan_.steps.size()) {
  for (std::size_t i = 0; i < maps_.size(); ++i) {
    if (const auto* linear = std::get_if<plan::Linear>(&plan_.steps[i].operation)) maps_[i].emplace(linear->map);
  }
}

const ckks::PreparedMap& EncodedModel::map(std::size_t step) const {
  OBSCURA_CHECK(step < maps_.size() && maps_[step].has_value(), "step {} has no linear map", step);
  return *maps_[step];
}

}  // namespace obscura::run
