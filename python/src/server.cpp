// SPDX-License-Identifier: Apache-2.0
#include "obscura/server.h"

#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <memory>

#include "arrays.h"
#include "classes.h"
#include "wait.h"

namespace obscura::python {
namespace {

Server open_server(const py::object& from, std::uint64_t memory) {
  const Input input(from, "the plan");
  return wait_for<Server>(py::none(), [&](Watch&) { return Server::open(input.source(), {.memory = memory}); });
}

EvaluationKeys read_keys(const Server& server, const py::object& from) {
  const Input input(from, "the evaluation keys");
  return wait_for<EvaluationKeys>(py::none(), [&](Watch&) { return server.read_keys(input.source()); });
}

py::object run_server(const Server& server, const EvaluationKeys& keys, const py::object& images,
                      const std::optional<std::filesystem::path>& to, bool overwrite, const py::object& progress) {
  const Input input(images, "the encrypted images");
  Output output(to, overwrite);
  wait_for<void>(progress,
                 [&](Watch& watch) { return server.run(keys, input.source(), output.sink(), watch.progress("run")); });
  return output.answer();
}

}  // namespace

void add_server(py::module_& module) {
  py::class_<EvaluationKeys>(module, "EvaluationKeys",
                             "One client's evaluation keys, read and ready (Server.read_keys).")
      .def_property_readonly("memory", &EvaluationKeys::memory,
                             "Bytes that the plan's weights, these keys and a batch's ciphertexts take at most.");
  py::class_<Server>(module, "Server")
      .def_static("open", &open_server, py::arg("plan"), py::arg("memory"))
      .def_property_readonly("network", &Server::network)
      .def_property_readonly("images_at_once", &Server::images_at_once)
      .def_property_readonly("predicted_seconds", &Server::predicted_seconds)
      .def("offer", [](const Server& server) { return std::make_unique<Bytes>(server.offer()); })
      .def("read_keys", &read_keys, py::arg("keys"))
      .def("run", &run_server, py::arg("keys"), py::arg("images"), py::arg("to"), py::arg("overwrite"),
           py::arg("progress"));
}

}  // namespace obscura::python
