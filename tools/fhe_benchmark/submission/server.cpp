// SPDX-License-Identifier: Apache-2.0
/// The server's stages. Which one it is says the program's name.
#include "obscura/server.h"

#include <stdexcept>

#include "stages.h"

int main(int argc, char** argv) {
  return stages::run_stage(argv[0], [&](const std::string& stage) {
    // server_preprocess_model, which is not told the size: weights are encoded where the images are computed on.
    if (stage != "server_encrypted_compute") return;
    const stages::Places at = stages::places(argc > 1 ? argv[1] : "");
    const auto server = stages::value_of(obscura::Server::open(at.plan));
    const auto keys = stages::value_of(server.read_keys(at.keys));
    std::filesystem::create_directories(at.answer.parent_path());
    stages::value_of(server.run(keys, at.images, obscura::Sink(at.answer, true)));
  });
}
