// SPDX-License-Identifier: Apache-2.0
/// Golden plans: tests/plans/*.plan hold the text of plans, so that every change of the compiler shows as a diff.
/// To accept a change: OBSCURA_UPDATE_PLANS=1 build/dev/compile_test --gtest_filter='Golden*', then read the diff.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "compile/compile.h"
#include "networks.h"
#include "nn/onnx.h"

namespace obscura::compile {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void expect_golden(const std::string& name, const nn::Graph& graph, const Options& options) {
  const auto plan = compile(graph, options);
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  const std::string text = plan::to_text(plan.value());
  const fs::path path = fs::path(OBSCURA_SOURCE_DIR) / "tests" / "plans" / (name + ".plan");
  if (std::getenv("OBSCURA_UPDATE_PLANS") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  EXPECT_EQ(text, read(path)) << "the plan of '" << name << "' changed; if that is meant, see the top of this file";
}

TEST(Golden, SquareNetwork) {
  Net net({1, 12, 12});
  Attributes stride;
  stride.strides = {2, 2};
  const ValueId x = net.square(net.conv(0, 1, 2, 4, stride));
  net.dense(net.square(net.conv(x, 2, 4, 3)), 36, 5);
  expect_golden("square", net.finished(), {});
}

TEST(Golden, DegreeFourWithNormalisationAndPooling) {
  Net net({3, 8, 8});
  Attributes same;
  same.pads = {1, 1, 1, 1};
  const ValueId x = net.batch_norm(net.conv(0, 3, 4, 3, same), 4);
  const ValueId x2 = net.square(x);
  const ValueId curved = net.times(x2, 0.15F);  // first: compilers differ in the order of arguments
  const ValueId high = net.sum(net.times(net.square(x2), -0.002F), curved);
  const ValueId y = net.plus(net.sum(high, net.times(x, 0.5F)), 0.12F);
  Attributes pool;
  pool.kernel = {2, 2};
  pool.strides = {2, 2};
  net.dense(net.square(net.conv(net.node(Op::average_pool, {y}, pool), 4, 4, 3, same)), 64, 4);
  Options options;
  options.batch = 100;
  options.layout = LayoutChoice::batch;
  options.mean = {0.5, 0.5, 0.5};
  options.std = {0.25, 0.25, 0.25};
  expect_golden("degree4_pool", net.finished(), options);
}

TEST(Golden, QuadraticPerChannelWithResidual) {
  Net net({1, 6, 6});
  Attributes same;
  same.pads = {1, 1, 1, 1};
  const ValueId x = net.conv(0, 1, 3, 3, same);
  const ValueId curved = net.node(Op::mul, {net.square(x), net.numbers({3, 1, 1}, 0.05, 0.4)});
  const ValueId y = net.sum(curved, net.node(Op::mul, {x, net.numbers({3, 1, 1})}));
  net.dense(net.sum(net.conv(y, 3, 3, 3, same), y), 108, 4);
  expect_golden("quadratic_residual", net.finished(), {});
}

/// Those of models/ that compile in seconds.
TEST(Golden, ShippedNetworks) {
  const fs::path folder = fs::path(OBSCURA_SOURCE_DIR) / "models";
  if (!fs::exists(folder)) GTEST_SKIP() << "no networks are shipped with these sources";
  for (const std::string name :
       {"bccd", "cifar10-compact-element-kd", "fashion-quadratic", "mnist-square", "mnist-swish4", "pneumonia"}) {
    SCOPED_TRACE(name);
    const auto graph = nn::read_onnx_file(folder / (name + ".onnx"));
    ASSERT_TRUE(graph.ok()) << graph.error().message;
    expect_golden(name, graph.value(), {});
  }
}

}  // namespace
}  // namespace obscura::compile
