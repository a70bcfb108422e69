// SPDX-License-Identifier: Apache-2.0
#include "arrays.h"

#include <pybind11/stl/filesystem.h>

#include <fstream>
#include <memory>
#include <utility>

namespace obscura::python {
namespace {

bool in_one_piece(const py::buffer_info& info) {
  py::ssize_t stride = info.itemsize;
  for (py::ssize_t axis = info.ndim; axis-- > 0;) {
    const auto at = static_cast<std::size_t>(axis);
    if (info.shape[at] > 1 && info.strides[at] != stride) return false;
    stride *= info.shape[at];
  }
  return true;
}

}  // namespace

Input::Input(const py::object& from, const std::string& name) {
  if (PyObject_CheckBuffer(from.ptr()) == 0) {
    if (!py::isinstance<py::str>(from) && !py::hasattr(from, "__fspath__")) {
      throw py::type_error(name + ": a path or bytes are wanted, not " +
                           py::str(py::type::of(from).attr("__name__")).cast<std::string>());
    }
    source_.emplace(from.cast<std::filesystem::path>());
    return;
  }
  held_.emplace(py::reinterpret_borrow<py::buffer>(from).request());
  if (!in_one_piece(*held_)) throw py::type_error(name + ": its bytes lie apart; bytes in one piece are wanted");
  const auto size = static_cast<std::size_t>(held_->size * held_->itemsize);
  source_.emplace(ByteView(static_cast<const std::byte*>(held_->ptr), size), name);
}

Output::Output(const std::optional<std::filesystem::path>& to, bool overwrite) : path_(to), overwrite_(overwrite) {}

Sink Output::sink() { return path_ ? Sink(*path_, overwrite_) : Sink(bytes_); }

py::object Output::answer() {
  if (path_) return py::none();
  return py::cast(std::make_unique<Bytes>(std::move(bytes_)));
}

py::array_t<float> to_array(std::vector<float> values, std::size_t width) {
  auto held = std::make_unique<std::vector<float>>(std::move(values));
  const py::capsule owner(held.get(), [](void* p) { delete static_cast<std::vector<float>*>(p); });
  const std::vector<float>& kept = *held.release();
  return py::array_t<float>({kept.size() / width, width}, kept.data(), owner);
}

void add_bytes(py::module_& module) {
  py::class_<Bytes>(module, "Bytes", py::buffer_protocol(),
                    "Bytes that the library made: evaluation keys, encrypted images, answers, plans, offers.\n\n"
                    "Whatever takes bytes takes them without a copy: memoryview(b), file.write(b),\n"
                    "numpy.frombuffer(b, numpy.uint8), and each function of obscura; bytes(b) is a copy.")
      .def_buffer([](Bytes& bytes) {
        return py::buffer_info(reinterpret_cast<std::uint8_t*>(bytes.data()), static_cast<py::ssize_t>(bytes.size()),
                               true);
      })
      .def("__len__", [](const Bytes& bytes) { return bytes.size(); })
      .def("__repr__",
           [](const Bytes& bytes) { return "<obscura.Bytes of " + std::to_string(bytes.size()) + " bytes>"; });
}

}  // namespace obscura::python
