// SPDX-License-Identifier: Apache-2.0
// A network with ReLU or max-pooling: polynomials stand for them, each within bound * 2^-alpha. What does precision
// cost? The last line lets Obscura choose.
//   4_choose_alpha lenet.onnx data/mnist
// prints for a LeNet-5 with ReLU and max-pooling, by the cost model of the machine that compiles:
//   alpha 4: 1.39757 s an image on one core, logit error 3.11487
//   alpha 6: 4.91083 s an image on one core, logit error 7.97162e-05
//   alpha 8: 10.2771 s an image on one core, logit error 0.00118263
//   the cheapest that changes at most 0.2 % of the answers: 13.9728 s an image on one core, logit error 0.0101926
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
