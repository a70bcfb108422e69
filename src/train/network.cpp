// SPDX-License-Identifier: Apache-2.0
#include "train/network.h"

namespace obscura::train {
namespace {

constexpr double kNormEpsilon = 1e-3;

torch::nn::Conv2dOptions stride_2(std::int64_t in, std::int64_t out) {
  return torch::nn::Conv2dOptions(in, out, 5).stride(2);
}

torch::nn::BatchNorm2dOptions norm(std::int64_t channels) {
  return torch::nn::BatchNorm2dOptions(channels).eps(kNormEpsilon);
}

}  // namespace

const std::vector<std::string>& network_names() {
  static const std::vector<std::string> names = {"mnist-swish4", "mnist-square"};
  return names;
}

std::vector<double> activation_coefficients(const std::string& network, std::uint32_t range) {
  if (network == "mnist-square") return {0, 0, 1};
  OBSCURA_CHECK(range >= 3 && range <= 8, "activation range {}; 3 to 8", range);
  // Ishiyama et al. 2020, table of the Swish fits; the cubic term is zero because swish(x) - x/2 is even.
  static constexpr double kFits[][3] = {{0.0108, 0.2212, -0.008248},  {0.03347, 0.19566, -0.005075},
                                        {0.07066, 0.17003, -0.00315}, {0.1198, 0.1473, -0.002012},
                                        {0.1773, 0.1282, -0.001328},  {0.2401, 0.11257, -0.000908}};
  const auto& fit = kFits[range - 3];
  return {fit[0], 0.5, fit[1], 0, fit[2]};
}

NetworkImpl::NetworkImpl(Form shape)
    : form(std::move(shape)),
      conv1(stride_2(1, form.channels[0])),
      conv2(stride_2(form.channels[0], form.channels[1])),
      norm1(norm(form.channels[0])),
      norm2(norm(form.channels[1])),
      dense(16 * form.channels[1], form.classes) {
  register_module("conv1", conv1);
  register_module("norm1", norm1);
  register_module("conv2", conv2);
  register_module("norm2", norm2);
  register_module("dense", dense);
}

NetworkImpl::Output NetworkImpl::forward(const torch::Tensor& images, double range) {
  const torch::Tensor first = norm1->forward(conv1->forward(images));
  const auto [one, beyond1] = activate(first, form.activation, range);
  const torch::Tensor second = norm2->forward(conv2->forward(one));
  const auto [two, beyond2] = activate(second, form.activation, range);
  return {dense->forward(two.flatten(1)), {first, second}, beyond1 + beyond2};
}

std::vector<torch::Tensor> state_of(const Network& network) {
  std::vector<torch::Tensor> state = network->parameters();
  for (const torch::Tensor& buffer : network->buffers()) {
    if (buffer.is_floating_point()) state.push_back(buffer);
  }
  return state;
}

}  // namespace obscura::train
