// SPDX-License-Identifier: Apache-2.0
#include "arrays.h"
#include "classes.h"
#include "errors.h"

PYBIND11_MODULE(_core, module) {
  module.doc() = "The C++ library as it is; the package obscura lies over it.";
  module.attr("__version__") = OBSCURA_VERSION;
  obscura::python::register_errors();
  obscura::python::add_bytes(module);
  obscura::python::add_compiler(module);
  obscura::python::add_client(module);
  obscura::python::add_server(module);
  obscura::python::add_remote(module);
}
