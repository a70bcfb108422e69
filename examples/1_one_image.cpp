// SPDX-License-Identifier: Apache-2.0
// Classifies one encrypted MNIST image; client and server are one process here, and share nothing but bytes.
//   1_one_image models/mnist-square.onnx data/mnist
// prints: predicted 7, true 7
#include <obscura/client.h>
#include <obscura/compiler.h>
#include <obscura/server.h>

#include <iostream>

#include "mnist.h"

int main(int, char** argv) {
  const Mnist mnist = read_mnist(argv[2], "t10k", 1);
  // The server's owner: a network becomes a plan, and the plan an offer.
  const auto network = obscura::Network::read(argv[1]).value();
  const auto plan = network.compile({}).value();
  const auto server = obscura::Server::open(plan.bytes).value();
  // The client: keys for the server, and an encrypted image.
  const auto offer = obscura::Offer::read(server.offer()).value();
  const auto client = obscura::Client::generate(offer).value();
  obscura::Bytes key_file, encrypted, answer_file;
  client.write_keys(key_file).value();
  client.encrypt(mnist.pixels, encrypted).value();
  // The server: it sees keys and ciphertexts.
  const auto keys = server.read_keys(key_file).value();
  server.run(keys, encrypted, answer_file).value();
  // The client again.
  const auto answer = client.decrypt(answer_file).value();
  std::cout << "predicted " << answer.label(0) << ", true " << mnist.labels[0] << "\n";
}
