// SPDX-License-Identifier: Apache-2.0
#include "run/clear_backend.h"

#include <gtest/gtest.h>

#include <cmath>

#include "../flow/tiny_plan.h"
#include "ckks/noise.h"

namespace obscura::run {
namespace {

std::vector<float> random_images(std::size_t count) {
  std::vector<float> images;
  for (const float p : testing::random_pixels(count)) images.push_back(2 * p - 0.5F);
  return images;
}

void expect_network(const plan::Plan& plan, std::optional<double> p) {
  const ClearModel model(plan);
  const auto images = random_images(300);
  const auto logits = run_clear(model, images, 300);
  ASSERT_TRUE(logits.ok()) << logits.error().message;
  const auto expected = testing::tiny_logits(testing::tiny_network(), images, p);
  ASSERT_EQ(logits.value().size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    // Logits are returned as floats.
    EXPECT_NEAR(static_cast<double>(logits.value()[i]), expected[i], 1e-6 * (1 + std::abs(expected[i]))) << i;
  }
}

TEST(ClearBackend, ComputesTheSquareNetwork) { expect_network(testing::square_plan(), {}); }

TEST(ClearBackend, ComputesTheQuarticNetworkWithTheCoefficientAsEncoded) {
  const plan::Plan plan = testing::quartic_plan();
  const double ratio = plan.value(3).scale / plan.value(1).scale;
  const double p = std::round(testing::Quartic::p * ratio) / ratio;
  EXPECT_NE(p, testing::Quartic::p) << "the test would not see the rounding";
  expect_network(plan, p);
}

TEST(ClearBackend, SplitsManyImagesIntoBatches) {
  const ClearModel model(testing::square_plan());
  const std::size_t count = 2048 * 2 + 3;
  const auto images = random_images(count);
  const auto all = run_clear(model, images, count);
  ASSERT_TRUE(all.ok());
  const auto last = run_clear(model, std::span(images).last(3 * 36), 3);
  ASSERT_TRUE(last.ok());
  for (std::size_t i = 0; i < 9; ++i) EXPECT_EQ(all.value()[all.value().size() - 9 + i], last.value()[i]);
}

TEST(ClearBackend, NoiseIsTheSameForTheSameSeedOnAnyNumberOfThreads) {
  const ClearModel model(testing::quartic_plan());
  const auto images = random_images(64);
  const auto exact = run_clear(model, images, 64);
  const auto a = run_clear(model, images, 64, 11);
  const auto other = run_clear(model, images, 64, 12);
  const base::ThreadLimit one(1);
  const auto b = run_clear(model, images, 64, 11);
  ASSERT_TRUE(exact.ok() && a.ok() && b.ok() && other.ok());
  EXPECT_EQ(a.value(), b.value());
  EXPECT_NE(a.value(), other.value());
  EXPECT_NE(a.value(), exact.value());
}

TEST(ClearBackend, EncryptionNoiseHasTheDeviationOfTheModel) {
  const auto params = ckks::Params::make(testing::square_plan().params).value();
  const ClearBackend backend(params, 5);
  const std::size_t n = 100000;
  const auto x = backend.encrypt(std::vector<double>(n, 1.0), 0x1p20, 2, 0);
  double sum = 0;
  for (const double v : x.slots) sum += (v - 1) * (v - 1);
  const double measured = std::sqrt(sum / static_cast<double>(n));
  // A sample of n has a relative deviation of 1 / sqrt(2 n) = 0.22 %; 5 of them.
  EXPECT_NEAR(measured / (ckks::noise_of_encryption(params) / 0x1p20), 1.0, 0.012);
}

TEST(ClearBackend, RefusesOperationsThatCiphertextsWouldRefuse) {
  const auto params = ckks::Params::make(testing::square_plan().params).value();
  const ClearBackend backend(params);
  const auto x = backend.encrypt({1, 2}, 0x1p20, 2, 0);
  const auto square = backend.multiply(x, x);
  EXPECT_EQ(square.shape.parts, 3U);
  EXPECT_THROW((void)backend.multiply(square, x), ContractError);
  EXPECT_THROW((void)backend.relinearize(x, 1), ContractError);
  EXPECT_THROW((void)backend.rescale(x, 2), ContractError);
}

TEST(ClearBackend, AProductHasTheFewerLimbsOfItsFactors) {
  const auto params = ckks::Params::make(testing::square_plan().params).value();
  const ClearBackend backend(params);
  const auto x = backend.encrypt({1, 2}, 0x1p20, 2, 0), y = backend.encrypt({3, 4}, 0x1p10, 1, 1);
  for (const auto& product : {backend.multiply(x, y), backend.multiply(y, x)}) {
    EXPECT_EQ(product.shape.limbs, 1U);
    EXPECT_EQ(product.shape.scale, 0x1p30);
    EXPECT_NEAR(product.slots[1], 8, 0.1);
  }
}

TEST(ClearBackend, CombinesWithTheIntegersThatCiphertextsGet) {
  const auto params = ckks::Params::make(testing::square_plan().params).value();
  const ClearBackend backend(params);
  const auto x = backend.encrypt({1.0}, 8, 2, 0);
  const auto y = backend.encrypt({1.0}, 2, 1, 1);
  // Scale 8 / 2 = 4: a factor of 0.3 becomes round(1.2) / 4 = 0.25.
  const ClearTerm terms[] = {{&x, 1}, {&y, 0.3}};
  const auto sum = backend.combine(terms, 0.5);
  EXPECT_DOUBLE_EQ(sum.slots[0], 1.75);
  EXPECT_EQ(sum.shape.limbs, 1U);
  EXPECT_EQ(sum.shape.scale, 8);
}

}  // namespace
}  // namespace obscura::run
