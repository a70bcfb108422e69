// SPDX-License-Identifier: Apache-2.0
// Reads an ONNX file, says whether it can be compiled, compiles it with training images, and says what was chosen.
//   3_compile models/mnist-swish4.onnx data/mnist
// prints, beside the reasons for each choice:
//   mnist-swish4: compiles as it is
//   8 images at once, 0.248986 s a batch on one core, 892 MB
#include <obscura/compiler.h>

#include <iostream>

#include "mnist.h"

int main(int, char** argv) {
  const auto network = obscura::Network::read(argv[1]);
  if (!network) {
    std::cerr << network.error().message << "\n";
    return 1;
  }
  std::cout << network->name() << ": " << network->verdict() << "\n";
  const Mnist mnist = read_mnist(argv[2], "train", 256);
  obscura::CompileOptions options;
  options.batch = 16;
  options.calibration = mnist.pixels;
  const auto plan = network->compile(options).value();
  std::cout << plan.images_at_once << " images at once, " << plan.predicted_seconds << " s a batch on one core, "
            << plan.memory / 1'000'000 << " MB\n";
  for (const auto& reason : plan.reasons) std::cout << "  " << reason << "\n";
}
