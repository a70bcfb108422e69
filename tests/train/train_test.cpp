// SPDX-License-Identifier: Apache-2.0
#include "train/train.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "nn/onnx.h"
#include "nn/reference.h"

namespace obscura::train {
namespace {

using ::testing::HasSubstr;

std::filesystem::path data_folder() {
  const char* chosen = std::getenv("OBSCURA_DATA");
  return chosen != nullptr ? chosen : OBSCURA_SOURCE_DIR "/data";
}

Recipe short_recipe(const std::string& network) {
  Recipe recipe;
  recipe.network = network;
  recipe.data_folder = data_folder();
  recipe.epochs = 4;
  recipe.batch_size = 32;
  recipe.limit = 2000;
  recipe.threads = 1;
  return recipe;
}

class Training : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!data::load("mnist", "test", data_folder(), {0, 1}).ok()) {
      GTEST_SKIP() << "MNIST is absent; `obscura data fetch mnist` brings it";
    }
  }
};

TEST_P(Training, LearnsAndExportsWhatItMeasured) {
  const Recipe recipe = short_recipe(GetParam());
  std::size_t epochs = 0;
  const auto outcome = train(recipe, [&](const Moment& moment) {
    epochs += moment.epoch_ended ? 1 : 0;
    return true;
  });
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(epochs, recipe.epochs);
  EXPECT_EQ(outcome->training_images, 1800U);
  EXPECT_EQ(outcome->validation.images, 200U);
  EXPECT_EQ(outcome->test.images, 2000U);
  // Guessing gives 10 %; four passes over 1800 images give far more with any seed.
  EXPECT_GT(outcome->test.accuracy(), 0.6);

  // The file, read back and run by the reference, must give the accuracy that was reported: the same labels but where
  // two logits tie within float rounding, which the few images below allow for.
  const auto graph = nn::read_onnx(nn::write_onnx(outcome->graph), "exported");
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const auto test = data::load("mnist", "test", data_folder(), {0, recipe.limit});
  ASSERT_TRUE(test.ok());
  std::vector<float> images(test->pixels.size());
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(test->pixels[i]) / 255;
  const std::vector<float> logits = nn::run_reference(*graph, images, test->count());
  std::size_t correct = 0;
  for (std::size_t i = 0; i < test->count(); ++i) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(10 * i);
    correct += std::max_element(row, row + 10) - row == test->labels[i] ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(correct), static_cast<double>(outcome->test.correct), 2);
}

TEST_P(Training, SameRecipeGivesTheSameWeights) {
  Recipe recipe = short_recipe(GetParam());
  recipe.limit = 400;
  recipe.epochs = 1;
  const auto first = train(recipe, nullptr);
  const auto second = train(recipe, nullptr);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(nn::write_onnx(first->graph), nn::write_onnx(second->graph));
  recipe.seed = 2;
  const auto other = train(recipe, nullptr);
  ASSERT_TRUE(other.ok());
  EXPECT_NE(nn::write_onnx(first->graph), nn::write_onnx(other->graph));
}

TEST_P(Training, StopsWhenAsked) {
  const auto outcome = train(short_recipe(GetParam()), [](const Moment& moment) { return moment.step < 3; });
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, Code::cancelled);
}

std::string name_of(const ::testing::TestParamInfo<std::string>& network) {
  return network.param == "mnist-square" ? "Square" : "Swish4";
}
INSTANTIATE_TEST_SUITE_P(Networks, Training, ::testing::ValuesIn(network_names()), name_of);

TEST(Recipes, NameTheOptionThatIsOutOfRange) {
  Recipe recipe;
  recipe.network = "mnist";
  EXPECT_THAT(train(recipe, nullptr).error().message, HasSubstr("mnist-swish4, mnist-square"));
  recipe = {};
  recipe.epochs = 0;
  EXPECT_THAT(train(recipe, nullptr).error().message, HasSubstr("epochs 0; it must be 1 to"));
  recipe = {};
  recipe.learning_rate = std::nan("");
  EXPECT_THAT(train(recipe, nullptr).error().message, HasSubstr("learning rate"));
  recipe = {};
  recipe.activation_range = 9;
  EXPECT_THAT(train(recipe, nullptr).error().message, HasSubstr("activation range 9"));
  recipe = {};
  recipe.data_folder = "/nowhere";
  EXPECT_THAT(train(recipe, nullptr).error().message, HasSubstr("obscura data fetch mnist"));
}

}  // namespace
}  // namespace obscura::train
