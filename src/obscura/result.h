// SPDX-License-Identifier: Apache-2.0
/// A value or an error, and progress: what every function of the library speaks.
#pragma once

#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

/// What a shared library of Obscura shows; all else in it is hidden.
#define OBSCURA_API __attribute__((visibility("default")))

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

struct Error {
  Code code = Code::bad_format;
  std::string message;
};

/// A broken contract inside the program (a bug, never a user's mistake).
class OBSCURA_API ContractError : public std::logic_error {
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
  /// Throws ContractError where there is an error.
  void value() const {
    if (!ok_) throw ContractError("Result::value() of an error: " + error_.message);
  }
  const Error& error() const {
    if (ok_) throw ContractError("Result::error() of a value");
    return error_;
  }

 private:
  Error error_;
  bool ok_ = true;
};

/// Called with (done, total) from time to time; returning false asks the work to stop with Code::cancelled.
/// Calls never overlap, but come from any thread.
using Progress = std::function<bool(std::size_t done, std::size_t total)>;

}  // namespace obscura::base

namespace obscura {
using base::Code;
using base::ContractError;
using base::Error;
using base::Progress;
using base::Result;
}  // namespace obscura
