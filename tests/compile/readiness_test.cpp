// SPDX-License-Identifier: Apache-2.0
#include "compile/readiness.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "networks.h"
#include "nn/onnx.h"
#include "nn/operators.h"
#include "tests/nn/strangers.h"

namespace obscura::compile {
namespace {

using approx::Function;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> forms(const Readiness& readiness) {
  std::vector<std::string> out;
  for (const NodeReadiness& node : readiness.nodes) out.push_back(node.form);
  return out;
}

std::string refusal(const nn::Graph& graph, LayoutChoice layout, bool approximated) {
  const auto ready = require_ready(graph, layout, approximated);
  return ready.ok() ? "" : ready.error().message;
}

TEST(Readiness, SquaresCompileAsTheyAre) {
  Net net({1, 6, 6});
  const ValueId x = net.square(net.batch_norm(net.conv(0, 1, 2, 3), 2));
  net.dense(net.plus(net.times(net.square(x), 0.5F), 1), 32, 3);
  const Readiness found = readiness(net.finished());
  EXPECT_EQ(found.verdict, Verdict::ready);
  EXPECT_EQ(found.sentence, "compiles as it is");
  EXPECT_EQ(found.image_only, "");
  EXPECT_THAT(forms(found),
              ElementsAre("linear", "factor and shift", "polynomial of degree 2", "polynomial of degree 4",
                          "polynomial of degree 4", "polynomial of degree 4", "polynomial of degree 4", "linear"));
  EXPECT_EQ(refusal(net.graph(), LayoutChoice::batch, false), "");
}

TEST(Readiness, ACubicWantsTheImageLayout) {
  Net net({1, 6, 6});
  net.dense(net.node(Op::pow, {net.conv(0, 1, 2, 3), net.number(3)}), 32, 3);
  const Readiness found = readiness(net.finished());
  EXPECT_EQ(found.verdict, Verdict::ready);
  EXPECT_THAT(found.image_only, HasSubstr("degree 3 (n1)"));
  EXPECT_THAT(found.sentence, HasSubstr("--layout image --batch 1"));
  EXPECT_EQ(refusal(net.graph(), LayoutChoice::automatic, false), "");
  EXPECT_THAT(refusal(net.graph(), LayoutChoice::batch, false), HasSubstr("image layout only"));
}

TEST(Readiness, FunctionsWantOptionsAndTheFirstOneIsNamedWhereTheyAreMissing) {
  Net net({1, 6, 6});
  const ValueId x = net.function(Function::Kind::relu, net.conv(0, 1, 2, 3));
  net.dense(net.function(Function::Kind::sigmoid, net.square(x)), 32, 3);
  const Readiness found = readiness(net.finished());
  EXPECT_EQ(found.verdict, Verdict::options);
  EXPECT_EQ(found.nodes[1].standing, Standing::approximation);
  EXPECT_EQ(found.nodes[1].form, "polynomial near relu");
  EXPECT_THAT(found.sentence, AllOf(HasSubstr("1 Relu, 1 Sigmoid"), HasSubstr("--alpha, --depth and --products")));
  EXPECT_THAT(refusal(net.graph(), LayoutChoice::image, false), HasSubstr("node 'n1' (Relu)"));
  EXPECT_EQ(refusal(net.graph(), LayoutChoice::image, true), "");
  EXPECT_EQ(refusal(net.graph(), LayoutChoice::batch, true), "");
}

TEST(Readiness, TheFirstNodeThatNeverCompilesIsTheObstacleAndAllAreListed) {
  Net net({2, 6, 6});
  const ValueId x = net.node(Op::lrn, {net.function(Function::Kind::relu, net.conv(0, 2, 2, 3))});
  const ValueId gate = net.function(Function::Kind::sigmoid, net.node(Op::global_average_pool, {x}));
  net.dense(net.product(x, gate), 32, 3);
  const Readiness found = readiness(net.finished());
  EXPECT_EQ(found.verdict, Verdict::never);
  EXPECT_EQ(found.obstacle, 2U);
  EXPECT_THAT(found.sentence, AllOf(HasSubstr("cannot be compiled: node 'n2' (LRN)"), HasSubstr("BatchNorm2d")));
  EXPECT_EQ(found.nodes[5].standing, Standing::exact);
  EXPECT_EQ(found.nodes[5].form, "product of two values");
  EXPECT_EQ(refusal(net.graph(), LayoutChoice::image, true), found.nodes[2].why);
}

TEST(Readiness, AGateWantsTheImageLayout) {
  Net net({2, 6, 6});
  const ValueId x = net.square(net.conv(0, 2, 2, 3));
  net.dense(net.product(x, net.node(Op::global_average_pool, {x})), 32, 3);
  const Readiness found = readiness(net.finished());
  EXPECT_EQ(found.verdict, Verdict::ready);
  EXPECT_THAT(found.sentence, AllOf(HasSubstr("for single images"), HasSubstr("(Mul): two values are multiplied")));
  EXPECT_EQ(refusal(net.graph(), LayoutChoice::image, false), "");
  EXPECT_THAT(refusal(net.graph(), LayoutChoice::batch, false), HasSubstr("image layout only"));
}

TEST(Readiness, AnUnsupportedPolynomialAtTheEndIsSeen) {
  Net net({1, 2, 2});
  const ValueId x = net.node(Op::reshape, {net.conv(0, 1, 4, 2)}, {.shape = {4}});
  const ValueId cubic = net.node(Op::pow, {x, net.number(3)});
  net.sum(net.node(Op::mul, {cubic, net.numbers({4})}), x);
  EXPECT_EQ(readiness(net.finished()).verdict, Verdict::never);
}

TEST(Readiness, SizesThatNothingHoldsAreRefusedBeforeMatricesAreMade) {
  Net wide({3, 224, 224});
  nn::Attributes stride;
  stride.strides = {8, 8};
  wide.dense(wide.conv(wide.conv(0, 3, 64, 1), 64, 1, 1, stride), 28 * 28, 2);
  EXPECT_THAT(refusal(wide.finished(), LayoutChoice::automatic, false),
              AllOf(HasSubstr("node 'n0' (Conv)"), HasSubstr("3211264 numbers"), HasSubstr("smaller images")));
  Net deep({3, 128, 128});
  ValueId x = deep.conv(0, 3, 64, 1);
  for (int k = 0; k < 8; ++k) x = deep.conv(x, 64, 64, 1);
  EXPECT_EQ(nn::element_count({64, 128, 128}), plan::kMaxLayoutElements);
  deep.dense(deep.node(Op::global_average_pool, {x}), 64, 2);
  EXPECT_THAT(refusal(deep.finished(), LayoutChoice::automatic, false),
              AllOf(HasSubstr("products for one image"), HasSubstr("fewer channels")));
  Net image({1, 2048, 1024});
  image.dense(image.node(Op::global_average_pool, {0}), 1, 2);
  EXPECT_THAT(refusal(image.finished(), LayoutChoice::automatic, false), HasSubstr("images of 1x2048x1024"));
  EXPECT_FALSE(compile(wide.graph(), {}).ok());
}

TEST(Readiness, APlaneWithMorePixelsThanSlotsHasNoImageLayout) {
  Net net({1, 260, 260});
  nn::Attributes stride;
  stride.strides = {8, 8};
  net.dense(net.node(Op::pow, {net.conv(0, 1, 1, 8, stride), net.number(3)}), 32 * 32, 2);
  const Readiness found = readiness(net.finished());
  EXPECT_EQ(found.verdict, Verdict::never);
  EXPECT_FALSE(found.obstacle.has_value());
  EXPECT_THAT(found.sentence, AllOf(HasSubstr("67600 pixels"), HasSubstr("65536 slots")));
}

TEST(Readiness, NetworksOfOthersHaveAVerdictEach) {
  std::ifstream file(nn::strangers() / "expected.json");
  if (!file) GTEST_SKIP() << nn::strangers() << " is absent";
  std::map<Verdict, int> verdicts;
  for (const auto& entry : nlohmann::json::parse(file)) {
    if (entry["kind"] != "classifier") continue;
    SCOPED_TRACE(entry["file"]);
    const auto graph = nn::read_onnx_file(nn::strangers() / entry["file"].get<std::string>());
    ASSERT_TRUE(graph.ok()) << graph.error().message;
    const Readiness found = readiness(*graph);
    ++verdicts[found.verdict];
    EXPECT_EQ(found.nodes.size(), graph->nodes.size());
    EXPECT_FALSE(found.sentence.empty());
    if (found.obstacle) {
      EXPECT_THAT(found.nodes[*found.obstacle].why, HasSubstr(nn::describe(graph->nodes[*found.obstacle])));
    }
    for (const NodeReadiness& node : found.nodes) EXPECT_FALSE(node.form.empty());
  }
  EXPECT_EQ(verdicts.size(), 3U) << "some compile, some do with options, some never do";
}

}  // namespace
}  // namespace obscura::compile
