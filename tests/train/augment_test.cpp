// SPDX-License-Identifier: Apache-2.0
#include "train/augment.h"

#include <gtest/gtest.h>

namespace obscura::train {
namespace {

AugmentationRecipe geometric(double rotation, double zoom, double shift, double elastic) {
  AugmentationRecipe out;
  out.rotation = rotation;
  out.zoom = zoom;
  out.shift = shift;
  out.elastic = elastic;
  return out;
}

TEST(Augmentation, OfNothingChangesNothing) {
  torch::manual_seed(7);
  const torch::Tensor images = torch::rand({4, 3, 28, 20});
  EXPECT_TRUE(torch::equal(augment(images, {}), images));
  // A thousandth of a pixel moves no pixel by more than that part of the largest step, which is 1.
  EXPECT_LT((augment(images, geometric(0, 0, 0, 1e-3)) - images).abs().max().item<double>(), 0.02);
}

TEST(Augmentation, MovesTheCentreOfMassNoFurtherThanAllowed) {
  torch::Tensor images = torch::zeros({2000, 1, 28, 28});
  images.slice(2, 13, 15).slice(3, 13, 15) = 1;
  torch::manual_seed(3);
  const torch::Tensor moved = augment(images, geometric(15, 0.1, 0.1, 0));
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
  const torch::Tensor inner = (augment(ramp, geometric(0, 0, 0, 0.5)) - ramp).slice(2, 4, 24).slice(3, 4, 24);
  // Between lattice points cubic weights average, so that the deviation lies below the 0.5 at the points.
  EXPECT_GT(inner.std().item<double>(), 0.3);
  EXPECT_LT(inner.std().item<double>(), 0.55);
  EXPECT_NEAR(inner.mean().item<double>(), 0, 0.05);
}

TEST(Augmentation, CropsByEveryWholeNumberOfPixelsAlike) {
  torch::Tensor images = torch::zeros({9000, 1, 8, 8});
  images.slice(2, 4, 5).slice(3, 4, 5) = 1;
  AugmentationRecipe a;
  a.crop = 1;
  torch::manual_seed(1);
  const torch::Tensor places = augment(images, a).sum(torch::IntArrayRef({0, 1})).slice(0, 3, 6).slice(1, 3, 6);
  // 1000 each; the deviation of a count is 30.
  EXPECT_EQ(places.sum().item<double>(), 9000);
  EXPECT_GT(places.min().item<double>(), 850);
  EXPECT_LT(places.max().item<double>(), 1150);
}

TEST(Augmentation, MirrorsHalfOfTheImagesAndAllChannelsAlike) {
  const torch::Tensor ramp = torch::arange(6).to(torch::kFloat32).repeat({1000, 2, 4, 1});
  AugmentationRecipe a;
  a.flip = Flip::drawn;
  torch::manual_seed(2);
  const torch::Tensor out = augment(ramp, a);
  const torch::Tensor mirrored = out.flip(3).eq(ramp).all(3).all(2).all(1);
  const torch::Tensor kept = out.eq(ramp).all(3).all(2).all(1);
  EXPECT_TRUE(mirrored.logical_xor(kept).all().item<bool>());
  // 500, with a deviation of 16.
  EXPECT_NEAR(static_cast<double>(mirrored.sum().item<std::int64_t>()), 500, 80);
}

TEST(Augmentation, MirrorsAnImageInEverySecondEpoch) {
  const torch::Tensor index = torch::randperm(2000);
  const torch::Tensor even = mirrored_in(index, 4);
  EXPECT_TRUE(torch::equal(even, mirrored_in(index, 6)));
  EXPECT_TRUE(torch::equal(even, mirrored_in(index, 7).logical_not()));
  // 1000, with a deviation of 22.
  EXPECT_NEAR(static_cast<double>(even.sum().item<std::int64_t>()), 1000, 110);
  const torch::Tensor ramp = torch::arange(6).to(torch::kFloat32).repeat({2000, 2, 4, 1});
  AugmentationRecipe a;
  a.flip = Flip::alternate;
  const torch::Tensor out = augment(ramp, a, even);
  EXPECT_TRUE(torch::equal(out.eq(ramp).all(3).all(2).all(1), even.logical_not()));
}

TEST(Augmentation, FillsWithTheImageMirroredAtItsBorder) {
  const torch::Tensor images = torch::rand({300, 2, 5, 6});
  AugmentationRecipe a;
  a.crop = 2;
  a.fill = Fill::reflect;
  torch::manual_seed(4);
  const torch::Tensor out = augment(images, a);
  namespace F = torch::nn::functional;
  const torch::Tensor padded = F::pad(images, F::PadFuncOptions({2, 2, 2, 2}).mode(torch::kReflect));
  torch::Tensor found = torch::zeros({300}, torch::kBool);
  for (std::int64_t y = 0; y <= 4; ++y) {
    for (std::int64_t x = 0; x <= 4; ++x) {
      const torch::Tensor moved = padded.slice(2, y, y + 5).slice(3, x, x + 6);
      found = found.logical_or(out.eq(moved).all(3).all(2).all(1));
    }
  }
  EXPECT_TRUE(found.all().item<bool>());
}

TEST(Augmentation, BlanksASquare) {
  AugmentationRecipe a;
  a.cutout = 4;
  torch::manual_seed(3);
  const torch::Tensor blank = 16 * 16 - augment(torch::ones({200, 1, 16, 16}), a).sum({1, 2, 3});
  EXPECT_EQ(blank.max().item<double>(), 16);
  // A corner of it at least stays inside.
  EXPECT_GE(blank.min().item<double>(), 4);
}

TEST(Augmentation, MixesEachImageWithAnother) {
  torch::manual_seed(5);
  const Mixture mixture = draw_mixture(4000, 1);
  EXPECT_TRUE(torch::equal(std::get<0>(mixture.partner.sort()), torch::arange(4000)));
  // Of Beta(1, 1), which is uniform, the larger of a share and the rest is uniform between 1/2 and 1.
  EXPECT_GE(mixture.share.min().item<double>(), 0.5);
  EXPECT_LE(mixture.share.max().item<double>(), 1);
  EXPECT_NEAR(mixture.share.mean().item<double>(), 0.75, 0.01);
  // The smaller alpha, the more often an image stays nearly what it was.
  EXPECT_GT(draw_mixture(4000, 0.2).share.mean().item<double>(), 0.85);
  // Image i is the constant i: what it becomes says of what it is made.
  const torch::Tensor images = torch::arange(4000).to(torch::kFloat32).reshape({-1, 1, 1, 1}).expand({-1, 2, 3, 4});
  const torch::Tensor out = mixed(images, mixture);
  const torch::Tensor own = torch::arange(4000).to(torch::kFloat32);
  const torch::Tensor wanted = own * mixture.share + mixture.partner * (1 - mixture.share);
  EXPECT_EQ(out.sizes(), images.sizes());
  EXPECT_LT((out - wanted.reshape({-1, 1, 1, 1})).abs().max().item<double>(), 1e-2);
}

}  // namespace
}  // namespace obscura::train
