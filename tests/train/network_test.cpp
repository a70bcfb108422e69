// SPDX-License-Identifier: Apache-2.0
#include "train/network.h"

#include <gtest/gtest.h>

namespace obscura::train {
namespace {

torch::Tensor random_images() {
  torch::manual_seed(7);
  return torch::rand({4, 1, 28, 28});
}

TEST(Activation, ValuesAndSlopesAreThoseOfTensorOperations) {
  for (const std::string& name : network_names()) {
    const std::vector<double> a = activation_coefficients(name, 6);
    const torch::Tensor x = torch::linspace(-9, 9, 101).requires_grad_(true);
    const torch::Tensor z = x.detach().clone().requires_grad_(true);
    const auto [y, beyond] = activate(x, a, 6);
    (y.sin().sum() + beyond * 0.25).backward();
    torch::Tensor wanted = torch::zeros({101});
    for (std::size_t i = 0; i < a.size(); ++i) wanted = wanted + z.pow(static_cast<double>(i)) * a[i];
    const torch::Tensor wanted_beyond = (z.abs() - 6).relu().square().mean();
    (wanted.sin().sum() + wanted_beyond * 0.25).backward();
    // Both round some ten times a value of at most 81.
    EXPECT_TRUE(torch::allclose(y, wanted, 1e-5, 1e-4)) << name;
    EXPECT_TRUE(torch::allclose(beyond, wanted_beyond, 1e-5, 1e-6)) << name;
    EXPECT_TRUE(torch::allclose(x.grad(), z.grad(), 1e-3, 2e-3)) << name;
  }
}

TEST(Augmentation, OfNothingChangesNothing) {
  const torch::Tensor images = random_images();
  EXPECT_TRUE(torch::equal(augment(images, 0, 0), images));
  // A thousandth of a pixel moves no pixel by more than that part of the largest step, which is 1.
  EXPECT_LT((augment(images, 0, 1e-3) - images).abs().max().item<double>(), 0.02);
}

TEST(Augmentation, MovesTheCentreOfMassNoFurtherThanAllowed) {
  torch::Tensor images = torch::zeros({2000, 1, 28, 28});
  images.slice(2, 13, 15).slice(3, 13, 15) = 1;
  torch::manual_seed(3);
  const torch::Tensor moved = augment(images, 1, 0);
  const torch::Tensor weight = moved.sum({1, 2, 3});
  const torch::Tensor centre = (moved.sum({1, 2}) * torch::arange(28)).sum(1) / weight;
  const torch::Tensor shift = (centre - 13.5).abs();
  // A tenth of 28 pixels, divided by the smallest zoom of 0.9, turned by up to 15 degrees, and half a pixel of
  // sampling.
  EXPECT_LT(shift.max().item<double>(), 2.8 / 0.9 * 1.23 + 0.5);
  EXPECT_GT(shift.max().item<double>(), 2.0);
}

TEST(Augmentation, BendsByAsMuchAsAsked) {
  // On a ramp the value is the place, so that the change is the displacement.
  const torch::Tensor ramp = torch::arange(28).to(torch::kFloat32).repeat({500, 1, 28, 1});
  torch::manual_seed(5);
  const torch::Tensor inner = (augment(ramp, 0, 0.5) - ramp).slice(2, 4, 24).slice(3, 4, 24);
  // Between lattice points cubic weights average, so that the deviation lies below the 0.5 at the points.
  EXPECT_GT(inner.std().item<double>(), 0.3);
  EXPECT_LT(inner.std().item<double>(), 0.55);
  EXPECT_NEAR(inner.mean().item<double>(), 0, 0.05);
}

}  // namespace
}  // namespace obscura::train
