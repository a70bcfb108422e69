// SPDX-License-Identifier: Apache-2.0
// Classifies 100 encrypted MNIST images at once: they share ciphertexts. It needs no other file of this folder.
//   2_batch models/mnist-square.onnx data/mnist
// prints: 100 of 100 right
#include <obscura/client.h>
#include <obscura/compiler.h>
#include <obscura/server.h>

#include <fstream>
#include <iostream>

int main(int, char** argv) {
  const auto read = [&](const char* file, std::size_t header, std::size_t size) {
    std::string bytes(header + size, '\0');
    std::ifstream(argv[2] + std::string(file), std::ios::binary).read(bytes.data(), std::ssize(bytes));
    return bytes.substr(header);
  };
  const std::string images = read("/t10k-images-idx3-ubyte", 16, 78400),
                    labels = read("/t10k-labels-idx1-ubyte", 8, 100);
  std::vector<float> pixels;  // 0 to 1
  for (const char c : images) pixels.push_back(static_cast<float>(static_cast<unsigned char>(c)) / 255);

  obscura::CompileOptions options;
  options.batch = 100;
  const auto plan = obscura::Network::read(argv[1]).value().compile(options).value();
  const auto server = obscura::Server::open(plan.bytes).value();
  const auto client = obscura::Client::generate(obscura::Offer::read(server.offer()).value()).value();
  obscura::Bytes key_file, encrypted, answer_file;
  client.write_keys(key_file).value();
  client.encrypt(pixels, encrypted).value();
  server.run(server.read_keys(key_file).value(), encrypted, answer_file).value();
  const auto answer = client.decrypt(answer_file).value();
  int right = 0;
  for (std::size_t i = 0; i < answer.images; ++i) right += static_cast<int>(answer.label(i)) == labels[i];
  std::cout << right << " of " << answer.images << " right\n";
}
