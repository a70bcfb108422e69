// SPDX-License-Identifier: Apache-2.0
// Long work says how far it is, and stops when it is told to.
//   6_progress models/mnist-square.onnx
// prints: keys 100 %, then: stopped: cancelled
#include <obscura/client.h>
#include <obscura/compiler.h>
#include <obscura/server.h>

#include <iostream>

int main(int, char** argv) {
  const auto plan = obscura::Network::read(argv[1]).value().compile({}).value();
  const auto server = obscura::Server::open(plan.bytes).value();
  const auto client = obscura::Client::generate(obscura::Offer::read(server.offer()).value()).value();
  obscura::Bytes keys, encrypted, answer;
  std::size_t percent = 0;
  client
      .write_keys(keys,
                  [&](std::size_t done, std::size_t total) {
                    percent = 100 * done / total;
                    return true;  // go on
                  })
      .value();
  std::cout << "keys " << percent << " %\n";
  client.encrypt(std::vector<float>(784, 0.5F), encrypted).value();
  const auto halfway = [](std::size_t done, std::size_t total) { return 2 * done < total; };
  const auto run = server.run(server.read_keys(keys).value(), encrypted, answer, halfway);
  std::cout << (run                                            ? "finished"
                : run.error().code == obscura::Code::cancelled ? "stopped: cancelled"
                                                               : "failed")
            << "\n";
}
