// SPDX-License-Identifier: Apache-2.0
/// One network three ways: on floats, on the clear twin, on ciphertexts. The first two check plans, the last two
/// the engine. How far ciphertexts may be off is what the clear twin's noise says.
#include <gtest/gtest.h>

#include <cmath>

#include "client/client.h"
#include "nn/reference.h"
#include "run/clear_backend.h"
#include "server/server.h"
#include "tiny_plan.h"
#include "wire/plan_frame.h"

namespace obscura {
namespace {

using testing::TinyNetwork;

wire::NamedPlan named(plan::Plan plan) {
  const base::Bytes frame = wire::write_plan(plan);
  auto read = wire::read_plan(frame, "test.plan");
  if (!read) throw std::runtime_error(read.error().message);
  return std::move(read).value();
}

/// The tiny network as a graph; conv - x*x - flatten - gemm.
nn::Graph square_graph() {
  const TinyNetwork network = testing::tiny_network();
  const auto floats = [](const std::vector<std::int32_t>& w) {
    std::vector<float> out;
    for (const std::int32_t x : w) out.push_back(static_cast<float>(x) / 32.0F);
    return out;
  };
  const auto narrow = [](const std::vector<double>& v) { return std::vector<float>(v.begin(), v.end()); };
  nn::Graph graph;
  graph.values = {{"image", {1, 6, 6}, {}},
                  {"w1", {2, 1, 3, 3}, nn::Tensor{{2, 1, 3, 3}, floats(network.conv)}},
                  {"b1", {2}, nn::Tensor{{2}, narrow(network.conv_bias)}},
                  {"conv", {2, 2, 2}, {}},
                  {"square", {2, 2, 2}, {}},
                  {"flat", {8}, {}},
                  {"w2", {3, 8}, nn::Tensor{{3, 8}, floats(network.dense)}},
                  {"b2", {3}, nn::Tensor{{3}, narrow(network.dense_bias)}},
                  {"logits", {3}, {}}};
  nn::Attributes conv;
  conv.kernel = {3, 3};
  conv.strides = {2, 2};
  nn::Attributes dense;
  dense.transpose_b = true;
  graph.nodes = {{nn::Op::conv, "conv", {0, 1, 2}, 3, conv},
                 {nn::Op::mul, "square", {3, 3}, 4, {}},
                 {nn::Op::flatten, "flat", {4}, 5, {}},
                 {nn::Op::gemm, "dense", {5, 6, 7}, 8, dense}};
  graph.input = 0;
  graph.output = 8;
  return graph;
}

double deviation(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

double largest(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(static_cast<double>(a[i]) - b[i]));
  return most;
}

struct Encrypted {
  std::vector<float> logits;
  run::Trace trace;
};

Encrypted run_encrypted(const wire::NamedPlan& plan, std::span<const std::uint8_t> pixels, std::size_t images) {
  const auto client = client::Client::generate(wire::make_offer(plan)).value();
  const auto session = server::Session::make(plan, client.make_eval_keys()).value();
  Encrypted out;
  auto outputs = session.run_batch(client.encrypt(pixels).value(), {}, &out.trace);
  out.logits = client.decrypt(outputs.value(), images);
  return out;
}

/// Ciphertexts agree with the exact twin as closely as the twin with noise does: their errors have the same deviation
/// within 30 % (the model takes coefficients as independent), and the largest of at most 12,288 logits is within 6
/// deviations of its image, which are at most 3 times those of all images together.
void expect_engine_agrees(plan::Plan plan) {
  const wire::NamedPlan network = named(std::move(plan));
  const std::size_t images = std::size_t{1} << (network.plan.params.log2_degree - 1);
  const auto pixels = testing::random_pixels(images);
  const auto floats = client::normalise(network.plan.input, pixels);
  const run::EncodedModel model(network.plan);
  const auto exact = run::run_clear(model, floats, images).value();
  const double predicted = deviation(exact, run::run_clear(model, floats, images, 3).value());
  const Encrypted encrypted = run_encrypted(network, pixels, images);
  const double measured = deviation(exact, encrypted.logits);
  EXPECT_LT(largest(exact, encrypted.logits), 6 * 3 * predicted);
  EXPECT_LT(measured, 1.3 * predicted);
  EXPECT_GT(measured, 0.7 * predicted);
  EXPECT_EQ(encrypted.trace.steps.size(), network.plan.steps.size());
  ::testing::Test::RecordProperty("predicted", std::to_string(predicted));
  ::testing::Test::RecordProperty("measured", std::to_string(measured));
}

TEST(ThreeWay, TheClearTwinComputesTheGraph) {
  const nn::Graph graph = square_graph();
  const run::EncodedModel model(named(testing::square_plan()).plan);
  const auto images = client::normalise(model.plan().input, testing::random_pixels(200));
  const auto expected = nn::run_reference(graph, images, 200);
  const auto actual = run::run_clear(model, images, 200).value();
  ASSERT_EQ(expected.size(), actual.size());
  // Weights are exact in both: what is left is the rounding of logits to floats.
  EXPECT_LT(largest(expected, actual), 1e-5);
}

TEST(ThreeWay, CiphertextsComputeTheSquareNetwork) { expect_engine_agrees(testing::square_plan()); }

TEST(ThreeWay, CiphertextsComputeTheQuarticNetworkWithLateRelinearization) {
  expect_engine_agrees(testing::quartic_plan());
}

}  // namespace
}  // namespace obscura
