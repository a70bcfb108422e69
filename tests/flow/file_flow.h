// SPDX-License-Identifier: Apache-2.0
/// A folder with all files of a small network's way, from the plan to the answer.
#pragma once

#include <stdlib.h>  // mkdtemp

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "client/client.h"
#include "server/server.h"
#include "tiny_plan.h"
#include "wire/plan_frame.h"

namespace obscura {

namespace fs = std::filesystem;

inline constexpr std::size_t kTwoBatches = 2048 + 5;  // two batches, the second nearly empty

/// A folder with everything up to the server's answer, made once.
struct Flow {
  fs::path folder;
  std::vector<float> pixels = testing::random_pixels(kTwoBatches);
  plan::Offer offer;
  explicit Flow(const plan::Plan& network = testing::square_plan()) {
    std::string name = fs::temp_directory_path() / "obscura-flow-XXXXXX";
    folder = mkdtemp(name.data());
    write(path("net.plan"), wire::write_plan(network));
    const auto plan = wire::read_plan_file(path("net.plan")).value();
    write(path("net.offer"), wire::write_offer(wire::make_offer(plan)));
    offer = wire::read_offer_file(path("net.offer")).value();
    require(client::keygen(offer, path("secret"), path("eval")));
    require(client::encrypt(offer, path("secret"), pixels, path("in")));
    require(server::run(path("net.plan"), path("eval"), path("in"), path("out")));
  }
  ~Flow() { fs::remove_all(folder); }
  fs::path path(const char* name) const { return folder / name; }
  static void write(const fs::path& path, base::ByteView bytes) {
    require(base::write_file(path, bytes, {.overwrite = true, .secret = false}));
  }
  template <class T>
  static void require(const Result<T>& result) {
    if (!result.ok()) throw std::runtime_error(result.error().message);
  }
  base::Bytes read(const char* name) const { return base::read_file(path(name), 1U << 30).value(); }
  /// A copy of a file, changed.
  template <class Change>
  fs::path changed(const char* name, const Change& change) const {
    base::Bytes bytes = read(name);
    change(bytes);
    const fs::path copy = folder / (std::string(name) + ".changed");
    write(copy, bytes);
    return copy;
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
  }
};

}  // namespace obscura
