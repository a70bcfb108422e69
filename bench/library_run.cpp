// SPDX-License-Identifier: Apache-2.0
/// Server::run from C++, for bench/python_overhead.py to compare with. PLAN KEYS IMAGES: for each line that comes in
/// one run from memory to memory, and a line "wall-seconds cpu-seconds" that goes out.
#include <chrono>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "obscura/server.h"

namespace {

obscura::Bytes read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: library_run PLAN KEYS IMAGES\n";
    return 2;
  }
  const auto server = obscura::Server::open(argv[1]).value();
  const auto keys = server.read_keys(argv[2]).value();
  const obscura::Bytes images = read(argv[3]);
  for (std::string line; std::getline(std::cin, line);) {
    const auto begin = std::chrono::steady_clock::now();
    const double cpu = cpu_seconds();
    obscura::Bytes answer;
    server.run(keys, images, answer).value();
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
    std::cout << wall.count() << " " << cpu_seconds() - cpu << std::endl;
  }
}
