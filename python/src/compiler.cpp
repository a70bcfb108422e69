// SPDX-License-Identifier: Apache-2.0
#include "obscura/compiler.h"

#include <pybind11/stl.h>

#include <memory>
#include <utility>

#include "arrays.h"
#include "classes.h"
#include "wait.h"

namespace obscura::python {
namespace {

void add_options(py::module_& module) {
  py::enum_<Layout>(module, "Layout")
      .value("automatic", Layout::automatic)
      .value("image", Layout::image)
      .value("batch", Layout::batch);
  py::enum_<Ring>(module, "Ring")
      .value("automatic", Ring::automatic)
      .value("standard", Ring::standard)
      .value("conjugate_invariant", Ring::conjugate_invariant);
  py::class_<OwnActivation>(module, "OwnActivation")
      .def(py::init([](std::vector<double> coefficients, double bound) {
             return OwnActivation{std::move(coefficients), bound};
           }),
           py::arg("coefficients"), py::arg("bound"));
  py::class_<CompileOptions>(module, "CompileOptions")
      .def(py::init<>())
      .def_readwrite("batch", &CompileOptions::batch)
      .def_readwrite("layout", &CompileOptions::layout)
      .def_readwrite("mean", &CompileOptions::mean)
      .def_readwrite("std", &CompileOptions::std)
      .def_readwrite("class_names", &CompileOptions::class_names)
      .def_readwrite("headroom_bits", &CompileOptions::headroom_bits)
      .def_readwrite("max_error", &CompileOptions::max_error)
      .def_readwrite("alpha", &CompileOptions::alpha)
      .def_readwrite("depth", &CompileOptions::depth)
      .def_readwrite("products", &CompileOptions::products)
      .def_readwrite("activations", &CompileOptions::activations)
      .def_readwrite("max_loss", &CompileOptions::max_loss)
      .def_readwrite("memory", &CompileOptions::memory)
      .def_readwrite("max_key_bytes", &CompileOptions::max_key_bytes)
      .def_readwrite("log2_degree", &CompileOptions::log2_degree)
      .def_readwrite("ring", &CompileOptions::ring);
}

Plan compile_network(const Network& network, CompileOptions options, const std::optional<Images>& calibration,
                     const py::object& progress) {
  if (calibration) options.calibration = view(*calibration);
  return wait_for<Plan>(progress, [&](Watch& watch) {
    options.progress = [&watch](const std::string& what, std::size_t done, std::size_t total) {
      return watch.tell(what, done, total);
    };
    return network.compile(options);
  });
}

/// Images between two looks at whether the call shall stop.
constexpr std::size_t kRunTogether = 64;

py::array_t<float> run_network(const Network& network, const Images& images, const std::vector<double>& mean,
                               const std::vector<double>& std) {
  const auto run = [&, pixels = view(images)](Watch& watch) -> Result<std::vector<float>> {
    const std::size_t together = kRunTogether * network.image_size();
    std::vector<float> logits;
    std::size_t first = 0;
    do {  // at least once, so that what the library says of images that do not fit is said
      const std::size_t left = pixels.size() - first, count = left < 2 * together ? left : together;
      auto some = network.run(pixels.subspan(first, count), mean, std);
      if (!some.ok()) return some;
      logits.insert(logits.end(), some.value().begin(), some.value().end());
      first += count;
      if (watch.stopped()) return Error{Code::cancelled, "stopped"};
    } while (first < pixels.size());
    return logits;
  };
  return to_array(wait_for<std::vector<float>>(py::none(), run), network.outputs());
}

py::array_t<float> simulate(const Plan& plan, const Images& images, std::optional<std::uint64_t> noise_seed,
                            std::size_t outputs, const py::object& progress) {
  return to_array(wait_for<std::vector<float>>(progress,
                                               [&, pixels = view(images)](Watch& watch) {
                                                 return plan.simulate(pixels, noise_seed, watch.progress("simulate"));
                                               }),
                  outputs);
}

void add_plan(py::module_& module) {
  py::class_<Plan>(module, "Plan")
      .def_static(
          "read",
          [](const py::object& from) {
            const Input input(from, "the plan");
            return wait_for<Plan>(py::none(), [&](Watch&) { return Plan::read(input.source()); });
          },
          py::arg("source"))
      .def_property_readonly(
          "bytes", [](Plan& plan) -> Bytes& { return plan.bytes; }, py::return_value_policy::reference_internal)
      .def_readonly("network", &Plan::network)
      .def_readonly("images_at_once", &Plan::images_at_once)
      .def_readonly("predicted_seconds", &Plan::predicted_seconds)
      .def_readonly("memory", &Plan::memory)
      .def_readonly("logit_error", &Plan::logit_error)
      .def_readonly("reasons", &Plan::reasons)
      .def("describe", [](const Plan& plan) { return value_of(plan.describe()); })
      .def("simulate", &simulate, py::arg("images"), py::arg("noise_seed"), py::arg("outputs"), py::arg("progress"));
}

}  // namespace

void add_compiler(py::module_& module) {
  add_options(module);
  add_plan(module);
  py::class_<Network>(module, "Network")
      .def_static(
          "read",
          [](const py::object& from) {
            const Input input(from, "the network");
            return wait_for<Network>(py::none(), [&](Watch&) { return Network::read(input.source()); });
          },
          py::arg("onnx"))
      .def_property_readonly("name", &Network::name)
      .def_property_readonly("shape",
                             [](const Network& n) { return py::make_tuple(n.channels(), n.height(), n.width()); })
      .def_property_readonly("outputs", &Network::outputs)
      .def_property_readonly("needs_calibration", &Network::needs_calibration)
      .def_property_readonly("verdict", &Network::verdict)
      .def("run", &run_network, py::arg("images"), py::arg("mean"), py::arg("std"))
      .def("compile", &compile_network, py::arg("options"), py::arg("calibration"), py::arg("progress"));
}

}  // namespace obscura::python
