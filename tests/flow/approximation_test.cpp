// SPDX-License-Identifier: Apache-2.0
/// Approximated activations and max-pooling in the batch layout, three ways: the network on doubles, the plaintext
/// simulator, ciphertexts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../compile/residual.h"
#include "client/client.h"
#include "compile/compile.h"
#include "deviation.h"
#include "run/clear_backend.h"
#include "server/server.h"
#include "wire/plan_frame.h"

namespace obscura {
namespace {

using compile::Approximation;
using compile::ResidualNet;
using nn::Op;
using nn::ValueId;

constexpr std::size_t kBatch = 256;
constexpr std::size_t kPixels = 2 * 4 * 4;
constexpr double kBound = 4;

/// u (1 + p(u / bound)) / 2, p near the sign.
Approximation rectifier() {
  return {{{{{-kBound, kBound, ckks::PolynomialBasis::chebyshev, {0, 1.1, 0, -0.3}}}, true, 0}}, 0, false, kBound};
}

/// x (0.5 + 0.3 T_1(x / bound)), as SiLU is made.
Approximation gate() {
  return {{{{{-kBound, kBound, ckks::PolynomialBasis::chebyshev, {0, 0.3}}}, false, 0}}, 0.5, true, kBound};
}

struct BatchCase {
  const char* name;
  Approximation approximation;
  std::function<void(ResidualNet&)> build;  ///< of an input of 2 x 4 x 4
};

ValueId relu(ResidualNet& net, ValueId x) { return net.function(approx::Function::Kind::relu, x); }

const std::vector<BatchCase>& cases() {
  static const std::vector<BatchCase> all = {
      {"Chain", rectifier(),
       [](ResidualNet& n) { n.pooled_dense(relu(n, n.conv_norm(relu(n, n.conv_norm(0, 2, 3)), 3, 2)), 2, 4); }},
      {"TimesInput", gate(),
       [](ResidualNet& n) { n.pooled_dense(relu(n, n.conv_norm(relu(n, n.conv_norm(0, 2, 3)), 3, 2)), 2, 4); }},
      {"Shortcuts", rectifier(),
       [](ResidualNet& n) {
         const ValueId x = relu(n, n.conv_norm(0, 2, 3));
         const ValueId y = relu(n, n.sum(n.conv_norm(x, 3, 3), x));
         const ValueId right = n.projection(x, 3, 4, 2);  // first: compilers differ in the order of arguments
         n.pooled_dense(n.sum(n.projection(y, 3, 4, 2), right), 4, 4);
       }},
      {"MaxPool", rectifier(),
       [](ResidualNet& n) {
         nn::Attributes window;
         window.kernel = {2, 2};
         window.strides = {2, 2};
         n.pooled_dense(n.node(Op::max_pool, {n.conv_norm(0, 2, 2)}, window), 2, 4);
       }},
      {"MaxPoolOfOverlappingWindows", rectifier(),
       [](ResidualNet& n) {
         nn::Attributes window;
         window.kernel = {3, 3};
         window.strides = {2, 2};
         window.pads = {1, 1, 1, 1};
         n.pooled_dense(n.node(Op::max_pool, {n.conv_norm(0, 2, 1)}, window), 1, 4);
       }},
  };
  return all;
}

compile::Approximations alike(const nn::Graph& graph, const Approximation& approximation) {
  compile::Approximations out;
  for (std::size_t k = 0; k < graph.nodes.size(); ++k) {
    if (graph.nodes[k].op == Op::function || graph.nodes[k].op == Op::max_pool) out[k] = approximation;
  }
  return out;
}

std::vector<float> compute_encrypted(const wire::NamedPlan& plan, std::span<const float> pixels) {
  const auto client = client::Client::generate(wire::make_offer(plan)).value();
  const auto session = server::Session::make(plan, client.make_eval_keys()).value();
  const auto outputs = session.run_batch(client.encrypt(pixels).value());
  return client.decrypt(outputs.value(), kBatch);
}

class BatchApproximation : public ::testing::TestWithParam<BatchCase> {};

TEST_P(BatchApproximation, CiphertextsAreAsCloseToTheNetworkAsThePlanPredicts) {
  ResidualNet net({2, 4, 4});
  GetParam().build(net);
  const nn::Graph& graph = net.finished();
  std::mt19937 random(5);
  std::vector<float> pixels(kBatch * kPixels);
  for (auto& p : pixels) p = static_cast<float>(random() & 255U) / 255;
  compile::Options options;
  options.layout = compile::LayoutChoice::batch;
  options.batch = kBatch;
  options.approximations = alike(graph, GetParam().approximation);
  options.calibration = pixels;
  const auto plan = compile::compile(graph, options);
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  const wire::NamedPlan network = wire::read_plan(wire::write_plan(*plan), "test.plan").value();
  EXPECT_EQ(network.plan.images_at_once(), network.plan.params.slots());
  const auto monic = compile::make_monic(compile::fuse(graph, options.approximations).value()).value();
  const std::vector<double> doubles = compile::evaluate(monic, {pixels, kPixels});
  const std::vector<float> reference(doubles.begin(), doubles.end());
  const auto clear = run::run_clear(run::ClearModel(network.plan), pixels, kBatch).value();
  const auto encrypted = compute_encrypted(network, pixels);
  const double predicted = network.plan.output.error_std;
  EXPECT_LT(deviation(reference, clear), 1.5 * predicted) << "rounded weights and coefficients alone";
  EXPECT_LT(deviation(reference, encrypted), 1.5 * predicted);
  // A prediction many times too large would cost modulus for nothing.
  EXPECT_GT(deviation(reference, encrypted), 0.1 * predicted);
  EXPECT_LT(deviation(clear, encrypted), 1.5 * network.plan.output.noise_std);
}

INSTANTIATE_TEST_SUITE_P(Forms, BatchApproximation, ::testing::ValuesIn(cases()),
                         [](const auto& form) { return std::string(form.param.name); });

TEST(BatchApproximationDepth, WhatNoModulusHoldsIsRefusedWithWhatBootstrappingWouldTake) {
  ResidualNet net({2, 4, 4});
  ValueId x = relu(net, net.conv_norm(0, 2, 2));
  for (int k = 0; k < 40; ++k) x = relu(net, net.conv_norm(x, 2, 2));
  net.pooled_dense(x, 2, 4);
  compile::Options options;
  options.layout = compile::LayoutChoice::batch;
  options.batch = kBatch;
  options.approximations = alike(net.finished(), rectifier());
  const auto plan = compile::compile(net.graph(), options);
  ASSERT_FALSE(plan.ok());
  EXPECT_THAT(plan.error().message,
              ::testing::AllOf(::testing::HasSubstr("123 levels"), ::testing::HasSubstr("bootstrappings"),
                               ::testing::HasSubstr("core-seconds"), ::testing::HasSubstr("--layout image")));
}

}  // namespace
}  // namespace obscura
