// SPDX-License-Identifier: Apache-2.0
#include "errors.h"

#include <pybind11/pybind11.h>

namespace obscura::python {

namespace py = pybind11;

const char* name_of(Code code) {
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
