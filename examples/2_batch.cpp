// SPDX-License-Identifier: Apache-2.0
// Classifies 100 encrypted MNIST images at once: they share ciphertexts.
//   2_batch models/mnist-square.onnx data/mnist
// prints: 100 of 100 right
#include <obscura/client.h>
#include <obscura/compiler.h>
#include <obscura/server.h>

#include <iostream>

#include "mnist.h"

int main(int, char** argv) {
  const Mnist mnist = read_mnist(argv[2], "t10k", 100);
  obscura::CompileOptions options;
  options.batch = 100;
  const auto plan = obscura::Network::read(argv[1]).value().compile(options).value();
  const auto server = obscura::Server::open(plan.bytes).value();
  const auto client = obscura::Client::generate(obscura::Offer::read(server.offer()).value()).value();
  obscura::Bytes key_file, encrypted, answer_file;
  client.write_keys(key_file).value();
  client.encrypt(mnist.pixels, encrypted).value();
  server.run(server.read_keys(key_file).value(), encrypted, answer_file).value();
  const auto answer = client.decrypt(answer_file).value();
  int right = 0;
  for (std::size_t i = 0; i < answer.images; ++i) right += static_cast<int>(answer.label(i)) == mnist.labels[i];
  std::cout << right << " of " << answer.images << " right\n";
}
