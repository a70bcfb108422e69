// SPDX-License-Identifier: Apache-2.0
/// The library's compiler as a program uses it.
#include "obscura/compiler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "../compile/networks.h"
#include "nn/onnx.h"
#include "wire/plan_frame.h"

namespace obscura {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Three outputs of images of one channel of 4 x 4, with a ReLU between.
Network relu_network() {
  compile::Net net({1, 4, 4});
  net.dense(net.function(approx::Function::Kind::relu, net.dense(0, 16, 5)), 5, 3);
  const Bytes file = nn::write_onnx(net.finished());
  return Network::read(file).value();
}

std::vector<float> pixels(std::size_t images) {
  std::vector<float> out(images * 16);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(i * 37 % 101) / 100;
  return out;
}

TEST(CompileOptions, MakePolynomialsByLevelsOrByPrecision) {
  const Network network = relu_network();
  EXPECT_TRUE(network.needs_calibration());
  const std::vector<float> images = pixels(20);
  CompileOptions options;
  options.calibration = images;
  options.class_names = {"cat", "dog", "owl"};
  options.depth = 5;
  const auto shallow = network.compile(options);
  ASSERT_TRUE(shallow.ok()) << shallow.error().message;
  options.depth.reset();
  options.alpha = 12;
  const auto precise = network.compile(options);
  ASSERT_TRUE(precise.ok()) << precise.error().message;
  const auto plan = [](const Plan& of) { return wire::read_plan(of.bytes, "plan").value().plan; };
  EXPECT_LT(plan(*shallow).input.limbs, plan(*precise).input.limbs);
  EXPECT_THAT(plan(*shallow).output.answer.class_names, ElementsAre("cat", "dog", "owl"));
  const std::vector<float> exact = network.run(images).value(), near = precise->simulate(images).value();
  ASSERT_EQ(near.size(), exact.size());
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(near[i]) - exact[i]));
    largest = std::max(largest, std::abs(static_cast<double>(exact[i])));
  }
  EXPECT_LT(difference, 0x1p-8 * largest);
}

TEST(CompileOptions, AreRefusedByTheirNames) {
  const Network network = relu_network();
  const std::vector<float> images = pixels(20);
  const auto refusal = [&](const CompileOptions& options) {
    const auto plan = network.compile(options);
    return plan.ok() ? std::string() : plan.error().message;
  };
  CompileOptions options;
  EXPECT_THAT(refusal(options), HasSubstr("it is not a polynomial")) << "no calibration";
  options.alpha = 6;
  EXPECT_THAT(refusal(options), HasSubstr("CompileOptions::calibration"));
  options.calibration = images;
  options.depth = 4;
  EXPECT_THAT(refusal(options), HasSubstr("CompileOptions::alpha, CompileOptions::depth"));
  options.depth.reset();
  options.mean = {0, 0};
  EXPECT_THAT(refusal(options), HasSubstr("CompileOptions::mean: 2 numbers given"));
  options.mean.clear();
  options.calibration = options.calibration.first(17);
  EXPECT_THAT(refusal(options), HasSubstr("17 values are not one or more images of 16"));
}

TEST(Plan, IsTheSameFromItsBytesAndFromAFile) {
  const std::vector<float> images = pixels(20);
  CompileOptions options;
  options.calibration = images;
  options.depth = 5;
  const Plan made = relu_network().compile(options).value();
  const auto path = std::filesystem::path(::testing::TempDir()) / "compiler_test.plan";
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(made.bytes.data()), std::ssize(made.bytes));
  for (const Source& source : {Source(made.bytes), Source(path)}) {
    const auto read = Plan::read(source);
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(read->bytes, made.bytes);
    EXPECT_EQ(read->network, made.network);
    EXPECT_EQ(read->images_at_once, made.images_at_once);
    EXPECT_EQ(read->predicted_seconds, made.predicted_seconds);
    EXPECT_EQ(read->memory, made.memory);
    EXPECT_EQ(read->logit_error, made.logit_error);
    EXPECT_EQ(read->reasons, made.reasons);
    EXPECT_EQ(read->describe().value(), plan::to_text(wire::read_plan(made.bytes, "plan").value().plan));
    EXPECT_EQ(read->simulate(images).value(), made.simulate(images).value());
  }
  std::filesystem::remove(path);
  EXPECT_EQ(Plan::read(path).error().code, Code::io);
  Bytes damaged = made.bytes;
  damaged[damaged.size() / 2] ^= std::byte{1};
  EXPECT_EQ(Plan::read(damaged).error().code, Code::bad_format);
}

TEST(Plan, SimulationTellsHowFarItIsAndStops) {
  const std::vector<float> images = pixels(20);
  CompileOptions options;
  options.calibration = images;
  options.depth = 5;
  const Plan plan = relu_network().compile(options).value();
  std::size_t last = 0;
  const auto told = plan.simulate(images, {}, [&](std::size_t done, std::size_t total) {
    EXPECT_EQ(total, 20U);
    last = done;
    return true;
  });
  ASSERT_TRUE(told.ok());
  EXPECT_EQ(last, 20U);
  const auto stopped = plan.simulate(images, {}, [](std::size_t, std::size_t) { return false; });
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, Code::cancelled);
}

}  // namespace
}  // namespace obscura
