// SPDX-License-Identifier: Apache-2.0
/// What `inspect` says of ONNX files, and `compile` before it reads images; the options for what a file leaves open.
#include <cmath>

#include "program.h"
#include "tests/nn/graphs.h"

namespace obscura::cli {
namespace {

using nn::Op;
using ::testing::HasSubstr;
using ::testing::Not;

class Inspect : public ProgramTest {
 protected:
  /// 1x6x6, a convolution to two channels, `activation`, a dense layer.
  void write_network_with(const std::string& name,
                          const std::function<nn::ValueId(nn::Builder&, nn::ValueId)>& activation) const {
    nn::Builder net({1, kSide, kSide});
    const auto numbers = [&](nn::Shape shape) {
      const auto count = static_cast<std::size_t>(nn::element_count(shape));
      return net.constant(std::move(shape), std::vector<float>(count, 0.125F));
    };
    nn::Attributes window;
    window.kernel = {3, 3};
    const nn::ValueId x = activation(net, net.node(Op::conv, {0, numbers({2, 1, 3, 3}), numbers({2})}, window));
    net.node(Op::gemm, {net.flatten(x), numbers({32, kClasses})});
    ASSERT_TRUE(nn::infer_shapes(net.graph()).ok());
    net.graph().metadata.mean = {0.5};
    write(name, nn::write_onnx(net.graph()));
  }
};

TEST_F(Inspect, ShowsSizesAndThatANetworkCompilesAsItIs) {
  write_network_with("net.onnx", [](nn::Builder& net, nn::ValueId x) { return net.node(Op::mul, {x, x}); });
  const auto json = good({"inspect", "net.onnx", "--json"}).json();
  EXPECT_EQ(json.at("verdict"), "ready");
  EXPECT_EQ(json.at("parameters"), 18 + 2 + 96);
  EXPECT_EQ(json.at("multiply_adds"), 32 * 9 + 96);
  EXPECT_EQ(json.at("nodes").at(0).at("multiply_adds"), 288);
  EXPECT_EQ(json.at("nodes").at(1).at("form"), "polynomial of degree 2");
  const std::string text = good({"inspect", "net.onnx"}).out;
  for (const char* words : {"1x6x6", "mean 0.5", "2x4x4", "116 parameters", "384 multiply-adds", "compiles as it is"}) {
    EXPECT_THAT(text, HasSubstr(words));
  }
}

TEST_F(Inspect, NamesWhatStandsForFunctionsAndWhatCannotBeCompiled) {
  write_network_with("relu.onnx",
                     [](nn::Builder& net, nn::ValueId x) { return net.function(approx::Function::Kind::relu, x); });
  const std::string relu = good({"inspect", "relu.onnx"}).out;
  EXPECT_THAT(relu, HasSubstr("polynomial near relu"));
  EXPECT_THAT(relu, HasSubstr("verdict: compiles with polynomials in place of 1 Relu"));
  write_network_with("norm.onnx", [](nn::Builder& net, nn::ValueId x) { return net.node(Op::normalization, {x}); });
  const auto json = good({"inspect", "norm.onnx", "--json"}).json();
  EXPECT_EQ(json.at("verdict"), "never");
  EXPECT_TRUE(json.contains("obstacle"));
  EXPECT_THAT(json.at("sentence").get<std::string>(), HasSubstr("BatchNorm2d"));
}

TEST_F(Inspect, BoundsWhatEveryImageCanReach) {
  write_network_with("net.onnx", [](nn::Builder& net, nn::ValueId x) { return net.node(Op::mul, {x, x}); });
  const auto bounds = good({"inspect", "net.onnx", "--bounds", "--json"}).json().at("bounds");
  // Weights of 1/8, nine of them and a bias, over pixels from -0.5 to 0.5.
  const double bound = bounds.at("values").at(0).at("bound");
  EXPECT_NEAR(bound, 9 * 0.125 * 0.5 + 0.125, 1e-5);
  EXPECT_LE(bounds.at("values").at(0).at("seen").get<double>(), bound);
  EXPECT_EQ(bounds.at("values").size(), 2U);
  EXPECT_EQ(bounds.at("headroom"), std::ceil(bounds.at("bits").get<double>()) + 1);
  EXPECT_THAT(good({"inspect", "net.onnx", "--bounds"}).out, HasSubstr("holds every one of them"));
  EXPECT_FALSE(good({"inspect", "net.onnx", "--json"}).json().contains("bounds"));
  write_data_set();
  const auto of_some = good({"inspect", "net.onnx", "--bounds", "--calibrate", "mnist", "--data", "data",
                             "--calibration-images", "3", "--json"})
                           .json();
  EXPECT_EQ(of_some.at("bounds").at("images"), 3);
  write_network_with("relu.onnx",
                     [](nn::Builder& net, nn::ValueId x) { return net.function(approx::Function::Kind::relu, x); });
  refused({"inspect", "relu.onnx", "--bounds"}, {"Relu"});
}

TEST_F(Inspect, CompileRefusesTheNetworkBeforeItLooksForImages) {
  write_network_with("relu.onnx",
                     [](nn::Builder& net, nn::ValueId x) { return net.function(approx::Function::Kind::relu, x); });
  write_network_with("norm.onnx", [](nn::Builder& net, nn::ValueId x) { return net.node(Op::normalization, {x}); });
  refused({"compile", "relu.onnx", "-o", "x.plan"}, {"relu.onnx", "(Relu)", "--calibrate"}, "x.plan");
  refused({"compile", "norm.onnx", "-o", "x.plan", "--calibrate", "mnist", "--alpha", "7"},
          {"norm.onnx", "batch normalization", "obscura inspect norm.onnx"}, "x.plan");
  write_network_with("gate.onnx", [](nn::Builder& net, nn::ValueId x) {
    return net.node(Op::mul, {x, net.function(approx::Function::Kind::relu, x)});
  });
  refused({"compile", "gate.onnx", "-o", "x.plan", "--layout", "batch", "--calibrate", "mnist", "--alpha", "7"},
          {"image layout only"}, "x.plan");
}

TEST_F(Inspect, TakesWhatAFileLeavesOpenAndRefusesWhatIsNoNumber) {
  write_network();
  for (const char* verb : {"compile", "evaluate", "calibrate", "sweep", "inspect"}) {
    const std::string help = good({verb, "--help"}).out;
    for (const char* option : {"--output", "--input", "--shape"}) EXPECT_THAT(help, HasSubstr(option)) << verb;
  }
  for (const char* wrong : {"3x", "3x3q", "", "x3", "1,2"}) {
    EXPECT_EQ(run({"inspect", "net.onnx", "--shape", wrong}).status, 2) << wrong;
  }
  for (const char* wrong : {"x", "=3", "x=", "x=1,", "x=one"}) {
    EXPECT_EQ(run({"inspect", "net.onnx", "--input", wrong}).status, 2) << wrong;
  }
  refused({"inspect", "net.onnx", "--output", "absent"}, {"net.onnx", "no output 'absent'"});
  refused({"inspect", "net.onnx", "--shape", "1x9x9"}, {"net.onnx", "only where it is free"});
  const auto two = nn::shared_data() / "wild/minimal/two_outputs.onnx";
  if (!std::filesystem::exists(two)) GTEST_SKIP() << two << " is absent";
  const std::string message = run({"inspect", two.string()}).err;
  EXPECT_THAT(message, HasSubstr("--output NAME"));
  const std::size_t quote = message.find("outputs: '") + 10;
  const std::string first = message.substr(quote, message.find('\'', quote) - quote);
  EXPECT_THAT(good({"inspect", two.string(), "--output", first}).out, HasSubstr("verdict:"));
}

}  // namespace
}  // namespace obscura::cli
