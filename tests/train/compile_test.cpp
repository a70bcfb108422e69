// SPDX-License-Identifier: Apache-2.0
/// What is trained can be encrypted: each activation goes from the trainer through a file into a plan, whose plaintext
/// simulator gives the logits of the float network.
#include "compile/compile.h"

#include <gtest/gtest.h>

#include "nn/onnx.h"
#include "nn/reference.h"
#include "recipes.h"
#include "run/clear_backend.h"

namespace obscura::train {
namespace {

class Compiled : public ::testing::TestWithParam<std::pair<std::string, std::string>> {};

Recipe tiny(const std::string& activation) {
  return parse_recipe("name = \"tiny\"\n[data]\nset = \"mnist\"\nshape = [1, 8, 8]\nclasses = 3\n[activation]\n" +
                          activation + R"(
[network]
layers = [
  { type = "conv", channels = 3, kernel = 3, stride = 2, padding = 1 },
  { type = "batch_norm" },
  { type = "activation" },
  { type = "average_pool" },
  { type = "conv", channels = 4, kernel = 2 },
  { type = "batch_norm" },
  { type = "activation" },
  { type = "flatten" },
  { type = "dense", features = 3 },
]
)",
                      "tiny.toml")
      .value();
}

TEST_P(Compiled, NetworksGiveTheLogitsOfTheirFloats) {
  Network network = testing::network_of(tiny(GetParam().second));
  network->eval();
  const auto graph = nn::read_onnx(nn::write_onnx(export_network(network, "tiny")), "tiny");
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  constexpr std::size_t kImages = 256;
  torch::manual_seed(9);
  const torch::Tensor images = torch::rand({static_cast<std::int64_t>(kImages), 1, 8, 8});
  const std::span<const float> pixels(images.data_ptr<float>(), static_cast<std::size_t>(images.numel()));
  compile::Options options;
  options.batch = 2048;
  options.calibration = pixels;
  const auto plan = compile::compile(*graph, options);
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  const std::vector<float> wanted = nn::run_reference(*graph, pixels, kImages);
  const auto given = run::run_clear(run::ClearModel(*plan), pixels, kImages);
  ASSERT_TRUE(given.ok()) << given.error().message;
  double squares = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    squares += std::pow(static_cast<double>(wanted[i]) - static_cast<double>((*given)[i]), 2);
  }
  // The plan predicts the error of encryption and of rounded weights; the twin has the second alone.
  EXPECT_LT(std::sqrt(squares / static_cast<double>(wanted.size())), 1.5 * plan->output.error_std);
}

std::vector<std::pair<std::string, std::string>> polynomials() {
  auto out = testing::activations();
  out.erase(out.begin());  // ReLU is none
  return out;
}
std::string name_of(const ::testing::TestParamInfo<std::pair<std::string, std::string>>& info) {
  return info.param.first;
}
INSTANTIATE_TEST_SUITE_P(Activations, Compiled, ::testing::ValuesIn(polynomials()), name_of);

}  // namespace
}  // namespace obscura::train
