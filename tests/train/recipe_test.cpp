// SPDX-License-Identifier: Apache-2.0
#include "train/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "train/layers.h"

namespace obscura::train {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// Line 1 is `name`; a network of 4x4 points with one quadratic.
std::string small(const std::string& more = "") {
  return R"(name = "small"
[data]
set = "mnist"
shape = [1, 4, 4]
classes = 2
[network]
layers = [
  { type = "conv", channels = 3, kernel = 3, padding = 1 },
  { type = "activation", kind = "quadratic", per = "element" },
  { type = "flatten" },
  { type = "dense", features = 2 },
]
)" + more;
}

std::string refusal(const std::string& text, const Overrides& overrides = {}) {
  const auto recipe = parse_recipe(text, "r.toml", overrides);
  return recipe.ok() ? "accepted" : recipe.error().message;
}

TEST(Recipes, OfTheProjectCanAllBeRead) {
  std::size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(OBSCURA_SOURCE_DIR "/models/recipes")) {
    const auto recipe = read_recipe(file.path());
    ASSERT_TRUE(recipe.ok()) << recipe.error().message;
    EXPECT_EQ(recipe->name, file.path().stem().string());
    ++count;
  }
  EXPECT_GE(count, 15U);
}

TEST(Recipes, OfThePapersNetworksHaveTheirSizes) {
  const auto sizes = [](const std::string& name) {
    const auto recipe = read_recipe(OBSCURA_SOURCE_DIR "/models/recipes/" + name + ".toml");
    std::pair<std::int64_t, std::int64_t> out;
    const std::vector<Step> steps = expand(recipe.value()).value();
    for (const Step& step : steps) {
      out.first += step.parameters;
      out.second += step.multiplications;
    }
    return out;
  };
  // 130 + 6300 + 8010 weights, and two numbers for each of 55 normalised channels.
  EXPECT_EQ(sizes("mnist-swish4").first, 14550);
  // 621,258 stored in the published file, of which the means and variances of 224 channels are not trained.
  EXPECT_EQ(sizes("cifar10-p1").first, 621258 - 2 * 224);
  // 41 million, as ResNet-20 is known for; 1x1 convolutions in two shortcuts are 0.5 million more.
  EXPECT_NEAR(static_cast<double>(sizes("cifar10-resnet20-relu").second), 40.8e6, 0.1e6);
}

TEST(Recipes, RefuseAKeyThatIsNotKnownAndNameTheNearest) {
  EXPECT_THAT(refusal(small("[training]\nepoch = 3\n")),
              AllOf(HasSubstr("r.toml:14: unknown key 'epoch'"), HasSubstr("'epochs'"), HasSubstr("training")));
  EXPECT_THAT(refusal(small("[optimiser]\nrate = 3\n")), AllOf(HasSubstr("'optimiser'"), HasSubstr("'optimizer'")));
  std::string text = small();
  text.replace(text.find("padding"), 7, "pading");
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("r.toml:8: unknown key 'pading'"), HasSubstr("network.layers[1]"),
                                   HasSubstr("'padding'")));
}

TEST(Recipes, RefuseWrongTypesAndNumbersOutOfRange) {
  EXPECT_THAT(refusal(small("[training]\nepochs = 0\n")),
              HasSubstr("r.toml:14: training.epochs is 0; it must be 1 to"));
  EXPECT_THAT(refusal(small("[training]\nepochs = \"3\"\n")),
              HasSubstr("training.epochs is a text; it must be a whole"));
  EXPECT_THAT(refusal(small("[training]\nbatch = 1.5\n")), HasSubstr("training.batch is a number; it must be a whole"));
  EXPECT_THAT(refusal(small("[optimizer]\nrate = nan\n")), HasSubstr("optimizer.rate is nan"));
  EXPECT_THAT(refusal(small("[optimizer]\nkind = \"adam\"\n")),
              HasSubstr("'adam'; it must be one of sgd, adamw, muon"));
  EXPECT_THAT(refusal(small("[optimizer]\nschedule = \"steps\"\n")), HasSubstr("needs the key steps"));
  EXPECT_THAT(refusal(small("[augmentation]\nflip = true\n")), HasSubstr("one of never, random, alternate"));
  EXPECT_THAT(refusal(small("[training]\noutliers = 0.1\n")), HasSubstr("outliers needs fixed_statistics"));
  EXPECT_THAT(refusal(small("[activation]\nkind = \"relu\"\ntail = 1\n")),
              HasSubstr("tail is for polynomials, not for relu"));
  EXPECT_THAT(refusal(small("[teacher]\nweight = 0.5\n")), HasSubstr("teacher.model is absent"));
  EXPECT_THAT(refusal(small("[activation]\nkind = \"swish4\"\nrange = 9\n")), HasSubstr("3, 4, 5, 6, 7 or 8"));
  EXPECT_THAT(refusal(small("[activation]\nkind = \"square\"\ninitial = [1, 2, 3]\n")), HasSubstr("not for square"));
  EXPECT_THAT(refusal(small("[activation]\nkind = \"quadratic\"\ninitial = [1, 2]\n")), HasSubstr("2 entries"));
  EXPECT_THAT(refusal(small("[activation]\nkind = \"hermite\"\nlimit = 8\n")), HasSubstr("not for hermite"));
  EXPECT_THAT(refusal(small("[activation]\nkind = \"hermite\"\nper = \"layer\"\n")), HasSubstr("must be 'channel'"));
  EXPECT_THAT(refusal("name = \n"), HasSubstr("r.toml:1: not TOML"));
  EXPECT_THAT(refusal("name = \"x\"\n"), HasSubstr("data.set is absent"));
}

TEST(Recipes, RefuseLayersThatDoNotFit) {
  const auto with = [](const std::string& from, const std::string& to) {
    std::string text = small();
    text.replace(text.find(from), from.size(), to);
    return refusal(text);
  };
  EXPECT_THAT(with("features = 2", "features = 3"), HasSubstr("the last layer gives 3, but data.classes is 2"));
  EXPECT_THAT(with("{ type = \"flatten\" },", ""), HasSubstr("put flatten before it"));
  EXPECT_THAT(with("kernel = 3, padding = 1", "kernel = 5"),
              HasSubstr("r.toml:8: conv with a kernel of 5 on an input"));
  EXPECT_THAT(with("kernel = 3, padding = 1", "kernel = 3, padding = 3"), HasSubstr("padding 3"));
  EXPECT_THAT(with("type = \"flatten\"", "type = \"flaten\""), HasSubstr("it must be one of conv, batch_norm"));
  EXPECT_THAT(with("per = \"element\"", "blend = [0, 50]"), HasSubstr("blend ends with epoch 50, but there are 50"));
}

class Bases : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / fmt::format("obscura-recipes-{}", getpid());
};

TEST_F(Bases, GiveWhatARecipeDoesNotSay) {
  write("base.toml", small("[training]\nepochs = 7\nbatch = 16\n"));
  const auto recipe = read_recipe(write("own.toml", "name = \"own\"\nbase = \"base.toml\"\n[training]\nepochs = 9\n"));
  ASSERT_TRUE(recipe.ok()) << recipe.error().message;
  EXPECT_EQ(recipe->name, "own");
  EXPECT_EQ(recipe->training.epochs, 9);
  EXPECT_EQ(recipe->training.batch, 16);
  EXPECT_EQ(recipe->layers.size(), 4U);
}

TEST_F(Bases, AreNamedWhereTheMistakeIsTheirs) {
  write("base.toml", small("[training]\nepoch = 7\n"));
  const auto recipe = read_recipe(write("own.toml", "name = \"own\"\nbase = \"base.toml\"\n[training]\nbatch = 9\n"));
  ASSERT_FALSE(recipe.ok());
  EXPECT_THAT(recipe.error().message, HasSubstr("base.toml:14: unknown key 'epoch'"));
}

TEST_F(Bases, ThatGoInACircleAreRefused) {
  const auto recipe = read_recipe(write("own.toml", "name = \"own\"\nbase = \"own.toml\"\n"));
  ASSERT_FALSE(recipe.ok());
  EXPECT_THAT(recipe.error().message, HasSubstr("bases in a row"));
}

TEST(Overrides, StandInPlaceOfTheRecipe) {
  const auto recipe = parse_recipe(small(), "r.toml", {.seed = 5, .epochs = 3, .teacher = {}});
  ASSERT_TRUE(recipe.ok());
  EXPECT_EQ(recipe->training.seed, 5U);
  EXPECT_EQ(recipe->training.epochs, 3);
  EXPECT_NE(recipe->canonical, parse_recipe(small(), "r.toml").value().canonical);
  EXPECT_EQ(parse_recipe("# a comment\n" + small(), "r.toml").value().canonical,
            parse_recipe(small(), "r.toml").value().canonical);
  EXPECT_THAT(refusal(small(), {.seed = {}, .epochs = {}, .teacher = "t.onnx"}), HasSubstr("has no [teacher]"));
}

}  // namespace
}  // namespace obscura::train
