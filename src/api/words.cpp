// SPDX-License-Identifier: Apache-2.0
#include "api/words.h"

#include <fmt/format.h>

#include <algorithm>

namespace obscura::api {

std::string plural(std::size_t count, const std::string& noun) {
  const char* ending = count == 1 ? "" : noun.ends_with("ch") ? "es" : "s";
  return fmt::format("{} {}{}", count, noun, ending);
}

std::string option_name(Caller caller, std::string name) {
  if (caller == Caller::command_line) return "--" + name;
  std::replace(name.begin(), name.end(), '-', '_');
  return "CompileOptions::" + name;
}

}  // namespace obscura::api
