// SPDX-License-Identifier: Apache-2.0
#include "compile/answer.h"

#include <numeric>

#include "compile/compile.h"
#include "networks.h"

namespace obscura::compile {
namespace {

using nn::Ending;
using plan::AnswerFunction;
using plan::AnswerKind;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// 5 pixels -> `outputs` of squares.
nn::Graph network(std::int64_t outputs, Ending ending = Ending::none) {
  Net net({1, 1, 5});
  net.dense(net.square(net.flatten(0)), 5, outputs);
  nn::Graph graph = net.finished();
  graph.ending = ending;
  return graph;
}

AnswerKind kind_of(std::int64_t outputs, Ending ending) {
  return answer_of(network(outputs, ending), {}, {}).value().kind;
}

TEST(Answer, FollowsFromTheOutputsAndTheEndOfTheFile) {
  for (const auto ending : {Ending::none, Ending::softmax, Ending::log_softmax, Ending::argmax}) {
    EXPECT_EQ(kind_of(3, ending), AnswerKind::one);
  }
  EXPECT_EQ(kind_of(3, Ending::sigmoid), AnswerKind::several);
  EXPECT_EQ(kind_of(1, Ending::sigmoid), AnswerKind::binary);
  EXPECT_EQ(kind_of(1, Ending::none), AnswerKind::values);
  const auto softmax = answer_of(network(3, Ending::log_softmax), {}, {"a", "b", "c"}).value();
  EXPECT_EQ(softmax.function, AnswerFunction::log_softmax);
  EXPECT_THAT(softmax.class_names, ElementsAre("a", "b", "c"));
}

TEST(Answer, IsWhatIsAskedForWhereTheOutputsCanSayIt) {
  EXPECT_EQ(answer_of(network(3), AnswerKind::values, {}).value().kind, AnswerKind::values);
  EXPECT_EQ(answer_of(network(1), AnswerKind::binary, {}).value().function, AnswerFunction::none);
  const auto refused = answer_of(network(3), AnswerKind::binary, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::wrong_params);
  EXPECT_THAT(refused.error().message, HasSubstr("network 'test': the answer 'binary' with 3 outputs"));
  EXPECT_FALSE(answer_of(network(1, Ending::softmax), {}, {}).ok());
  EXPECT_FALSE(answer_of(network(3), {}, {"alone"}).ok());
}

TEST(Answer, OfAPlanIsThatOfTheOptions) {
  Options options;
  options.answer = AnswerKind::several;
  options.class_names = {"a", "b", "c"};
  const auto plan = compile(network(3), options).value();
  EXPECT_EQ(plan.output.answer, (plan::AnswerSpec{AnswerKind::several, AnswerFunction::none, {"a", "b", "c"}}));
  EXPECT_THAT(plan::to_text(plan), HasSubstr("answer   several of 3, function none; classes a, b, c\n"));
}

TEST(Statistics, HaveTheDeviationOfEachOutputOverTheImages) {
  // Two outputs far from 0: x0^2 + 1000 and -3 x1^2, over 40 images (three batches) with x = k / 40.
  Net net({1, 1, 2});
  const ValueId squares = net.square(net.flatten(0));
  const ValueId weights = net.constant({2, 2}, {1, 0, 0, -3}), bias = net.constant({2}, {1000, 0});
  net.node(Op::gemm, {squares, weights, bias});
  std::vector<float> images;
  std::vector<double> of_first;
  for (int k = 0; k < 40; ++k) {
    images.insert(images.end(), 2, static_cast<float>(k) / 40);
    of_first.push_back(static_cast<double>(images.back()) * static_cast<double>(images.back()));
  }
  const double mean = std::accumulate(of_first.begin(), of_first.end(), 0.0) / 40;
  double squared = 0;
  for (const double x : of_first) squared += (x - mean) * (x - mean) / 40;
  const auto monic = make_monic(fuse(net.finished(), {}).value(), Quartics::squared).value();
  const Statistics statistics = measure(monic, {images, 2});
  EXPECT_EQ(statistics.images, 40U);
  EXPECT_THAT(statistics.output_mean, ElementsAre(DoubleNear(1000 + mean, 1e-9), DoubleNear(-3 * mean, 1e-9)));
  EXPECT_THAT(statistics.output_deviation,
              ElementsAre(DoubleNear(std::sqrt(squared), 1e-9), DoubleNear(3 * std::sqrt(squared), 1e-9)));
}

TEST(Spread, OfLabelsIsWithinAnImageAndOfOthersOverTheImages) {
  Statistics statistics;
  statistics.max_logit = 100;
  statistics.logit_deviation = 7;
  statistics.output_deviation = {2, 5, 0};
  EXPECT_EQ(spread_of(statistics, AnswerKind::one), 7);
  for (const auto kind : {AnswerKind::several, AnswerKind::binary, AnswerKind::values}) {
    EXPECT_EQ(spread_of(statistics, kind), 2) << "the least of those that vary";
  }
  statistics.output_deviation = {1e-3, 6.4};
  EXPECT_EQ(spread_of(statistics, AnswerKind::values), 0.1) << "a 64th of the most";
}

TEST(Spread, IsNeverZero) {
  Statistics statistics;
  statistics.max_logit = 12;
  statistics.output_deviation = {1e-12};
  for (const auto kind : {AnswerKind::one, AnswerKind::values}) EXPECT_EQ(spread_of(statistics, kind), 12);
  statistics.max_logit = 0;
  statistics.output_deviation = {0};
  for (const auto kind : {AnswerKind::one, AnswerKind::values}) EXPECT_EQ(spread_of(statistics, kind), 1);
}

TEST(Compile, ANetworkWithOneOutputIsAsPreciseAsItsOutputVaries) {
  const nn::Graph graph = network(1);
  const std::vector<float> images = random_images(graph, 50);
  Options options;
  options.calibration = images;
  const auto plan = compile(graph, options);
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  const std::vector<float> outputs = nn::run_reference(graph, images, 50);
  double mean = 0, squares = 0;
  for (const float x : outputs) mean += x / 50.0;
  for (const float x : outputs) squares += (x - mean) * (x - mean) / 50;
  EXPECT_GT(plan.value().output.error_std, 0);
  EXPECT_LT(plan.value().output.error_std, std::sqrt(squares) / 500);
}

/// `outputs` numbers that are the same for every image.
nn::Graph constant_network(std::int64_t outputs, float constant) {
  Net net({1, 1, 5});
  const ValueId x = net.square(net.flatten(0));
  const std::vector<float> none(static_cast<std::size_t>(5 * outputs), 0);
  const std::vector<float> bias(static_cast<std::size_t>(outputs), constant);
  net.node(Op::gemm, {x, net.constant({5, outputs}, none), net.constant({outputs}, bias)});
  return net.finished();
}

TEST(Compile, ANetworkWhoseOutputsAreConstantIsAsPreciseAsTheyAreLarge) {
  for (const std::int64_t outputs : {1, 2}) {
    const auto plan = compile(constant_network(outputs, 3), {});
    ASSERT_TRUE(plan.ok()) << outputs << ": " << plan.error().message;
    EXPECT_LT(plan.value().output.error_std, 3.0 / 500);
  }
}

TEST(Compile, ANetworkWhoseOutputsAreAlwaysZeroIsRefusedForThat) {
  for (const std::int64_t outputs : {1, 2}) {
    const auto plan = compile(constant_network(outputs, 0), {});
    ASSERT_FALSE(plan.ok());
    EXPECT_THAT(plan.error().message, HasSubstr("network 'test': its outputs are 0 for all of the 32 images"));
  }
}

}  // namespace
}  // namespace obscura::compile
