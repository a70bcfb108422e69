// SPDX-License-Identifier: Apache-2.0
// Server and client as two processes that exchange files: run this program twice, in this order of steps.
//   5_two_processes offer   models/mnist-square.onnx FOLDER    (server) writes net.plan and net.offer
//   5_two_processes encrypt data/mnist FOLDER                  (client) writes secret, keys, and images.enc
//   5_two_processes run     - FOLDER                           (server) writes answer.enc
//   5_two_processes decrypt - FOLDER                           (client) prints: image 0: 7
#include <obscura/client.h>
#include <obscura/compiler.h>
#include <obscura/server.h>

#include <iostream>

#include "mnist.h"

int main(int, char** argv) {
  const std::string step = argv[1], folder = std::string(argv[3]) + "/";
  if (step == "offer") {
    const auto plan = obscura::Network::read(argv[2]).value().compile({}).value();
    std::ofstream(folder + "net.plan", std::ios::binary)
        .write(reinterpret_cast<const char*>(plan.bytes.data()), static_cast<std::streamsize>(plan.bytes.size()));
    const obscura::Bytes offer = obscura::Server::open(plan.bytes).value().offer();
    std::ofstream(folder + "net.offer", std::ios::binary)
        .write(reinterpret_cast<const char*>(offer.data()), static_cast<std::streamsize>(offer.size()));
  } else if (step == "encrypt") {
    const auto offer = obscura::Offer::read(folder + "net.offer").value();
    const auto client = obscura::Client::generate(offer).value();
    client.save(folder + "secret").value();
    client.write_keys(folder + "keys").value();
    client.encrypt(read_mnist(argv[2], "t10k", 1).pixels, folder + "images.enc").value();
  } else if (step == "run") {
    const auto server = obscura::Server::open(folder + "net.plan").value();
    const auto keys = server.read_keys(folder + "keys").value();
    server.run(keys, folder + "images.enc", folder + "answer.enc").value();
  } else {
    const auto offer = obscura::Offer::read(folder + "net.offer").value();
    const auto answer = obscura::Client::load(offer, folder + "secret").value().decrypt(folder + "answer.enc").value();
    std::cout << "image 0: " << offer.class_name(answer.label(0)) << "\n";
  }
}
