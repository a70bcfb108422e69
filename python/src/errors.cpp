// SPDX-License-Identifier: Apache-2.0
#include "errors.h"

#include <pybind11/pybind11.h>

#include "obscura/code.h"

namespace obscura::python {

namespace py = pybind11;

void register_errors() {
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (const LibraryError& error) {
      const py::object made =
          py::module_::import("obscura._errors").attr("make")(name_of(error.error().code), error.error().message);
      PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
    }
  });
}

}  // namespace obscura::python
