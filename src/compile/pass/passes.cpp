// SPDX-License-Identifier: Apache-2.0
#include "compile/pass/passes.h"

#include <algorithm>

namespace obscura::compile {
namespace {

constexpr std::array<std::string_view, kPasses> kNames = {"front",  "intervals",  "monic", "measure", "rounding",
                                                          "layout", "bootstraps", "split", "scales",  "errors",
                                                          "price",  "memory",     "emit",  "verify"};
static_assert(static_cast<std::size_t>(Pass::verify) + 1 == kPasses);

}  // namespace

std::string_view name_of(Pass pass) { return kNames[static_cast<std::size_t>(pass)]; }

std::vector<std::string> pass_names() { return {kNames.begin(), kNames.end()}; }

std::optional<Pass> pass_named(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  return found == kNames.end() ? std::nullopt : std::optional(static_cast<Pass>(found - kNames.begin()));
}

}  // namespace obscura::compile
