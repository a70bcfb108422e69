// SPDX-License-Identifier: Apache-2.0
/// The names of error codes.
#pragma once

#include "obscura/result.h"

namespace obscura {

/// The code as files, other languages and the command line have it: "bad_format", "io", ...
inline const char* name_of(Code code) {
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
  throw ContractError("a code that is none");
}

}  // namespace obscura
