// SPDX-License-Identifier: Apache-2.0
#include "cli/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace obscura::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Of two channels, whose file says everything.
nn::Graph graph() {
  nn::Graph out;
  out.values.push_back({"image", {2, 4, 4}, std::nullopt});
  out.values.push_back({"logits", {3}, std::nullopt});
  out.output = 1;
  out.metadata = {{0.5, 0.25}, {0.2, 0.1}, {"cat", "dog", "owl"}, 16, 0.01};
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
  EXPECT_THAT(settings.normalization.deviation, ElementsAre(0.2, 0.1));
  EXPECT_THAT(settings.class_names, ElementsAre("cat", "dog", "owl"));
  EXPECT_EQ(settings.headroom, 16);
  EXPECT_EQ(settings.max_error, 0.01);
  EXPECT_THAT(settings.from_file, ElementsAre("mean", "deviation", "class_names", "headroom", "max_error"));
  compile::Options options;
  apply(settings, options);
  EXPECT_THAT(options.mean, ElementsAre(0.5, 0.25));
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
  EXPECT_THAT(settings.normalization.deviation, ElementsAre(0.2, 0.1));
  EXPECT_EQ(settings.headroom, 3);
  EXPECT_EQ(settings.max_error, 0) << "the default of the compiler";
  EXPECT_THAT(settings.from_file, ElementsAre("deviation", "class_names"));
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
  wrong.metadata.deviation = {1, 0};
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

}  // namespace
}  // namespace obscura::cli
