// SPDX-License-Identifier: Apache-2.0
/// Networks with shortcuts three ways: the reference in floating point, the plaintext simulator, ciphertexts.
#include "../compile/residual.h"

#include <gtest/gtest.h>

#include "client/client.h"
#include "compile/compile.h"
#include "deviation.h"
#include "run/clear_backend.h"
#include "server/server.h"
#include "wire/plan_frame.h"

namespace obscura {
namespace {

constexpr std::size_t kBatch = 1024;
constexpr std::size_t kPixels = 2 * 4 * 4;

std::vector<float> random_pixels() {
  std::mt19937 random(5);
  std::vector<float> pixels(kBatch * kPixels);
  for (auto& p : pixels) p = static_cast<float>(random() & 255U) / 255;
  return pixels;
}

std::vector<float> run_encrypted(const wire::NamedPlan& plan, std::span<const float> pixels) {
  const auto client = client::Client::generate(wire::make_offer(plan)).value();
  const auto session = server::Session::make(plan, client.make_eval_keys()).value();
  const auto outputs = session.run_batch(client.encrypt(pixels).value());
  return client.decrypt(outputs.value(), kBatch);
}

class ThreeWayResidual : public ::testing::TestWithParam<compile::ResidualCase> {};

TEST_P(ThreeWayResidual, CiphertextsAreAsCloseToTheReferenceAsThePlanPredicts) {
  compile::ResidualNet net({2, 4, 4});
  GetParam().build(net);
  const nn::Graph& graph = net.finished();
  const auto pixels = random_pixels();
  compile::Options options;
  options.batch = kBatch;
  options.mean = {0.5, 0.4};
  options.std = {0.25, 0.3};
  plan::InputSpec input{2, 4, 4, options.mean, options.std, 0, 0};
  const auto floats = client::normalise(input, pixels);
  options.calibration = std::span(floats).first(kPixels * 256);
  const auto plan = compile::compile(graph, options);
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  const wire::NamedPlan network = wire::read_plan(wire::write_plan(*plan), "test.plan").value();
  const run::ClearModel model(network.plan);
  const auto reference = nn::run_reference(graph, floats, kBatch);
  const auto clear = run::run_clear(model, floats, kBatch).value();
  const auto encrypted = run_encrypted(network, pixels);
  const double predicted = network.plan.output.error_std;
  // A prediction several times too large would cost modulus for nothing.
  EXPECT_LT(deviation(reference, encrypted), 1.5 * predicted);
  EXPECT_GT(deviation(reference, encrypted), 0.3 * predicted);
  EXPECT_LT(deviation(reference, clear), 1.5 * predicted) << "rounded weights and coefficients alone";
  // Between the two stands the part of the error that depends on keys. It is an average over what inputs amplify.
  const double noise = network.plan.output.noise_std;
  EXPECT_LT(deviation(clear, encrypted), 1.3 * noise);
  EXPECT_GT(deviation(clear, encrypted), 0.7 * noise);
}

INSTANTIATE_TEST_SUITE_P(Forms, ThreeWayResidual, ::testing::ValuesIn(compile::residual_cases()),
                         [](const auto& form) { return std::string(form.param.name); });

}  // namespace
}  // namespace obscura
