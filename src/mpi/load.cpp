// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include <filesystem>

#include "mpi/world.h"

namespace obscura::mpi {

namespace {

constexpr const char* kModule = "obscura_mpi.so";

}  // namespace

Result<std::unique_ptr<World>> start(const std::string& program) {
  namespace fs = std::filesystem;
  std::error_code unreadable;
  const fs::path folder = fs::read_symlink(program, unreadable).parent_path();
  fs::path module = folder / kModule;
  if (!fs::exists(module)) module = folder.parent_path() / "lib" / "obscura" / kModule;
  if (unreadable || !fs::exists(module)) {
    return error(Code::unsupported,
                 "{}: not there, so that this program runs alone; with MPI (Debian: libopenmpi-dev, openmpi-bin) "
                 "installed, build it again",
                 module.string());
  }
  void* const loaded = dlopen(module.c_str(), RTLD_NOW | RTLD_GLOBAL);
  void* const symbol = loaded != nullptr ? dlsym(loaded, "obscura_mpi_start") : nullptr;
  if (symbol == nullptr) return error(Code::unsupported, "{}: {}", module.string(), dlerror());
  return std::unique_ptr<World>(reinterpret_cast<World* (*)()>(symbol)());
}

}  // namespace obscura::mpi
