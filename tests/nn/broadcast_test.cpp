// SPDX-License-Identifier: Apache-2.0
#include "nn/broadcast.h"

#include <gtest/gtest.h>

namespace obscura::nn {
namespace {

Value computed(Shape shape) { return {"x", std::move(shape), std::nullopt}; }

Value constant(Shape shape) {
  const auto count = static_cast<std::size_t>(element_count(shape));
  return {"c", shape, Tensor{shape, std::vector<float>(count, 1)}};
}

TEST(Broadcast, AConstantMayLeaveOutOrSpellTheBatchDimension) {
  const Value x = computed({2, 3, 4});
  for (const Shape& shape : {Shape{}, {1}, {4}, {3, 1}, {2, 1, 1}, {2, 3, 4}, {1, 2, 1, 1}, {1, 2, 3, 4}}) {
    EXPECT_EQ(broadcast_shape(x, constant(shape)), (Shape{2, 3, 4})) << to_string(shape);
    EXPECT_EQ(broadcast_shape(constant(shape), x), (Shape{2, 3, 4})) << to_string(shape);
  }
}

TEST(Broadcast, WhatWouldMixImagesOrDoesNotFitIsRefused) {
  const Value x = computed({2, 3, 4});
  for (const Shape& shape : {Shape{5}, {2, 1}, {3, 1, 1}, {2, 2, 3, 4}, {1, 1, 2, 3, 4}}) {
    EXPECT_EQ(broadcast_shape(x, constant(shape)), std::nullopt) << to_string(shape);
  }
  EXPECT_EQ(broadcast_shape(computed({10}), constant({10, 10})), std::nullopt);
  EXPECT_EQ(broadcast_shape(x, computed({4})), std::nullopt) << "the batch of one would meet the rows of the other";
  EXPECT_EQ(broadcast_shape(constant({4}), constant({4})), std::nullopt);
}

TEST(Broadcast, AValueStretchesToo) {
  EXPECT_EQ(broadcast_shape(computed({2, 1, 1}), computed({2, 3, 4})), (Shape{2, 3, 4}));
  EXPECT_EQ(broadcast_shape(computed({1, 3, 4}), constant({2, 1, 1})), (Shape{2, 3, 4}));
}

TEST(Broadcast, TheIndexRepeatsStretchedSizes) {
  using Index = std::vector<std::uint32_t>;
  EXPECT_EQ(broadcast_index(constant({1, 2, 1, 1}), {2, 1, 3}), (Index{0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(broadcast_index(constant({3}), {2, 1, 3}), (Index{0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(broadcast_index(constant({2, 1}), {2, 2, 2}), (Index{0, 0, 1, 1, 0, 0, 1, 1}));
  EXPECT_EQ(broadcast_index(constant({2, 1, 2}), {2, 2, 2}), (Index{0, 1, 0, 1, 2, 3, 2, 3}));
  EXPECT_EQ(broadcast_index(constant({}), {2, 2}), (Index{0, 0, 0, 0}));
}

}  // namespace
}  // namespace obscura::nn
