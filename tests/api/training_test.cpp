// SPDX-License-Identifier: Apache-2.0
#include "api/training.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace obscura::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// On images of one channel of 1 x 2.
nn::Graph two_pixels() {
  nn::Graph out;
  out.name = "small";
  out.values.push_back({"image", {1, 1, 2}, std::nullopt});
  return out;
}

const std::vector<float> kThree{0, 1, 0.5F, 1, 1, 1};

TEST(TrainingData, OfMemoryGiveTheirFirstImagesNormalised) {
  const TrainingData training = training_in(kThree);
  EXPECT_FALSE(training.none());
  EXPECT_TRUE(training_in({}).none());
  EXPECT_THAT(calibration_images(two_pixels(), training, {{0.5}, {0.5}}, {}, 2).value(), ElementsAre(-1, 1, 0, 1));
  EXPECT_EQ(calibration_images(two_pixels(), training, {}, {}, 256).value(), kThree) << "all, where there are fewer";
  EXPECT_EQ(calibration_images(two_pixels(), training, {}, 1, 256).value().size(), 2U);
}

TEST(TrainingData, OfMemoryAreRefusedWhereTheyAreTooFewOrNotWhole) {
  const TrainingData training = training_in(kThree);
  EXPECT_THAT(calibration_images(two_pixels(), training, {}, 4, 256).error().message, HasSubstr("the training images"));
  EXPECT_THAT(calibration_images(two_pixels(), training, {}, 0, 256).error().message, HasSubstr("at least one image"));
  const TrainingData cut = training_in(std::span(kThree).first(5));
  EXPECT_EQ(calibration_images(two_pixels(), cut, {}, {}, 256).error().message,
            "5 values are not one or more images of 2");
}

}  // namespace
}  // namespace obscura::api
