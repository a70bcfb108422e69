// SPDX-License-Identifier: Apache-2.0
/// Bytes and arrays between Python and the library, without copies.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "obscura/io.h"

/// A class of its own, in every file that knows of lists.
PYBIND11_MAKE_OPAQUE(obscura::Bytes)

namespace obscura::python {

namespace py = pybind11;

/// One image after the other, as obscura._images makes them: C order, float32.
using Images = py::array_t<float, py::array::c_style>;

inline std::span<const float> view(const Images& images) {
  return {images.data(), static_cast<std::size_t>(images.size())};
}

/// A path, or anything that shows its bytes (bytes, Bytes, memoryview, a numpy array, mmap), for as long as this lives.
class Input {
 public:
  /// `name`: what messages call bytes. throws: TypeError: neither a path nor bytes in one piece
  Input(const py::object& from, const std::string& name);
  const Source& source() const { return *source_; }

 private:
  std::optional<py::buffer_info> held_;
  std::optional<Source> source_;
};

/// Where a function's bytes go: to a file where a path is given, else to a Bytes object, which is what it returns.
class Output {
 public:
  Output(const std::optional<std::filesystem::path>& to, bool overwrite);
  Sink sink();
  /// What Python gets, after the bytes were written: Bytes, or None of a file.
  py::object answer();

 private:
  std::optional<std::filesystem::path> path_;
  bool overwrite_ = false;
  Bytes bytes_;
};

/// Rows of `width`, as an array that owns them. needs: values.size() is a multiple of it
py::array_t<float> to_array(std::vector<float> values, std::size_t width);

void add_bytes(py::module_& module);

}  // namespace obscura::python
