// SPDX-License-Identifier: Apache-2.0
/// A schedule as the kinds of its actions.
#pragma once

#include <vector>

#include "compile/schedule/batch_schedule.h"

namespace obscura::compile {

inline std::vector<Action::Kind> kinds(const Schedule& schedule) {
  std::vector<Action::Kind> out;
  for (const auto& action : schedule.actions) out.push_back(action.kind);
  return out;
}

}  // namespace obscura::compile
