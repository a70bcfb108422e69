// SPDX-License-Identifier: Apache-2.0
/// MNIST's idx files, for the examples.
#pragma once

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

struct Mnist {
  std::vector<float> pixels;  ///< 0 to 1, 28 x 28 an image
  std::vector<int> labels;
};

/// The first images of "t10k" (test) or "train".
inline Mnist read_mnist(const std::string& folder, const std::string& split, std::size_t count) {
  const auto bytes = [&](const std::string& kind, std::size_t header, std::size_t size) {
    std::ifstream file(folder + "/" + split + kind, std::ios::binary);
    std::string all(header + size, '\0');
    if (!file.read(all.data(), static_cast<std::streamsize>(all.size()))) {
      throw std::runtime_error(folder + ": no MNIST; `obscura data fetch mnist` gets it");
    }
    return all.substr(header);
  };
  Mnist mnist;
  for (const char pixel : bytes("-images-idx3-ubyte", 16, count * 784)) {
    mnist.pixels.push_back(static_cast<float>(static_cast<unsigned char>(pixel)) / 255);
  }
  for (const char label : bytes("-labels-idx1-ubyte", 8, count)) mnist.labels.push_back(label);
  return mnist;
}
