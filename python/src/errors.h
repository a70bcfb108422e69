// SPDX-License-Identifier: Apache-2.0
/// Errors of the library as exceptions of Python.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "obscura/result.h"

namespace obscura::python {

/// An Error on its way to Python, where it becomes the exception that obscura._errors has for its code.
class LibraryError : public std::exception {
 public:
  explicit LibraryError(Error error) : error_(std::move(error)) {}
  const Error& error() const { return error_; }
  const char* what() const noexcept override { return error_.message.c_str(); }

 private:
  Error error_;
};

template <class T>
T value_of(Result<T> result) {
  if (!result.ok()) throw LibraryError(result.error());
  return std::move(result).value();
}

inline void value_of(const Result<void>& result) {
  if (!result.ok()) throw LibraryError(result.error());
}

/// From now on a LibraryError that leaves a function of a module becomes that exception.
void register_errors();

}  // namespace obscura::python
