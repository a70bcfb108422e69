// SPDX-License-Identifier: Apache-2.0
// How large is the error of encryption, and does it change a label? Predicted before any key is made.
//   8_noise models/mnist-square.onnx data/mnist
// prints: predicted error of a logit 0.000436588, simulated 0.000914467
//         labels that the noise changes: 0 of 200
#include <obscura/compiler.h>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "mnist.h"

int main(int, char** argv) {
  const Mnist mnist = read_mnist(argv[2], "t10k", 200);
  const auto network = obscura::Network::read(argv[1]).value();
  const auto plan = network.compile({}).value();
  const auto exact = network.run(mnist.pixels).value();
  const auto noisy = plan.simulate(mnist.pixels, 1).value();
  const auto classes = static_cast<std::ptrdiff_t>(network.outputs());
  double squares = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) squares += std::pow(noisy[i] - exact[i], 2);
  int changed = 0;
  for (auto a = exact.begin(), b = noisy.begin(); a != exact.end(); a += classes, b += classes) {
    changed += std::max_element(a, a + classes) - a != std::max_element(b, b + classes) - b;
  }
  std::cout << "predicted error of a logit " << plan.logit_error << ", simulated "
            << std::sqrt(squares / static_cast<double>(exact.size())) << "\n"
            << "labels that the noise changes: " << changed << " of " << mnist.labels.size() << "\n";
}
