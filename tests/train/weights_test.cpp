// SPDX-License-Identifier: Apache-2.0
#include "train/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recipes.h"
#include "train/optimizer.h"

namespace obscura::train {
namespace {

using ::testing::HasSubstr;

/// A convolution of 3x3 on two channels, with `keys` more, and what makes a network of it.
std::string text(const std::string& keys, const std::string& before = "") {
  return "name = \"n\"\n[data]\nset = \"mnist\"\nshape = [2, 8, 8]\nclasses = 10\nvalidation = 0.1\n[network]\nlayers "
         "= [" +
         before + "{ type = \"conv\", kernel = 3, padding = 1, bias = false, " + keys +
         " }, { type = \"flatten\" }, { type = \"dense\", features = 10 }]\n";
}

Recipe recipe_of(const std::string& keys) { return parse_recipe(text(keys), "r.toml").value(); }

/// Images whose neighbouring pixels and channels go together.
Images smooth_images(std::int64_t count) {
  torch::manual_seed(7);
  const torch::Tensor noise = torch::randn({count, 1, 12, 12});
  const torch::Tensor one = torch::avg_pool2d(noise, 5, 1);
  const torch::Tensor both = torch::cat({one, one + 0.1 * torch::randn_like(one)}, 1);
  return {(both * 200 + 128).clamp(0, 255).to(torch::kUInt8), torch::zeros({count}, torch::kInt64)};
}

Network network_of(const Recipe& recipe, const Images& images) {
  torch::manual_seed(1);
  Network network(expand(recipe).value(), recipe.data.shape);
  set_first_weights(network, images, Normalisation(recipe.data, torch::kCPU));
  return network;
}

TEST(FirstWeights, OfPatchesMakeOutputsOfVarianceOneThatDoNotCorrelate) {
  const Images images = smooth_images(300);
  const torch::Tensor pixels = as_floats(images.pixels);
  const torch::Tensor filters = whitening_filters(pixels, 3, 100);
  ASSERT_EQ(filters.sizes().vec(), (std::vector<std::int64_t>{36, 2, 3, 3}));
  const torch::Tensor y = torch::conv2d(pixels, filters.slice(0, 0, 18)).permute({1, 0, 2, 3}).flatten(1);
  const torch::Tensor covariance = y.matmul(y.t()) / y.size(1);
  // The largest directions: the others have less variance than what is added to each.
  EXPECT_TRUE(torch::allclose(covariance.slice(0, 0, 3).slice(1, 0, 3), torch::eye(3), 0, 0.05)) << covariance;
  EXPECT_LT((covariance - torch::diag(covariance.diag())).abs().max().item<double>(), 0.01);
  EXPECT_TRUE(torch::equal(filters.slice(0, 18), -filters.slice(0, 0, 18)));
}

TEST(FirstWeights, OfPatchesLeaveFiltersBeyondBothSignsDrawn) {
  const Images images = smooth_images(20);
  const Recipe recipe = recipe_of("channels = 40, weights = \"patches\"");
  const Network network = network_of(recipe, images);
  torch::manual_seed(1);
  const Network drawn(expand(recipe).value(), recipe.data.shape);
  const auto rest = [](const Network& n) { return n->parts[0].conv->weight.slice(0, 36); };
  EXPECT_TRUE(torch::equal(rest(network), rest(drawn)));
  EXPECT_FALSE(torch::equal(network->parts[0].conv->weight, drawn->parts[0].conv->weight));
}

TEST(FirstWeights, OfIdentityHandOnTheInput) {
  const Network network = network_of(recipe_of("channels = 5, weights = \"identity\""), smooth_images(20));
  const torch::Tensor x = torch::randn({3, 2, 8, 8});
  torch::nn::Conv2d conv = network->parts[0].conv;
  EXPECT_TRUE(torch::allclose(conv->forward(x).slice(1, 0, 2), x));
  EXPECT_GT(conv->weight.slice(0, 2).abs().max().item<double>(), 0);
}

TEST(FirstWeights, OfIdentityWithAnEvenKernelPool) {
  const Recipe recipe = parse_recipe(text("channels = 2, weights = \"identity\""), "r.toml").value();
  Recipe even = recipe;
  even.layers[0].kernel = 4;
  even.layers[0].stride = 2;
  const Network network = network_of(even, smooth_images(20));
  const torch::Tensor x = torch::randn({3, 2, 8, 8});
  torch::nn::Conv2d conv = network->parts[0].conv;
  EXPECT_TRUE(torch::allclose(conv->forward(x), torch::avg_pool2d(x, 2), 1e-5, 1e-6));
}

TEST(FirstWeights, ThatAreFixedAreNotTrained) {
  const Images images = smooth_images(64);
  for (const char* fixed : {"true", "false"}) {
    const Recipe recipe = recipe_of(fmt::format("channels = 4, weights = \"patches\", fixed = {}", fixed));
    Network network = network_of(recipe, images);
    const torch::Tensor before = network->parts[0].conv->weight.detach().clone();
    Optimizer optimizer(recipe.optimizer, network->trained());
    network->forward(as_floats(images.pixels), {}).logits.square().sum().backward();
    optimizer.step(0.1);
    EXPECT_EQ(torch::equal(before, network->parts[0].conv->weight), std::string(fixed) == "true");
    const std::int64_t weights = std::string(fixed) == "true" ? 0 : 4 * 2 * 9;
    EXPECT_EQ(network->steps[0].parameters, weights);
  }
}

TEST(FirstWeights, OfPatchesAreForAFirstConvolution) {
  const auto refused = parse_recipe(
      text("channels = 4, weights = \"patches\"", "{ type = \"conv\", channels = 2, kernel = 1 }, "), "r.toml");
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("r.toml:8"));
  EXPECT_THAT(refused.error().message, HasSubstr("conv1 comes before it"));
}

}  // namespace
}  // namespace obscura::train
