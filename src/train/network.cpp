// SPDX-License-Identifier: Apache-2.0
#include "train/network.h"

#include <numbers>

namespace obscura::train {
namespace {

constexpr double kNormEpsilon = 1e-3;
/// Points a side that the elastic displacement is drawn on: about 6 pixels apart.
constexpr std::int64_t kLattice = 6;

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

torch::Tensor NetworkImpl::activate(const torch::Tensor& x) const {
  const std::vector<double>& a = form.activation;
  if (a.empty()) return x.relu();
  const torch::Tensor square = x * x;
  if (a.size() == 3) return square;
  return (square * a[4] + a[2]) * square + x * a[1] + a[0];
}

NetworkImpl::Output NetworkImpl::forward(const torch::Tensor& images) {
  const torch::Tensor first = norm1->forward(conv1->forward(images));
  const torch::Tensor second = norm2->forward(conv2->forward(activate(first)));
  return {dense->forward(activate(second).flatten(1)), {first, second}};
}

std::vector<torch::Tensor> state_of(const Network& network) {
  std::vector<torch::Tensor> state = network->parameters();
  for (const torch::Tensor& buffer : network->buffers()) {
    if (buffer.is_floating_point()) state.push_back(buffer);
  }
  return state;
}

torch::Tensor augment(const torch::Tensor& images, double share, double elastic) {
  if (share == 0 && elastic == 0) return images;
  const std::int64_t count = images.size(0);
  const auto uniform = [count](double radius) { return (torch::rand({count}) * 2 - 1) * radius; };
  const torch::Tensor angle = uniform(share * 15 * std::numbers::pi / 180);
  const torch::Tensor zoom_x = uniform(share * 0.1) + 1;
  const torch::Tensor zoom_y = uniform(share * 0.1) + 1;
  // Coordinates run from -1 to 1, so that a shift by a tenth of the side is 0.2.
  const torch::Tensor row_x = torch::stack({angle.cos() * zoom_x, -angle.sin() * zoom_y, uniform(share * 0.2)}, 1);
  const torch::Tensor row_y = torch::stack({angle.sin() * zoom_x, angle.cos() * zoom_y, uniform(share * 0.2)}, 1);
  torch::Tensor grid = torch::affine_grid_generator(torch::stack({row_x, row_y}, 1), images.sizes(), false);
  if (elastic > 0) {
    // Drawn on a coarse lattice and enlarged, so that neighbours move together, as a hand would have it.
    const torch::Tensor lattice =
        torch::randn({count, 2, kLattice, kLattice}) * (elastic * 2 / static_cast<double>(images.size(3)));
    grid = grid + torch::upsample_bicubic2d(lattice, images.sizes().slice(2), true).permute({0, 2, 3, 1});
  }
  return torch::grid_sampler(images, grid, 0, 0, false);
}

}  // namespace obscura::train
