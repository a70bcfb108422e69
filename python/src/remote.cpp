// SPDX-License-Identifier: Apache-2.0
#include "obscura/remote.h"

#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <memory>
#include <mutex>
#include <utility>

#include "arrays.h"
#include "classes.h"
#include "wait.h"

namespace obscura::python {
namespace {

/// Whoever waits for the call that is under way. The library takes one progress function for all calls of a client.
class Listener {
 public:
  /// From now on `watch` is told, to the end of the scope.
  class Turn {
   public:
    Turn(Listener& listener, Watch& watch) : listener_(listener) { listener_.listen(&watch); }
    ~Turn() { listener_.listen(nullptr); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Listener& listener_;
  };

  bool tell(const std::string& what, std::size_t done, std::size_t total) {
    const std::lock_guard lock(mutex_);
    return watch_ == nullptr || watch_->tell(what, done, total);
  }

 private:
  void listen(Watch* watch) {
    const std::lock_guard lock(mutex_);
    watch_ = watch;
  }
  std::mutex mutex_;
  Watch* watch_ = nullptr;
};

struct Remote {
  std::shared_ptr<Listener> listener;
  RemoteClient client;
};

Remote connect(const std::string& url, const std::string& model, RemoteOptions options,
               const std::optional<std::string>& passphrase, const py::object& progress) {
  const auto listener = std::make_shared<Listener>();
  options.progress = [listener](const std::string& what, std::size_t done, std::size_t total) {
    return listener->tell(what, done, total);
  };
  if (passphrase) options.passphrase = [text = *passphrase] { return text; };
  RemoteClient client = wait_for<RemoteClient>(progress, [&](Watch& watch) {
    const Listener::Turn turn(*listener, watch);
    return RemoteClient::connect(url, model, options);
  });
  return {listener, std::move(client)};
}

py::tuple classify(const Remote& remote, const Images& images, const py::object& progress) {
  return to_tuple(wait_for<Answer>(progress, [&, pixels = view(images)](Watch& watch) {
    const Listener::Turn turn(*remote.listener, watch);
    return remote.client.classify(pixels);
  }));
}

}  // namespace

void add_remote(py::module_& module) {
  py::class_<RemoteOptions>(module, "RemoteOptions")
      .def(py::init<>())
      .def_readwrite("folder", &RemoteOptions::folder)
      .def_readwrite("token", &RemoteOptions::token)
      .def_readwrite("ca", &RemoteOptions::ca)
      .def_readwrite("certificate", &RemoteOptions::certificate)
      .def_readwrite("key", &RemoteOptions::key)
      .def_readwrite("trust", &RemoteOptions::trust)
      .def_readwrite("max_key_bytes", &RemoteOptions::max_key_bytes);
  py::class_<Remote>(module, "RemoteClient")
      .def_static("connect", &connect, py::arg("url"), py::arg("model"), py::arg("options"), py::arg("passphrase"),
                  py::arg("progress"))
      .def_property_readonly("offer", [](const Remote& remote) { return remote.client.offer(); })
      .def_property_readonly("made_key", [](const Remote& remote) { return remote.client.made_key(); })
      .def("classify", &classify, py::arg("images"), py::arg("progress"));
}

}  // namespace obscura::python
