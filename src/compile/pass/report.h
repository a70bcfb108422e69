// SPDX-License-Identifier: Apache-2.0
/// How far compiling is.
#pragma once

#include <functional>
#include <string>

#include "base/check.h"

namespace obscura::compile {

/// Called with what is being done and how much of it is done; returning false asks for an end. Calls never overlap.
using Report = std::function<bool(const std::string& what, std::size_t done, std::size_t total)>;

/// errors  cancelled, where the report asks for an end
inline Result<void> tell(const Report& report, const std::string& what, std::size_t done, std::size_t total) {
  if (!report || report(what, done, total)) return {};
  return error(Code::cancelled, "{}: stopped after {} of {}", what, done, total);
}

}  // namespace obscura::compile
