// SPDX-License-Identifier: Apache-2.0
#include "obscura/client.h"

#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "arrays.h"
#include "classes.h"
#include "wait.h"

namespace obscura::python {
namespace {

using Path = std::filesystem::path;

void add_offer(py::module_& module) {
  py::class_<Offer>(module, "Offer",
                    "What a server says of one of its networks: what a client needs to make keys and encrypt.\n\n"
                    "source   the path or the bytes of an offer's file\n"
                    "raises   IoError; BadFormat: damaged; WrongParams: parameters below 128 bits of security")
      .def(py::init([](const py::object& from) {
             const Input input(from, "the offer");
             return value_of(Offer::read(input.source()));
           }),
           py::arg("source"))
      .def_property_readonly("network", &Offer::network, "The network's name.")
      .def_property_readonly(
          "shape", [](const Offer& o) { return py::make_tuple(o.channels(), o.height(), o.width()); },
          "Channels, height and width of an image.")
      .def_property_readonly("classes", &Offer::classes, "Logits of an image.")
      .def_property_readonly("answer", &Offer::answer,
                             "What they say: 'one' label, 'several' labels, a 'binary' one, or 'values'.")
      .def_property_readonly("images_at_once", &Offer::images_at_once, "Images that one batch of ciphertexts holds.")
      .def_property_readonly("logit_error", &Offer::logit_error,
                             "Standard deviation of a logit's error by encryption, predicted.")
      .def_property_readonly("key_bytes", &Offer::key_bytes, "Bytes of the evaluation keys that it asks for.")
      .def_property_readonly(
          "bytes", [](const Offer& o) { return std::make_unique<Bytes>(o.bytes()); }, "The file.")
      .def("class_name", &Offer::class_name, py::arg("label"), "The name of a class; its number where it has none.");
}

py::object write_keys(const Client& client, const std::optional<Path>& to, bool overwrite, std::uint64_t max_bytes,
                      const py::object& progress) {
  Output output(to, overwrite);
  wait_for<void>(progress,
                 [&](Watch& watch) { return client.write_keys(output.sink(), watch.progress("keys"), max_bytes); });
  return output.answer();
}

py::object encrypt(const Client& client, const Images& images, const std::optional<Path>& to, bool overwrite,
                   const py::object& progress) {
  Output output(to, overwrite);
  wait_for<void>(progress, [&, pixels = view(images)](Watch& watch) {
    return client.encrypt(pixels, output.sink(), watch.progress("encrypt"));
  });
  return output.answer();
}

py::tuple decrypt(const Client& client, const py::object& from, const py::object& progress) {
  const Input input(from, "the answer");
  return to_tuple(wait_for<Answer>(
      progress, [&](Watch& watch) { return client.decrypt(input.source(), watch.progress("decrypt")); }));
}

}  // namespace

py::tuple to_tuple(Answer answer) {
  const std::size_t wide = answer.probabilities.empty() ? 0 : answer.probabilities.front().size();
  py::object probabilities = py::none();
  if (wide > 0) {
    py::array_t<double> table({answer.images, wide});
    double* row = table.mutable_data();
    for (const std::vector<double>& of_image : answer.probabilities) {
      row = std::copy(of_image.begin(), of_image.end(), row);
    }
    probabilities = std::move(table);
  }
  return py::make_tuple(to_array(std::move(answer.logits), answer.classes), answer.labels, probabilities);
}

void add_client(py::module_& module) {
  add_offer(module);
  py::class_<Client>(module, "Client")
      .def_static("generate", [](const Offer& offer) { return value_of(Client::generate(offer)); })
      .def_static("load", [](const Offer& offer, const Path& secret) { return value_of(Client::load(offer, secret)); })
      .def("save",
           [](const Client& client, const Path& secret, bool overwrite) { value_of(client.save(secret, overwrite)); })
      .def("write_keys", &write_keys, py::arg("to"), py::arg("overwrite"), py::arg("max_bytes"), py::arg("progress"))
      .def("encrypt", &encrypt, py::arg("images"), py::arg("to"), py::arg("overwrite"), py::arg("progress"))
      .def("decrypt", &decrypt, py::arg("source"), py::arg("progress"));
}

}  // namespace obscura::python
