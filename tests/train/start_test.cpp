// SPDX-License-Identifier: Apache-2.0
#include "train/start.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"
#include "nn/onnx.h"
#include "recipes.h"

namespace obscura::train {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class Start : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  /// Convolution, batch norm, residual block with a projection, dense.
  static Network network(const std::string& channels, const std::string& activation, std::uint64_t seed) {
    const std::string text =
        "name = \"n\"\n[data]\nset = \"mnist\"\nshape = [1, 8, 8]\nclasses = 10\nvalidation = 0.1\n[activation]\n" +
        activation + "\n[network]\nlayers = [{ type = \"conv\", channels = " + channels +
        ", kernel = 3, bias = false }, { type = \"batch_norm\" }, { type = \"activation\" },"
        "{ type = \"residual\", channels = 6, stride = 2 }, { type = \"flatten\" }, { type = \"dense\", features = 10 "
        "}]\n";
    auto recipe = parse_recipe(text, "r.toml");
    if (!recipe.ok()) throw std::runtime_error(recipe.error().message);
    return testing::network_of(*recipe, seed);
  }
  fs::path write(const Network& network) const {
    const fs::path path = folder_ / "from.onnx";
    const auto written = base::write_file(path, nn::write_onnx(export_network(network, "from")), {.overwrite = true});
    if (!written.ok()) throw std::runtime_error(written.error().message);
    return path;
  }

  fs::path folder_ = fs::temp_directory_path() / fmt::format("obscura-start-{}", getpid());
};

TEST_F(Start, GivesTheOtherNetworksLogits) {
  Network from = network("4", "kind = \"relu\"", 1);
  Network to = network("4", "kind = \"quadratic\"\nper = \"element\"\nblend = [1, 2]", 2);
  from->eval();
  to->eval();
  const torch::Tensor images = torch::randn({5, 1, 8, 8});
  torch::NoGradGuard no_gradient;
  NetworkImpl::Options before_blend;
  before_blend.epoch = 0;
  const torch::Tensor wanted = from->forward(images, {}).logits;
  EXPECT_GT((to->forward(images, before_blend).logits - wanted).abs().max().item<double>(), 0.01);
  const auto digest = start_from(write(from), to);
  ASSERT_TRUE(digest.ok()) << digest.error().message;
  EXPECT_EQ(digest->size(), 32U);
  EXPECT_LT((to->forward(images, before_blend).logits - wanted).abs().max().item<double>(), 1e-5);
}

TEST_F(Start, TakesTheCoefficientsOfTheSamePolynomials) {
  for (const char* kind : {"quadratic", "degree4"}) {
    const std::string activation = fmt::format("kind = \"{}\"\nper = \"channel\"", kind);
    Network from = network("4", activation, 1);
    Network to = network("4", activation, 2);
    from->eval();
    to->eval();
    const torch::Tensor images = torch::randn({5, 1, 8, 8});
    torch::NoGradGuard no_gradient;
    const auto digest = start_from(write(from), to);
    ASSERT_TRUE(digest.ok()) << digest.error().message;
    const torch::Tensor difference = to->forward(images, {}).logits - from->forward(images, {}).logits;
    EXPECT_LT(difference.abs().max().item<double>(), 1e-5) << kind;
  }
  const fs::path path = write(network("4", "kind = \"quadratic\"\nper = \"layer\"", 1));
  const auto other = start_from(path, network("4", "kind = \"quadratic\"\nper = \"channel\"", 1));
  ASSERT_FALSE(other.ok());
  EXPECT_THAT(other.error().message,
              HasSubstr("constant 'activation1.c0' is 1 where the recipe's activation has 4x1x1"));
}

TEST_F(Start, NamesWhatDoesNotFit) {
  const fs::path path = write(network("4", "kind = \"relu\"", 1));
  const auto wider = start_from(path, network("5", "kind = \"relu\"", 1));
  ASSERT_FALSE(wider.ok());
  EXPECT_THAT(wider.error().message,
              HasSubstr("from.onnx: node 'conv1' has a constant of 4x1x3x3 where the recipe's layer conv1"));
  // HerPN has no batch norms.
  const auto other = start_from(path, network("4", "kind = \"hermite\"", 1));
  ASSERT_FALSE(other.ok());
  EXPECT_THAT(other.error().message, HasSubstr("BatchNormalization"));
  EXPECT_FALSE(start_from(folder_ / "absent.onnx", network("4", "kind = \"relu\"", 1)).ok());
}

}  // namespace
}  // namespace obscura::train
