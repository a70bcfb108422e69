// SPDX-License-Identifier: Apache-2.0
// A polynomial of one's own in place of a ReLU: here (x + 3)^2 / 12 - 0.4, near it from -3 to 3.
//   7_own_activation relu.onnx NODE BOUND
// prints: 1 levels fewer ... see the reasons; an error names the node where the file has none of that name
#include <obscura/compiler.h>

#include <iostream>

int main(int, char** argv) {
  const auto network = obscura::Network::read(argv[1]).value();
  obscura::CompileOptions options;
  options.activations[argv[2]] = {{0.35, 0.5, 1.0 / 12}, std::stod(argv[3])};
  const auto plan = network.compile(options);
  if (!plan) {
    std::cout << plan.error().message << "\n";
    return 1;
  }
  std::cout << plan->predicted_seconds << " s an image on one core, logit error " << plan->logit_error << "\n";
}
