// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"

namespace obscura::base {

const char* to_string(Code code) {
  switch (code) {
    case Code::bad_format:
      return "bad_format";
    case Code::unsupported:
      return "unsupported";
    case Code::wrong_params:
      return "wrong_params";
    case Code::missing_key:
      return "missing_key";
    case Code::infeasible:
      return "infeasible";
    case Code::io:
      return "io";
    case Code::busy:
      return "busy";
    case Code::cancelled:
      return "cancelled";
  }
  return "unknown";
}

namespace internal {
void contract_failed(const char* condition, const char* file, int line, const std::string& message) {
  throw ContractError(fmt::format("{} ({} at {}:{})", message, condition, file, line));
}
}  // namespace internal

}  // namespace obscura::base
