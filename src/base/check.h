// SPDX-License-Identifier: Apache-2.0
/// Errors, in two kinds that never mix.
///
/// Outside input (files, ONNX, the command line) returns a Result<T>: a value, or an Error whose code is
/// from a closed set and whose sentence names the place, the actual and the allowed value.
/// A contract that a caller inside the program broke throws ContractError from OBSCURA_CHECK.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace obscura::base {

enum class Code {
  bad_format,    ///< bytes that are not what they should be: truncated, damaged, of another kind
  unsupported,   ///< well-formed, but outside of what Obscura does
  wrong_params,  ///< made for another plan, key or parameter set
  missing_key,   ///< an evaluation key that the plan needs is absent
  infeasible,    ///< no parameters satisfy the request
  io,            ///< the operating system said no: absent, exists already, disk full
  busy,          ///< try again later
  cancelled,     ///< the user stopped it
};

const char* to_string(Code code);

struct Error {
  Code code = Code::bad_format;
  std::string message;
};

/// error(Code::io, "{}: no such file", path)
template <class... Args>
Error error(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return Error{code, fmt::format(format, std::forward<Args>(args)...)};
}

/// A broken contract inside the program (a bug, never a user's mistake).
class ContractError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// A value or an Error. Reading the wrong side throws ContractError.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Error e) : state_(std::move(e)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return require(), std::get<0>(state_); }
  const T& value() const& { return require(), std::get<0>(state_); }
  T&& value() && { return require(), std::get<0>(std::move(state_)); }
  const Error& error() const {
    if (ok()) throw ContractError("Result::error() of a value");
    return std::get<1>(state_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  void require() const {
    if (!ok()) throw ContractError("Result::value() of an error: " + std::get<1>(state_).message);
  }
  std::variant<T, Error> state_;
};

/// Success carries nothing.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error e) : error_(std::move(e)), ok_(false) {}
  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  const Error& error() const {
    if (ok_) throw ContractError("Result::error() of a value");
    return error_;
  }

 private:
  Error error_;
  bool ok_ = true;
};

namespace internal {
[[noreturn]] void contract_failed(const char* condition, const char* file, int line, const std::string& message);
}

}  // namespace obscura::base

namespace obscura {
using base::Code;
using base::ContractError;
using base::error;
using base::Error;
using base::Result;
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
