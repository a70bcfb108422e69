// SPDX-License-Identifier: Apache-2.0
#include "api/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "api/images.h"

namespace obscura::api {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pointwise;

/// Of two channels, whose file says everything.
nn::Graph graph() {
  nn::Graph out;
  out.values.push_back({"image", {2, 4, 4}, std::nullopt});
  out.values.push_back({"logits", {3}, std::nullopt});
  out.output = 1;
  out.metadata = {{0.5, 0.25}, {0.2, 0.1}, {"cat", "dog", "owl"}, 16, 0.01, base::Standardisation{0.25, 3}};
  return out;
}

std::string refusal(const nn::Graph& graph, Settings settings = {}) {
  const auto taken = take_metadata(settings, graph, "X.onnx");
  return taken.ok() ? "" : taken.error().message;
}

TEST(Settings, ComeFromTheNetworksFile) {
  Settings settings;
  ASSERT_TRUE(take_metadata(settings, graph(), "X.onnx").ok());
  EXPECT_THAT(settings.normalization.mean, ElementsAre(0.5, 0.25));
  EXPECT_THAT(settings.normalization.std, ElementsAre(0.2, 0.1));
  EXPECT_THAT(settings.class_names, ElementsAre("cat", "dog", "owl"));
  EXPECT_EQ(settings.headroom, 16);
  EXPECT_EQ(settings.max_error, 0.01);
  EXPECT_THAT(settings.from_file, ElementsAre("mean", "std", "standardise", "class_names", "headroom", "max_error"));
  compile::Options options;
  apply(settings, options);
  EXPECT_THAT(options.mean, ElementsAre(0.5, 0.25));
  EXPECT_EQ(options.standardise, (base::Standardisation{0.25, 3}));
  EXPECT_THAT(options.class_names, ElementsAre("cat", "dog", "owl"));
  EXPECT_EQ(options.headroom_bits, 16);
  EXPECT_EQ(options.max_error_std, 0.01);
}

TEST(Settings, OfTheCommandLineGoBeforeTheFilesOneByOne) {
  Settings settings;
  settings.normalization.mean = {0, 0};
  settings.headroom = 3;
  settings.max_error = 0;
  ASSERT_TRUE(take_metadata(settings, graph(), "X.onnx").ok());
  EXPECT_THAT(settings.normalization.mean, ElementsAre(0, 0));
  EXPECT_THAT(settings.normalization.std, ElementsAre(0.2, 0.1));
  EXPECT_EQ(settings.headroom, 3);
  EXPECT_EQ(settings.max_error, 0) << "the default of the compiler";
  EXPECT_THAT(settings.from_file, ElementsAre("std", "standardise", "class_names"));
}

TEST(Settings, StayAsTheyAreWhereTheFileSaysNothing) {
  nn::Graph silent = graph();
  silent.metadata = {};
  Settings settings;
  ASSERT_TRUE(take_metadata(settings, silent, "X.onnx").ok());
  EXPECT_THAT(settings.normalization.mean, IsEmpty());
  EXPECT_FALSE(settings.headroom || settings.max_error);
  EXPECT_THAT(settings.from_file, IsEmpty());
}

TEST(Settings, OfAFileThatDoNotFitAreRefusedByTheirKey) {
  nn::Graph wrong = graph();
  wrong.metadata.mean = {1, 2, 3};
  EXPECT_THAT(refusal(wrong),
              HasSubstr("X.onnx: its metadata 'obscura.mean' has 3 numbers, but its images have 2 channels"));
  Settings own;
  own.normalization.mean = {0, 0};
  EXPECT_EQ(refusal(wrong, own), "") << "nobody looks at it";
  wrong = graph();
  wrong.metadata.std = {1, 0};
  EXPECT_THAT(refusal(wrong),
              HasSubstr("X.onnx: its metadata 'obscura.deviation' has the number 0; finite and above 0"));
  wrong = graph();
  wrong.metadata.mean = {1, std::nan("")};
  EXPECT_THAT(refusal(wrong), HasSubstr("metadata 'obscura.mean' has the number nan"));
  wrong = graph();
  wrong.metadata.class_names = {"cat", "dog"};
  EXPECT_THAT(refusal(wrong), HasSubstr("metadata 'obscura.classes' has 2 names, but it has 3 outputs"));
  own.normalization.mean = {0};
  EXPECT_THAT(refusal(graph(), own), HasSubstr("--mean: 1 numbers given, but the images have 2 channels"));
}

TEST(Settings, AreRefusedInTheWordsOfWhoGaveThem) {
  Settings own;
  own.normalization.mean = {0};
  own.caller = Caller::program;
  EXPECT_THAT(refusal(graph(), own), HasSubstr("CompileOptions::mean: 1 numbers given"));
  nn::Graph wrong = graph();
  wrong.metadata.class_names = {"cat", "dog"};
  own.normalization.mean = {0, 0};
  EXPECT_THAT(refusal(wrong, own), HasSubstr("give CompileOptions::class_names, which goes before"));
}

TEST(Normalise, TakesEachChannelsOwnMeanAndDeviation) {
  data::Dataset image;  // two channels of two pixels
  image.channels = image.width = 2;
  image.height = 1;
  image.pixels = {0, 255, 255, 0};
  EXPECT_THAT(normalise(image, {{0.5, 0.0}, {0.25, 2.0}}), ElementsAre(-2.0F, 2.0F, 0.5F, 0.0F));
  image.values = {0, 1, 1, 0};
  image.pixels.clear();
  const auto out = normalise(image, {{0.5, 0.0}, {0.25, 2.0}});
  EXPECT_THAT(out, ElementsAre(-2.0F, 2.0F, 0.5F, 0.0F));
}

TEST(Normalise, TurnsRedGreenBlueIntoTheOrderOfTheNetwork) {
  data::Dataset images;  // two of two pixels
  images.channels = 3;
  images.height = 1;
  images.width = 2;
  images.pixels = {255, 0, 51, 51, 0, 255, 0, 0, 0, 0, 255, 255};
  const auto out = normalise(images, {{0, 0.2, 0}, {1, 1, 0.5}, true});
  // Blue, green less its mean, twice the red. A float holds 51 / 255 to 2^-27.
  const std::vector<float> expected{0, 1, 0, 0, 2, 0, 1, 1, -0.2F, -0.2F, 0, 0};
  EXPECT_THAT(out, Pointwise(FloatNear(0x1p-27F), expected));
}

TEST(Normalise, TakesBlueGreenRedOfThreeChannelsAndInNoPlan) {
  EXPECT_THAT(check_normalization({{}, {}, true}, 1).error().message, HasSubstr("--bgr"));
  EXPECT_TRUE(check_normalization({{}, {}, true}, 3).ok());
  EXPECT_TRUE(refuse_bgr({}).ok());
  EXPECT_THAT(refuse_bgr({{}, {}, true}).error().message, HasSubstr("swap the input channels"));
}

TEST(Normalise, RefusesNumbersThatDoNotFitTheChannels) {
  EXPECT_THAT(check_normalization({{0.5, 0.5}, {}}, 1).error().message, HasSubstr("2 numbers given"));
  EXPECT_THAT(check_normalization({{}, {0.0}}, 1).error().message, HasSubstr("above 0"));
  EXPECT_FALSE(check_normalization({{std::nan("")}, {}}, 1).ok());
  EXPECT_TRUE(check_normalization({}, 3).ok());
}

TEST(Words, OfCountsHaveTheirPlural) {
  EXPECT_EQ(plural(1, "image"), "1 image");
  EXPECT_EQ(plural(2, "batch"), "2 batches");
}

}  // namespace
}  // namespace obscura::api
