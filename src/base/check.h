// SPDX-License-Identifier: Apache-2.0
/// Errors, in two kinds that never mix.
///
/// Outside input (files, ONNX, the command line) returns a Result<T>: a value, or an Error whose code is
/// from a closed set and whose sentence names the place, the actual and the allowed value.
/// A contract that a caller inside the program broke throws ContractError from OBSCURA_CHECK.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "obscura/result.h"

namespace obscura::base {

const char* to_string(Code code);

/// error(Code::io, "{}: no such file", path)
template <class... Args>
Error error(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return Error{code, fmt::format(format, std::forward<Args>(args)...)};
}

namespace internal {
[[noreturn]] void contract_failed(const char* condition, const char* file, int line, const std::string& message);
}

}  // namespace obscura::base

namespace obscura {
using base::error;
}  // namespace obscura

/// OBSCURA_CHECK(a == b, "add: {} limbs vs {}", a, b): O(1) contracts, on in every build.
#define OBSCURA_CHECK(condition, ...)                                                                         \
  do {                                                                                                        \
    if (!(condition)) [[unlikely]]                                                                            \
      ::obscura::base::internal::contract_failed(#condition, __FILE__, __LINE__, ::fmt::format(__VA_ARGS__)); \
  } while (false)

#define OBSCURA_CONCAT_INNER(a, b) a##b
#define OBSCURA_CONCAT(a, b) OBSCURA_CONCAT_INNER(a, b)

/// OBSCURA_TRY(auto x, parse(bytes)): x is the value; an Error returns from the enclosing function.
#define OBSCURA_TRY(declaration, expression) \
  OBSCURA_TRY_INNER(OBSCURA_CONCAT(result_, __LINE__), declaration, expression)
#define OBSCURA_TRY_INNER(temporary, declaration, expression) \
  auto temporary = (expression);                              \
  if (!temporary.ok()) return temporary.error();              \
  declaration = std::move(temporary).value()

/// The same for Result<void>.
#define OBSCURA_TRY_VOID(expression)                                                    \
  do {                                                                                  \
    if (auto result_void = (expression); !result_void.ok()) return result_void.error(); \
  } while (false)
