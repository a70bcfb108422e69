// SPDX-License-Identifier: Apache-2.0
// A network with ReLU or max-pooling: polynomials stand for them, each within bound * 2^-alpha. What does precision
// cost? The last line lets Obscura choose.
//   4_choose_alpha lenet.onnx data/mnist
// prints a line an alpha: alpha 6: 12.3 s an image on one core, logit error 0.01
#include <obscura/compiler.h>

#include <iostream>

#include "mnist.h"

int main(int, char** argv) {
  const auto network = obscura::Network::read(argv[1]).value();
  const Mnist mnist = read_mnist(argv[2], "train", 200);
  obscura::CompileOptions options;
  options.calibration = mnist.pixels;
  const auto compile = [&](const std::string& what) {
    const auto plan = network.compile(options);
    if (!plan) {
      std::cout << what << ": " << plan.error().message << "\n";
      return;
    }
    std::cout << what << ": " << plan->predicted_seconds << " s an image on one core, logit error " << plan->logit_error
              << "\n";
  };
  for (const int alpha : {4, 6, 8}) {
    options.alpha = alpha;
    compile("alpha " + std::to_string(alpha));
  }
  options.alpha.reset();
  compile("the cheapest that changes at most 0.2 % of the answers");
}
