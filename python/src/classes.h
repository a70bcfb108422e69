// SPDX-License-Identifier: Apache-2.0
/// The classes of the module _core: the public headers as they are. What a person calls lies over them in obscura/*.py.
#pragma once

#include <pybind11/pybind11.h>

#include "obscura/client.h"

namespace obscura::python {

void add_compiler(pybind11::module_& module);
void add_client(pybind11::module_& module);
void add_server(pybind11::module_& module);
void add_remote(pybind11::module_& module);

/// (images x outputs logits, a list of labels for each image, images x classes probabilities or None)
pybind11::tuple to_tuple(Answer answer);

}  // namespace obscura::python
