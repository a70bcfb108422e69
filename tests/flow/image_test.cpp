// SPDX-License-Identifier: Apache-2.0
/// Networks in the image layout three ways: in floating point, on the plaintext simulator, on ciphertexts.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "../compile/residual.h"
#include "client/client.h"
#include "compile/compile.h"
#include "compile/cost/transform.h"
#include "deviation.h"
#include "nn/onnx.h"
#include "plan/keys.h"
#include "run/ckks_backend.h"
#include "run/clear_backend.h"
#include "server/server.h"
#include "wire/plan_frame.h"

namespace obscura {
namespace {

using compile::Net;
using nn::Op;
using nn::ValueId;

std::vector<float> random_pixels(std::size_t count) {
  std::mt19937 engine(5);
  std::vector<float> pixels(count);
  for (auto& p : pixels) p = static_cast<float>(engine() & 255U) / 255;
  return pixels;
}

/// Through the wire format, as a server gets it.
wire::NamedPlan named(const plan::Plan& plan) {
  auto read = wire::read_plan(wire::write_plan(plan), "test.plan");
  if (!read) throw std::runtime_error(read.error().message);
  return std::move(read).value();
}

struct ThreeWays {
  plan::Plan plan;
  double clear = 0;      ///< deviation of the plaintext simulator's logits from the reference's
  double encrypted = 0;  ///< of the decrypted ones
};

/// Compiled for so many images at once, calibrated on the images that it is then asked about.
ThreeWays run_three_ways(const nn::Graph& graph, std::size_t images = 4, std::uint32_t at_once = 1,
                         std::optional<ckks::RingType> ring = {}, std::optional<std::uint64_t> keys = {},
                         std::uint64_t memory = compile::Options().memory) {
  const nn::Shape& shape = graph.values[graph.input].shape;
  const auto elements = static_cast<std::size_t>(nn::element_count(shape));
  const auto pixels = random_pixels(images * elements);
  plan::InputSpec input;
  input.channels = static_cast<std::uint32_t>(shape[0]);
  input.height = static_cast<std::uint32_t>(shape[1]);
  input.width = static_cast<std::uint32_t>(shape[2]);
  input.mean.assign(input.channels, 0);
  input.std.assign(input.channels, 1);
  const auto floats = client::normalise(input, pixels);
  compile::Options options;
  options.batch = at_once;
  options.max_key_bytes = keys;
  options.memory = memory;
  options.layout = compile::LayoutChoice::image;
  options.ring = ring;
  options.calibration = floats;
  auto compiled = compile::compile(graph, options);
  if (!compiled.ok()) throw std::runtime_error(compiled.error().message);
  const wire::NamedPlan network = named(compiled.value());
  const auto expected = nn::run_reference(graph, floats, images);
  ThreeWays out{network.plan, 0, 0};
  out.clear = deviation(expected, run::run_clear(run::ClearModel(network.plan), floats, images).value());
  const auto client = client::Client::generate(wire::make_offer(network)).value();
  const auto session = server::Session::make(network, client.make_eval_keys()).value();
  std::vector<float> logits;
  for (std::size_t i = 0; i < images; i += network.plan.images_at_once()) {
    const std::size_t count = std::min<std::size_t>(network.plan.images_at_once(), images - i);
    const auto inputs = client.encrypt(std::span(pixels).subspan(i * elements, count * elements)).value();
    const auto outputs = session.run_batch(inputs).value();
    const auto some = client.decrypt(outputs, count);
    logits.insert(logits.end(), some.begin(), some.end());
  }
  out.encrypted = deviation(expected, logits);
  return out;
}

/// The plan's predicted error holds, for few logits: within a factor that covers their spread.
void expect_as_predicted(const ThreeWays& ways) {
  const double predicted = ways.plan.output.error_std;
  EXPECT_LT(ways.clear, 2 * predicted);
  EXPECT_LT(ways.encrypted, 2 * predicted);
}

TEST(Image, ADenseLayerAlone) {
  Net net({1, 6, 6});
  net.dense(0, 36, 5);
  expect_as_predicted(run_three_ways(net.finished()));
}

TEST(Image, AStridedConvolutionASquareAndADenseLayer) {
  Net net({1, 12, 12});
  net.dense(net.square(net.conv(0, 1, 5, 5, {.strides = {2, 2}})), 80, 10);
  expect_as_predicted(run_three_ways(net.finished()));
}

TEST(Image, OneRowOfPixelsAndOnePixel) {
  Net row({1, 1, 16});  // as many pixels as positions of a block: a second row would begin past its end
  row.dense(row.square(row.conv(0, 1, 3, 3, {.pads = {1, 1, 1, 1}})), 48, 5);
  expect_as_predicted(run_three_ways(row.finished()));
  Net column({1, 16, 1});
  column.dense(column.square(column.conv(0, 1, 3, 3, {.pads = {1, 1, 1, 1}})), 48, 5);
  expect_as_predicted(run_three_ways(column.finished()));
  Net pixel({1, 1, 1});
  pixel.dense(pixel.square(pixel.dense(0, 1, 4)), 4, 3);
  expect_as_predicted(run_three_ways(pixel.finished()));
}

TEST(Image, TheConjugateInvariantRingNeedsNoConjugation) {
  Net net({1, 12, 12});
  const ValueId x = net.square(net.conv(0, 1, 5, 5, {.strides = {2, 2}}));
  nn::Attributes pool;
  pool.kernel = {2, 2};
  pool.strides = {2, 2};
  net.dense(net.square(net.conv(net.node(Op::average_pool, {x}, pool), 5, 7, 1, {})), 28, 10);
  const nn::Graph graph = net.finished();
  for (const std::uint32_t at_once : {1U, 4U}) {
    const ThreeWays ways = run_three_ways(graph, 4, at_once, ckks::RingType::conjugate_invariant);
    EXPECT_EQ(ways.plan.params.ring, ckks::RingType::conjugate_invariant);
    EXPECT_EQ(plan::slots(ways.plan), std::uint64_t{1} << ways.plan.params.log2_degree);
    EXPECT_EQ(ways.plan.keys.conjugation, 0U);
    EXPECT_FALSE(ways.plan.keys.rotations.empty());
    expect_as_predicted(ways);
  }
}

TEST(Image, PaddingGroupsAndDilation) {
  Net net({2, 8, 8});
  const ValueId x = net.square(net.conv(0, 2, 4, 3, {.pads = {1, 1, 1, 1}}));
  const ValueId y = net.square(net.conv(x, 4, 6, 3, {.dilations = {2, 2}, .pads = {2, 2, 2, 2}, .groups = 2}));
  net.dense(y, 384, 3);
  expect_as_predicted(run_three_ways(net.finished()));
}

TEST(Image, AQuarticActivationAndAnAveragePooling) {
  Net net({1, 8, 8});
  const ValueId x = net.conv(0, 1, 4, 3, {.pads = {1, 1, 1, 1}});
  const ValueId x2 = net.square(x);
  const ValueId y = net.sum(net.sum(net.times(net.square(x2), 0.05F), net.times(x2, 0.2F)), net.times(x, 0.5F));
  nn::Attributes pool;
  pool.kernel = {2, 2};
  pool.strides = {2, 2};
  const ValueId z = net.square(net.conv(net.node(Op::average_pool, {y}, pool), 4, 8, 3, {.pads = {1, 1, 1, 1}}));
  net.dense(z, 128, 4);
  const ThreeWays ways = run_three_ways(net.finished());
  expect_as_predicted(ways);
  std::size_t transforms = 0;
  for (const auto& step : ways.plan.steps) transforms += std::holds_alternative<plan::Transform>(step.operation);
  EXPECT_EQ(transforms, 3U) << "the pooling is sums alone";
}

/// Channels that a squeeze of the whole image opens (squeeze-and-excitation).
ValueId excited(Net& net, ValueId x, std::int64_t channels) {
  const ValueId squeezed = net.square(net.dense(net.node(Op::global_average_pool, {x}), channels, 2));
  return net.product(x, net.node(Op::reshape, {net.dense(squeezed, 2, channels)}, {.shape = {channels, 1, 1}}));
}

TEST(Image, AGateOfEachChannel) {
  Net net({1, 8, 8});
  const ValueId x = net.square(net.conv(0, 1, 4, 3, {.pads = {1, 1, 1, 1}}));
  const ValueId y = net.square(net.conv(excited(net, x, 4), 4, 4, 3, {.strides = {2, 2}, .pads = {1, 1, 1, 1}}));
  net.dense(excited(net, y, 4), 64, 4);
  const ThreeWays ways = run_three_ways(net.finished());
  expect_as_predicted(ways);
  EXPECT_GT(ways.encrypted, ways.plan.output.error_std / 16) << "a prediction far too large";
}

TEST(Image, AProductOfHalvesOfTheChannelsAndASumBesideIt) {
  Net net({1, 6, 6});
  const ValueId x = net.conv(0, 1, 4, 3, {.pads = {1, 1, 1, 1}});
  const auto half = [&](std::int64_t first) {
    return net.node(Op::slice, {x}, {.starts = {first, 0, 0}, .steps = {1, 1, 1}, .sizes = {2, 6, 6}});
  };
  const ValueId y = net.sum(net.product(half(0), half(2)), net.conv(0, 1, 2, 1));
  net.dense(net.square(y), 72, 3);
  expect_as_predicted(run_three_ways(net.finished()));
}

/// Of degree 4 with numbers of `shape`, of which the leading ones are given.
ValueId quartic(Net& net, ValueId x, const nn::Shape& shape, std::vector<float> leading) {
  const auto times = [&](ValueId power, double low, double high) {
    return net.node(Op::mul, {power, net.numbers(shape, low, high)});
  };
  const ValueId x2 = net.square(x);
  const ValueId fourth = net.node(Op::mul, {net.square(x2), net.constant(shape, std::move(leading))});
  const ValueId high = net.sum(fourth, times(net.product(x2, x), -0.05, 0.05));
  const ValueId low = net.sum(times(x2, -0.3, 0.3), times(x, -0.6, 0.6));
  return net.node(Op::add, {net.sum(high, low), net.numbers(shape, -0.2, 0.2)});
}

TEST(Image, PowersOfOtherDegreesAreThemselvesOnAnInterval) {
  for (const float exponent : {3.0F, 5.0F, 8.0F}) {
    SCOPED_TRACE(exponent);
    Net net({1, 6, 6});
    const ValueId x = net.batch_norm(net.conv(0, 1, 2, 3), 2);
    net.dense(net.batch_norm(net.node(Op::pow, {x, net.number(exponent)}), 2), 32, 3);
    const ThreeWays ways = run_three_ways(net.finished());
    expect_as_predicted(ways);
    std::size_t polynomials = 0;
    for (const auto& step : ways.plan.steps) {
      const auto* polynomial = std::get_if<plan::Polynomial>(&step.operation);
      if (polynomial == nullptr) continue;
      ++polynomials;
      ASSERT_EQ(polynomial->stages.size(), 1U);
      EXPECT_EQ(polynomial->stages[0].coefficients.size(), static_cast<std::size_t>(exponent) + 1);
    }
    EXPECT_EQ(polynomials, 1U);
  }
}

TEST(Image, ACubicIsOneOfManyThatFollowEachOther) {
  Net net({2, 4, 4});
  const auto cubic = [&](ValueId x) {
    return net.sum(net.sum(net.times(net.node(Op::pow, {x, net.number(3)}), 0.2F), net.times(net.square(x), -0.3F)), x);
  };
  const ValueId x = cubic(net.conv(0, 2, 3, 3, {.pads = {1, 1, 1, 1}}));
  const ValueId y = net.square(net.conv(x, 3, 3, 3, {.pads = {1, 1, 1, 1}}));
  net.dense(cubic(net.sum(net.conv(y, 3, 3, 1), x)), 48, 3);
  expect_as_predicted(run_three_ways(net.finished()));
}

TEST(Image, MovedAndRepeatedElements) {
  Net net({4, 6, 6});
  const ValueId x = net.square(net.conv(0, 4, 4, 3, {.pads = {1, 1, 1, 1}}));
  const ValueId groups = net.node(Op::reshape, {x}, {.shape = {2, 2, 6, 6}});
  const ValueId shuffled = net.node(Op::transpose, {groups}, {.permutation = {1, 0, 2, 3}});
  const ValueId mixed = net.node(Op::reshape, {shuffled}, {.shape = {4, 6, 6}});
  const ValueId turned = net.node(Op::transpose, {mixed}, {.permutation = {0, 2, 1}});
  const ValueId y = net.conv(turned, 4, 4, 3, {.strides = {2, 2}, .pads = {1, 1, 1, 1}, .groups = 2});
  const ValueId mean = net.node(Op::global_average_pool, {y});
  const ValueId z = net.square(net.sum(y, net.times(mean, -1)));
  // Twice the channels of half the rows, of which a pool reads windows.
  const ValueId cut = net.node(
      Op::reshape, {net.node(Op::pad, {z}, {.pads_before = {0, 1, 1}, .pads_after = {0, 0, 0}})}, {.shape = {8, 2, 4}});
  const ValueId pooled = net.node(Op::average_pool, {cut}, {.kernel = {2, 2}, .strides = {2, 2}});
  net.dense(net.square(net.conv(pooled, 8, 3, 1)), 6, 3);
  expect_as_predicted(run_three_ways(net.finished()));
}

TEST(Image, AReshapeAloneIsTheIdentity) {
  Net net({1, 2, 3});
  net.flatten(0);
  expect_as_predicted(run_three_ways(net.finished()));
}

/// Products of two different values.
std::size_t products(const plan::Plan& plan) {
  std::size_t count = 0;
  for (const auto& step : plan.steps) {
    const auto* product = std::get_if<plan::Multiply>(&step.operation);
    count += product != nullptr && product->a != product->b ? 1 : 0;
  }
  return count;
}

TEST(Image, AQuarticWithNumbersForEachElement) {
  Net net({1, 8, 8});
  std::vector<float> leading(72);
  float sign = 0.05F;
  for (float& number : leading) number = (sign = -1.01F * sign);
  net.dense(quartic(net, net.conv(0, 1, 2, 3), {2, 6, 6}, leading), 72, 3);
  const ThreeWays ways = run_three_ways(net.finished());
  expect_as_predicted(ways);
  EXPECT_EQ(products(ways.plan), 1U) << "x b alone: no leading coefficient is near 0";
}

TEST(Image, AQuarticWithLeadingNumbersOfZeroInSomeElements) {
  Net net({1, 8, 8});
  std::vector<float> leading(72, 0.05F);
  for (std::size_t i = 0; i < leading.size(); i += 3) leading[i] = 0;
  net.dense(quartic(net, net.conv(0, 1, 2, 3), {2, 6, 6}, leading), 72, 3);
  const ThreeWays ways = run_three_ways(net.finished());
  expect_as_predicted(ways);
  EXPECT_EQ(products(ways.plan), 3U) << "x a, u v and x b";
}

TEST(Image, AQuarticWithoutASquareTermHasItsLinearTermFromATransform) {
  Net net({1, 6, 6});
  const ValueId x = net.conv(0, 1, 3, 3);
  const ValueId x2 = net.square(x);
  const ValueId fourth = net.node(Op::mul, {net.square(x2), net.constant({3, 1, 1}, {0.1F, 0, -0.05F})});
  net.dense(net.sum(fourth, net.node(Op::mul, {x, net.numbers({3, 1, 1}, 0.4, 0.6)})), 48, 3);
  const ThreeWays ways = run_three_ways(net.finished());
  expect_as_predicted(ways);
  EXPECT_EQ(products(ways.plan), 2U) << "x a and u v";
}

TEST(Image, ACiphertextMayHaveLeadingNumbersOfZeroAlone) {
  Net net({3, 32, 32});
  std::vector<float> leading(20, 0.02F);
  std::fill(leading.begin(), leading.begin() + 8, 0.0F);
  std::fill(leading.end() - 8, leading.end(), 0.0F);
  const ValueId y = quartic(net, net.conv(0, 3, 20, 3, {.pads = {1, 1, 1, 1}}), {20, 1, 1}, leading);
  nn::Attributes pool;
  pool.kernel = {2, 2};
  pool.strides = {2, 2};
  net.dense(net.node(Op::average_pool, {y}, pool), 20 * 256, 5);
  const ThreeWays ways = run_three_ways(net.finished(), 1);
  expect_as_predicted(ways);
  EXPECT_GT(ways.plan.steps[0].output.elements, 1U);
}

TEST(Image, QuarticsOfChannelsAfterASumThatSeveralRead) {
  Net net({2, 4, 4});
  const ValueId x = quartic(net, net.conv(0, 2, 4, 3, {.pads = {1, 1, 1, 1}}), {4, 1, 1}, {0, 0.02F, -0.03F, 1e-5F});
  const ValueId sum = net.sum(net.conv(x, 4, 4, 3, {.pads = {1, 1, 1, 1}}), net.conv(x, 4, 4, 1));
  const ValueId y = quartic(net, sum, {4, 1, 1}, {0.01F, 0, 0.005F, 0});
  net.dense(net.node(Op::global_average_pool, {y}), 4, 3);
  expect_as_predicted(run_three_ways(net.finished(), 2));
}

TEST(Image, AShortcutOfSlicesAndZerosAndAConcat) {
  Net net({2, 6, 6});
  const ValueId x = net.square(net.conv(0, 2, 3, 3, {.pads = {1, 1, 1, 1}}));
  const ValueId half = net.node(Op::slice, {x}, {.starts = {0, 0, 0}, .steps = {1, 2, 2}, .sizes = {3, 3, 3}});
  const ValueId wide = net.node(Op::pad, {half}, {.pads_before = {1, 0, 0}, .pads_after = {2, 0, 0}});
  const ValueId main = net.conv(x, 3, 6, 3, {.strides = {2, 2}, .pads = {1, 1, 1, 1}});
  net.dense(net.square(net.node(Op::concat, {net.sum(main, wide), wide})), 108, 4);
  expect_as_predicted(run_three_ways(net.finished()));
}

TEST(Image, SeveralCiphertexts) {
  Net net({3, 32, 32});
  const ValueId x = net.square(net.conv(0, 3, 12, 3, {.pads = {1, 1, 1, 1}}));
  nn::Attributes pool;
  pool.kernel = {2, 2};
  pool.strides = {2, 2};
  net.dense(net.node(Op::average_pool, {x}, pool), 12 * 256, 5);
  const ThreeWays ways = run_three_ways(net.finished(), 1);
  expect_as_predicted(ways);
  EXPECT_GT(ways.plan.steps[0].output.elements, 1U);
}

/// Diagonals are encoded for all images as one, which pays where memory keeps few of them. Ten images in runs of eight.
TEST(Image, SeveralImagesOneAfterTheOther) {
  Net net({3, 16, 16});
  const ValueId x = net.square(net.conv(0, 3, 32, 3, {.strides = {2, 2}, .pads = {1, 1, 1, 1}}));
  nn::Attributes pool;
  pool.kernel = {2, 2};
  pool.strides = {2, 2};
  const ValueId y = net.node(Op::average_pool, {net.square(net.conv(x, 32, 64, 3, {.pads = {1, 1, 1, 1}}))}, pool);
  net.dense(net.square(net.conv(y, 64, 16, 3, {.pads = {1, 1, 1, 1}})), 256, 10);
  const ThreeWays ways = run_three_ways(net.finished(), 10, 8, {}, {}, std::uint64_t{600} << 20U);
  EXPECT_EQ(ways.plan.images_at_once(), 8U);
  EXPECT_EQ(ways.plan.input.layout.sharing.stride, plan::slots(ways.plan) / 8);
  EXPECT_EQ(ways.plan.output.layout.sharing, ways.plan.input.layout.sharing);
  expect_as_predicted(ways);
}

/// Six images in runs of four: the last run is half empty.
TEST(Image, SeveralImagesShareCiphertexts) {
  Net net({2, 8, 8});
  const ValueId x = net.square(net.conv(0, 2, 4, 3, {.pads = {1, 1, 1, 1}}));
  nn::Attributes pool;
  pool.kernel = {2, 2};
  pool.strides = {2, 2};
  const ValueId y = net.conv(net.node(Op::average_pool, {x}, pool), 4, 4, 3, {.pads = {1, 1, 1, 1}});
  net.dense(net.square(net.square(y)), 64, 5);
  const ThreeWays ways = run_three_ways(net.finished(), 6, 4);
  EXPECT_EQ(ways.plan.images_at_once(), 4U);
  EXPECT_EQ(ways.plan.batch, 4U);
  expect_as_predicted(ways);
}

TEST(Image, RotationKeysAreThoseOfTheSteps) {
  Net net({1, 8, 8});
  net.dense(net.square(net.conv(0, 1, 2, 3)), 72, 3);
  const ThreeWays ways = run_three_ways(net.finished(), 1);
  plan::Plan plan = ways.plan;
  ASSERT_FALSE(plan.keys.rotations.empty());
  plan.keys.rotations.erase(plan.keys.rotations.begin());
  EXPECT_FALSE(wire::read_plan(wire::write_plan(plan), "test.plan").ok());
}

TEST(Image, WideLayersTakeDiagonalsInPairs) {
  Net net({2, 16, 16});
  const ValueId x = net.square(net.conv(0, 2, 8, 3, {.pads = {1, 1, 1, 1}}));
  net.dense(net.square(net.conv(x, 8, 8, 3, {.pads = {1, 1, 1, 1}})), 2048, 5);
  const ThreeWays ways = run_three_ways(net.finished(), 1);
  expect_as_predicted(ways);
  const plan::Plan& plan = ways.plan;
  std::size_t pairs = 0;
  for (std::size_t k = 0; k < plan.steps.size(); ++k) {
    const auto* transform = std::get_if<plan::Transform>(&plan.steps[k].operation);
    if (transform == nullptr || transform->split.pair == 0) continue;
    ++pairs;
    plan::Plan other = plan;
    std::get<plan::Transform>(other.steps[k].operation).split.pair = static_cast<std::int64_t>(plan::slots(plan));
    EXPECT_FALSE(wire::read_plan(wire::write_plan(other), "test.plan").ok());
  }
  EXPECT_GT(pairs, 0U);
  EXPECT_GT(plan.keys.conjugation, 0U);
  for (const std::uint32_t limbs : {std::uint32_t{0}, plan.keys.conjugation + 1, std::uint32_t{1} << 20}) {
    plan::Plan other = plan;
    other.keys.conjugation = limbs;
    EXPECT_FALSE(wire::read_plan(wire::write_plan(other), "test.plan").ok()) << limbs;
  }
}

TEST(Image, EverythingStaysWithinTheMemoryThatIsAllowed) {
  Net net({1, 12, 12});
  const ValueId x = net.square(net.conv(0, 1, 4, 3, {.pads = {1, 1, 1, 1}}));
  net.dense(net.square(net.conv(x, 4, 4, 3, {.pads = {1, 1, 1, 1}})), 576, 10);
  compile::Options options;
  options.batch = 1;
  options.layout = compile::LayoutChoice::image;
  const plan::Plan fastest = compile::compile(net.finished(), options).value();
  EXPECT_GT(fastest.kept_bytes, 0U);
  EXPECT_EQ(fastest.value_bytes, plan::make_schedule(fastest).peak_bytes);
  EXPECT_LE(fastest.predicted_bytes, options.memory);
  // Fewer kept diagonals first, and they take time.
  options.memory = fastest.predicted_bytes - fastest.kept_bytes / 2;
  const plan::Plan smaller = compile::compile(net.finished(), options).value();
  EXPECT_LE(smaller.predicted_bytes, options.memory);
  EXPECT_GE(smaller.predicted_seconds, fastest.predicted_seconds);
  options.memory = 1'000'000;
  const auto none = compile::compile(net.finished(), options);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Code::infeasible);
  EXPECT_NE(none.error().message.find("0.00 GB of memory are too little for one image at a time: "), std::string::npos)
      << none.error().message;
  EXPECT_NE(none.error().message.find("give more (--memory)"), std::string::npos) << none.error().message;
}

TEST(Image, KeysStayWithinWhatIsAllowed) {
  Net net({1, 12, 12});
  const ValueId x = net.square(net.conv(0, 1, 4, 3, {.pads = {1, 1, 1, 1}}));
  const ValueId y = net.square(net.conv(x, 4, 4, 3, {.pads = {1, 1, 1, 1}}));
  net.dense(net.square(net.conv(y, 4, 4, 3, {.pads = {1, 1, 1, 1}})), 576, 10);
  compile::Options options;
  options.batch = 1;
  options.layout = compile::LayoutChoice::image;
  options.max_error_std = 0.005;
  const plan::Plan fastest = compile::compile(net.finished(), options).value();
  const std::uint64_t keys = plan::server_key_bytes(fastest, nullptr);
  options.max_key_bytes = keys * 19 / 20;
  const auto smaller = compile::compile(net.finished(), options);
  ASSERT_TRUE(smaller.ok()) << smaller.error().message;
  EXPECT_LE(plan::server_key_bytes(smaller.value(), nullptr), keys * 19 / 20);
  EXPECT_GE(smaller.value().predicted_seconds, fastest.predicted_seconds);
  // Rotations that are composed of others: half of the keys, and still the same numbers.
  options.max_key_bytes = keys / 2;
  const plan::Plan half = compile::compile(net.finished(), options).value();
  EXPECT_LE(plan::server_key_bytes(half, nullptr), keys / 2);
  EXPECT_LT(half.keys.rotations.size(), fastest.keys.rotations.size());
  EXPECT_NE(plan::to_text(half).find(" keys, to "), std::string::npos) << plan::to_text(half);
  expect_as_predicted(run_three_ways(net.finished(), 2, 1, {}, keys / 2));
  options.max_key_bytes = 100'000;
  const auto none = compile::compile(net.finished(), options);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Code::infeasible);
  EXPECT_NE(none.error().message.find("at least in the image layout; 0.1 MB are allowed"), std::string::npos)
      << none.error().message;
  options.layout = compile::LayoutChoice::batch;
  EXPECT_EQ(compile::compile(net.finished(), options).error().code, Code::wrong_params);
}

TEST(Image, ModelsOfTheRepository) {
  for (const char* name : {"mnist-square.onnx", "mnist-swish4.onnx"}) {
    SCOPED_TRACE(name);
    const auto graph = nn::read_onnx_file(std::filesystem::path(OBSCURA_MODELS) / name);
    ASSERT_TRUE(graph.ok()) << graph.error().message;
    expect_as_predicted(run_three_ways(graph.value(), 2));
  }
}

TEST(Image, PublishedNetworks) {
  for (const char* name : {"mnist_CKKS-swish_rg6_deg4-BN-DA.onnx", "mnist_HCNN-DA.onnx"}) {
    const auto path = nn::shared_data() / "ishiyama2020" / name;
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "the published networks are not at hand";
    SCOPED_TRACE(name);
    expect_as_predicted(run_three_ways(nn::read_onnx_file(path).value(), 2));
  }
}

class ImageResidual : public ::testing::TestWithParam<compile::ResidualCase> {};

TEST_P(ImageResidual, ShortcutsAreAddedInOneLayoutAtOneScale) {
  compile::ResidualNet net({2, 4, 4});
  GetParam().build(net);
  expect_as_predicted(run_three_ways(net.finished()));
}

INSTANTIATE_TEST_SUITE_P(Forms, ImageResidual, ::testing::ValuesIn(compile::residual_cases()),
                         [](const auto& form) { return std::string(form.param.name); });

}  // namespace
}  // namespace obscura
