// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"

#include "obscura/code.h"

namespace obscura::base {

const char* to_string(Code code) { return name_of(code); }

namespace internal {
void contract_failed(const char* condition, const char* file, int line, const std::string& message) {
  throw ContractError(fmt::format("{} ({} at {}:{})", message, condition, file, line));
}
}  // namespace internal

}  // namespace obscura::base
