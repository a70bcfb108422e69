// SPDX-License-Identifier: Apache-2.0
#include "compile/compile.h"

#include "networks.h"
#include "nn/onnx.h"
#include "plan/schedule.h"
#include "plan/verify.h"

namespace obscura::compile {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Net small_network() {
  Net net({1, 8, 8});
  const ValueId x = net.batch_norm(net.conv(0, 1, 3, 3), 3);
  const ValueId y = net.sum(net.times(net.square(x), 0.2F), net.times(x, 0.5F));
  net.dense(y, 108, 4);
  return net;
}

plan::Plan compiled(const nn::Graph& graph, const Options& options) {
  auto result = compile(graph, options);
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message);
  return result.ok() ? std::move(result).value() : plan::Plan{};
}

/// rms difference between the plan's integers on doubles and the reference.
double rounding_error(const nn::Graph& graph, const plan::Plan& plan, std::span<const float> images,
                      std::size_t count) {
  const std::vector<float> expected = nn::run_reference(graph, images, count);
  const std::size_t elements = images.size() / count;
  double total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto actual = interpret(plan, images.subspan(i * elements, elements));
    for (std::size_t c = 0; c < actual.size(); ++c) {
      const double difference = actual[c] - expected[i * actual.size() + c];
      total += difference * difference / static_cast<double>(expected.size());
    }
  }
  return std::sqrt(total);
}

TEST(Compile, PlanComputesTheNetworkWithinItsPredictedError) {
  Net net = small_network();
  const nn::Graph& graph = net.finished();
  const std::vector<float> images = random_images(graph, 50);
  Options options;
  options.calibration = images;
  const plan::Plan plan = compiled(graph, options);
  EXPECT_TRUE(plan::verify(plan).ok());
  const double error = rounding_error(graph, plan, images, 50);
  EXPECT_LE(error, plan.output.error_std) << "the prediction holds weight rounding and noise";
  EXPECT_GT(error, 0);
}

TEST(Compile, ReportsWhatItDoesAndEndsWhenAsked) {
  Net net = small_network();
  const nn::Graph& graph = net.finished();
  Options options;
  options.batch = 1;
  std::vector<std::string> seen;
  options.report = [&](const std::string& what, std::size_t done, std::size_t total) {
    EXPECT_LE(done, total) << what;
    if (seen.empty() || seen.back() != what) seen.push_back(what);
    return true;
  };
  ASSERT_TRUE(compile(graph, options).ok());
  EXPECT_THAT(seen, ::testing::IsSupersetOf({"layers", "measuring", "layouts", "parameters"}));
  for (const std::string& last : seen) {
    options.report = [&](const std::string& what, std::size_t, std::size_t) { return what != last; };
    const auto stopped = compile(graph, options);
    ASSERT_FALSE(stopped.ok()) << last;
    EXPECT_EQ(stopped.error().code, Code::cancelled) << last;
  }
}

TEST(Compile, OneImageIsSetBesideTheLeastThatABatchCosts) {
  Net net = small_network();
  Options options;
  options.batch = 1;
  const plan::Plan image = compiled(net.finished(), options);
  ASSERT_EQ(image.images_at_once(), 1U);
  double least = 0;
  const std::string& reason = image.reasons.front();
  const std::size_t at = reason.find("the batch layout, ");
  ASSERT_NE(at, std::string::npos) << reason;
  least = std::stod(reason.substr(at + 18));
  EXPECT_THAT(reason, HasSubstr("or more"));
  options.layout = LayoutChoice::batch;
  EXPECT_LE(least, compiled(net.finished(), options).predicted_seconds + 0.005);
  EXPECT_GE(least, image.predicted_seconds - 0.005);
}

TEST(Compile, AShortcutOfSlicesAndZerosAndAConcatAreOneLinearLayer) {
  Net net({2, 6, 6});
  const ValueId x = net.square(net.conv(0, 2, 3, 3, {.pads = {1, 1, 1, 1}}));
  const ValueId half = net.node(Op::slice, {x}, {.starts = {0, 0, 0}, .steps = {1, 2, 2}, .sizes = {3, 3, 3}});
  const ValueId wide = net.node(Op::pad, {half}, {.pads_before = {1, 0, 0}, .pads_after = {2, 0, 0}});
  const ValueId main = net.conv(x, 3, 6, 3, {.strides = {2, 2}, .pads = {1, 1, 1, 1}});
  net.dense(net.square(net.node(Op::concat, {net.sum(main, wide), wide})), 108, 4);
  const nn::Graph& graph = net.finished();
  const std::vector<float> images = random_images(graph, 50);
  Options options;
  options.calibration = images;
  const plan::Plan plan = compiled(graph, options);
  EXPECT_TRUE(plan::verify(plan).ok());
  EXPECT_LE(rounding_error(graph, plan, images, 50), plan.output.error_std);
}

TEST(Compile, ProbesGiveAPlanToo) {
  Net net = small_network();
  const plan::Plan plan = compiled(net.finished(), {});
  EXPECT_TRUE(plan::verify(plan).ok());
  EXPECT_GT(plan.output.error_std, 0);
  EXPECT_GT(plan.predicted_seconds, 0);
  EXPECT_GE(plan.predicted_bytes, plan::make_schedule(plan).peak_bytes);
  EXPECT_GE(plan.reasons.size(), 4u);
}

TEST(Compile, SmallerErrorBoundGivesAMorePrecisePlan) {
  Net net = small_network();
  const plan::Plan loose = compiled(net.finished(), {});
  Options options;
  options.max_error_std = loose.output.error_std / 4;
  const auto tight = compile(net.finished(), options);
  if (tight.ok()) {
    EXPECT_LE(tight.value().output.error_std, options.max_error_std);
  } else {
    EXPECT_EQ(tight.error().code, Code::infeasible);
  }
  options.max_error_std = 1e-12;
  const auto impossible = compile(net.finished(), options);
  ASSERT_FALSE(impossible.ok());
  EXPECT_EQ(impossible.error().code, Code::infeasible);
  EXPECT_THAT(impossible.error().message, AllOf(HasSubstr("1e-12"), HasSubstr("the best found is")));
}

TEST(Compile, HeadroomIsLeftAboveTheLargestLogit) {
  Net net = small_network();
  const std::vector<float> images = random_images(net.finished(), 50);
  Options options;
  options.calibration = images;
  std::vector<double> above;
  for (const int bits : {3, 10}) {
    options.headroom_bits = bits;
    const plan::Plan plan = compiled(net.finished(), options);
    double log2_modulus = 0;
    for (std::uint32_t i = 0; i < plan.steps.back().output.limbs; ++i) log2_modulus += std::log2(plan.params.chain[i]);
    above.push_back(log2_modulus - std::log2(plan.output.scale));
  }
  EXPECT_NEAR(above[1] - above[0], 7, 1e-6);
}

TEST(Compile, RingDegreeCanBeForced) {
  Net net = small_network();
  Options options;
  options.log2_degree = 14;
  const plan::Plan plan = compiled(net.finished(), options);
  EXPECT_EQ(plan.params.log2_degree, 14);
  options.log2_degree = ckks::kMaxLog2Degree + 1;
  EXPECT_EQ(compile(net.finished(), options).error().code, Code::wrong_params);
}

/// conv, degree 4 with these leading coefficients by channel and random others, dense.
Net quartic_network(std::vector<float> leading) {
  Net net({1, 6, 6});
  const ValueId x = net.conv(0, 1, 2, 3);
  const ValueId x2 = net.square(x);
  const ValueId fourth = net.node(Op::mul, {net.square(x2), net.constant({2, 1, 1}, std::move(leading))});
  net.dense(net.sum(fourth, net.node(Op::mul, {x2, net.numbers({2, 1, 1}, 0.1, 0.3)})), 32, 3);
  return net;
}

TEST(Compile, QuarticsByElementTakeTheLevelsOfOneForAllInTheImageLayout) {
  Options options;
  options.batch = 1;
  options.layout = LayoutChoice::image;
  const auto levels = [&](Net net) {
    const plan::Plan plan = compiled(net.finished(), options);
    return plan.input.limbs - plan.output.limbs;
  };
  EXPECT_EQ(levels(quartic_network({0.05F, -0.04F})), 3U);
  EXPECT_EQ(levels(quartic_network({0.05F, 0})), 3U);
  Net same({1, 6, 6});
  same.dense(same.square(same.square(same.conv(0, 1, 2, 3))), 32, 3);
  EXPECT_EQ(levels(std::move(same)), 3U);
}

TEST(Compile, BiasesFarAboveTheSpreadOfLogitsCostTheLastWeightsNoBits) {
  Net net({1, 6, 6});
  net.plus(net.dense(net.square(net.conv(0, 1, 2, 3)), 32, 3), 1000);
  Options options;
  options.batch = 1;
  options.layout = LayoutChoice::image;
  const plan::Plan plan = compiled(net.finished(), options);
  double last = 0;
  for (const plan::Step& step : plan.steps) {
    if (const auto* transform = std::get_if<plan::Transform>(&step.operation)) last = transform->plain_scale;
  }
  EXPECT_GT(last, 0x1p22) << "three slots of thousands have large numbers: coefficients stay far below 2^62";
}

TEST(Compile, ALeadingCoefficientOfZeroIsForTheImageLayout) {
  Net net = quartic_network({0.05F, 0});
  const nn::Graph& graph = net.finished();
  EXPECT_FALSE(plan::is_batch(compiled(graph, {}))) << "whatever the batch";
  Options options;
  options.layout = LayoutChoice::batch;
  const auto refused = compile(graph, options);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("degree 4 with a leading coefficient of 0 in some elements"));
}

TEST(Compile, NetworkWithoutActivationNeedsNoKey) {
  Net net({1, 4, 4});
  net.dense(0, 16, 3);
  const plan::Plan plan = compiled(net.finished(), {});
  EXPECT_FALSE(plan.keys.relinearization);
  EXPECT_EQ(plan.steps.size(), 1u);
}

TEST(Compile, PoolingMultipliesTheScaleByItsWindowAndRoundsNothing) {
  Net net({2, 8, 8});
  Attributes pool;
  pool.kernel = {2, 2};
  pool.strides = {2, 2};
  const ValueId y = net.node(Op::average_pool, {net.square(net.conv(0, 2, 4, 3))}, pool);
  net.dense(y, 36, 3);
  const plan::Plan plan = compiled(net.finished(), {});
  const auto found = std::find_if(plan.steps.begin(), plan.steps.end(), [](const plan::Step& step) {
    const auto* linear = std::get_if<plan::Linear>(&step.operation);
    return linear && linear->map.inputs == 144 && linear->map.outputs == 36;
  });
  ASSERT_NE(found, plan.steps.end());
  const auto& linear = std::get<plan::Linear>(found->operation);
  EXPECT_DOUBLE_EQ(linear.weight_scale, 4);
  ASSERT_EQ(linear.map.matrices.size(), 1u);
  EXPECT_EQ(linear.map.matrices[0].data, std::vector<std::int32_t>(4, 1));
}

TEST(Compile, WrongRequestsAreRefused) {
  Net net = small_network();
  const nn::Graph& graph = net.finished();
  const auto message = [&](const Options& options) {
    const auto result = compile(graph, options);
    EXPECT_FALSE(result.ok());
    if (result.ok()) return std::string();
    EXPECT_EQ(result.error().code, Code::wrong_params);
    return result.error().message;
  };
  Options options;
  options.batch = 0;
  EXPECT_THAT(message(options), HasSubstr("batch of 0"));
  options = {};
  options.mean = {0.1, 0.2};
  EXPECT_THAT(message(options), HasSubstr("mean 2 values for 1 channels"));
  options = {};
  options.std = {0};
  EXPECT_THAT(message(options), HasSubstr("deviation of 0"));
  options = {};
  options.max_error_std = -1;
  EXPECT_THAT(message(options), HasSubstr("largest error of -1"));
  options = {};
  options.headroom_bits = 41;
  EXPECT_THAT(message(options), HasSubstr("headroom of 41 bits; 0 to 40"));
  options = {};
  const std::vector<float> odd(63);
  options.calibration = odd;
  EXPECT_THAT(message(options), HasSubstr("63 calibration numbers; a multiple of 64"));
}

/// The first paper's networks, where they are at hand.
nn::Graph published(const std::string& name, bool& absent) {
  const auto path = nn::shared_data() / "ishiyama2020" / name;
  absent = !std::filesystem::exists(path);
  return absent ? nn::Graph{} : nn::read_onnx_file(path).value();
}

TEST(CompilePublished, DegreeFourNetworkTakesFourSquaresAndThreeRescales) {
  bool absent = false;
  const nn::Graph graph = published("mnist_CKKS-swish_rg6_deg4-BN-DA.onnx", absent);
  if (absent) GTEST_SKIP() << "the published networks are not at hand";
  const plan::Plan plan = compiled(graph, {});
  EXPECT_EQ(plan.params.chain.size(), 5u);
  EXPECT_EQ(plan.params.log2_degree, 14);
  EXPECT_EQ(plan.output.limbs, 2u);
  std::size_t squares = 0;
  std::size_t weights = 0;
  std::size_t last_relinearized = 0;
  for (const auto& step : plan.steps) {
    squares += std::holds_alternative<plan::Multiply>(step.operation);
    weights += std::holds_alternative<plan::Linear>(step.operation);
    EXPECT_FALSE(std::holds_alternative<plan::Rescale>(step.operation)) << "merged into relinearizations";
    if (std::holds_alternative<plan::Relinearize>(step.operation)) last_relinearized = step.output.elements;
  }
  EXPECT_EQ(squares + weights, 7u) << "the paper's own optimised form has 7 levels";
  EXPECT_EQ(last_relinearized, 10u) << "three parts stay through the dense layer";
  const std::vector<float> images = random_images(graph, 4);
  EXPECT_LE(rounding_error(graph, plan, images, 4), 4 * plan.output.error_std)
      << "uniform noise is not what was measured, but of its size";
}

TEST(CompilePublished, SquareNetworkTakesThreeLimbs) {
  bool absent = false;
  const nn::Graph graph = published("mnist_HCNN-DA.onnx", absent);
  if (absent) GTEST_SKIP() << "the published networks are not at hand";
  const plan::Plan plan = compiled(graph, {});
  EXPECT_EQ(plan.params.chain.size(), 3u);
  EXPECT_EQ(plan.params.log2_degree, 13);
  EXPECT_EQ(plan.steps.size(), 7u);
}

TEST(Compile, RefusesWhatLeavesNothingOfTheAnswer) {
  for (const int squares : {2, 3}) {
    Net net({1, 4, 4});
    ValueId x = net.dense(0, 16, 8);
    for (int k = 0; k < squares; ++k) x = net.dense(net.square(net.times(x, 30)), 8, 8);
    Options options;
    options.layout = LayoutChoice::batch;
    options.max_error_std = 1e60;
    const auto plan = compile(net.finished(), options);
    ASSERT_FALSE(plan.ok());
    EXPECT_EQ(plan.error().code, Code::infeasible);
    EXPECT_NE(plan.error().message.find("nothing would be left of the answer"), std::string::npos);
  }
}

}  // namespace
}  // namespace obscura::compile
