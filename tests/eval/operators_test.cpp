// SPDX-License-Identifier: Apache-2.0
// Each operator against the reference executor, in the layouts that occur: channels that fill blocks of 16, and others.
#include <gtest/gtest.h>

#include "base/parallel.h"
#include "tests/eval/random.h"

namespace obscura::eval {
namespace {

using nn::Attributes;
using nn::Builder;
using nn::Graph;
using nn::Op;
using nn::Shape;
using nn::ValueId;

// Sums of some hundred products in floats: the error grows as the square root of their number, times 2^-24.
constexpr double kSums = 1e-5;
constexpr std::size_t kImages = 19;  // one chunk of 16, and one that is not full

void expect_equals_reference(Graph& graph, Numbers& numbers, double relative = kSums) {
  const auto shapes = nn::infer_shapes(graph);
  ASSERT_TRUE(shapes.ok()) << shapes.error().message;
  const auto size = static_cast<std::size_t>(nn::element_count(graph.values[graph.input].shape));
  const std::vector<float> images = numbers.normal(kImages * size);
  auto network = Network::make(graph, {});
  ASSERT_TRUE(network.ok()) << network.error().message;
  expect_close(network->run(images, kImages)->logits, nn::run_reference(graph, images, kImages), relative);
}

/// A network of one node between a 1x1 convolution that makes the channels and a flatten, so that layouts are what they
/// would be in the middle of a network.
class Around {
 public:
  Around(std::int64_t channels, std::int64_t height, std::int64_t width, unsigned seed)
      : numbers_(seed), builder_({3, height, width}), shape_{channels, height, width} {
    x_ = channelled();
  }
  /// Another value of the same shape.
  ValueId channelled() { return convolved(shape_[0]); }
  ValueId convolved(std::int64_t channels) {
    const auto weight = builder_.constant({channels, 3, 1, 1}, numbers_.normal(static_cast<std::size_t>(3 * channels)));
    return builder_.node(Op::conv, {0, weight});
  }
  ValueId random(Shape shape) {
    const auto count = static_cast<std::size_t>(nn::element_count(shape));
    return builder_.constant(std::move(shape), numbers_.normal(count));
  }
  void expect_equal(double relative = kSums) {
    builder_.node(Op::flatten, {builder_.graph().output});
    expect_equals_reference(builder_.graph(), numbers_, relative);
  }
  ValueId x() const { return x_; }
  Builder& builder() { return builder_; }
  Numbers& numbers() { return numbers_; }

 private:
  Numbers numbers_;
  Builder builder_;
  Shape shape_;
  ValueId x_ = 0;
};

/// Channels that fill blocks, and that do not.
class Channels : public testing::TestWithParam<int> {
 protected:
  Around around(std::int64_t height = 7, std::int64_t width = 6) { return {GetParam(), height, width, 5}; }
};
INSTANTIATE_TEST_SUITE_P(Layouts, Channels, testing::Values(1, 5, 16, 32), testing::PrintToStringParamName());

TEST_P(Channels, Convolution) {
  const std::int64_t c = GetParam();
  struct Case {
    std::int64_t outputs;
    Attributes attributes;
  };
  std::vector<Case> cases(7);
  cases[0] = {32, {.kernel = {3, 3}, .pads = {1, 1, 1, 1}}};
  cases[1] = {10, {.kernel = {3, 3}, .strides = {2, 2}, .pads = {0, 0, 1, 1}}};
  cases[2] = {48, {.kernel = {1, 1}, .strides = {2, 2}}};
  cases[3] = {16, {.kernel = {3, 2}, .dilations = {2, 3}, .pads = {1, 2, 3, 0}}};
  cases[4] = {2 * c, {.kernel = {3, 3}, .pads = {1, 1, 1, 1}, .groups = c}};
  cases[5] = {16, {.kernel = {7, 6}}};
  cases[6] = {50, {.kernel = {5, 5}, .strides = {2, 1}, .pads = {2, 0, 1, 3}}};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    Around net = around();
    const Attributes& a = cases[i].attributes;
    const auto weight = net.random({cases[i].outputs, c / a.groups, a.kernel[0], a.kernel[1]});
    const auto bias = net.random({cases[i].outputs});
    net.builder().node(Op::conv, {net.x(), weight, bias}, a);
    net.expect_equal();
  }
}

TEST_P(Channels, BatchNormalizationFoldedOrNot) {
  const std::int64_t c = GetParam();
  for (const bool alone : {true, false}) {
    Around net = around();
    ValueId x = net.x();
    if (!alone) {  // two readers of the convolution: nothing may be folded into it
      const auto relu = net.builder().node(Op::relu, {x});
      x = net.builder().node(Op::add, {relu, x});
    }
    const auto variance = net.builder().constant({c}, net.numbers().uniform(static_cast<std::size_t>(c), 0.1, 3));
    const auto scale = net.random({c});
    const auto shift = net.random({c});
    const auto mean = net.random({c});
    net.builder().node(Op::batch_normalization, {x, scale, shift, mean, variance}, {.epsilon = 1e-3F});
    net.expect_equal();
  }
}

TEST_P(Channels, ConvolutionThatIsReadTwiceKeepsItsOwnValues) {
  const std::int64_t c = GetParam();
  Around net = around();
  const auto ones = net.builder().constant({c}, std::vector<float>(static_cast<std::size_t>(c), 2));
  const auto normal = net.builder().node(Op::batch_normalization, {net.x(), ones, ones, ones, ones});
  net.builder().node(Op::mul, {normal, net.x()});
  net.expect_equal();
}

TEST_P(Channels, AveragePools) {
  for (const bool whole : {true, false}) {
    Around net = around();
    net.builder().node(Op::average_pool, {net.x()},
                       {.kernel = {3, 2}, .strides = {2, 1}, .pads = {1, 0, 2, 1}, .count_include_pad = whole});
    net.expect_equal();
  }
  Around net = around();
  net.builder().node(Op::global_average_pool, {net.x()});
  net.expect_equal();
}

TEST_P(Channels, MaxPools) {
  for (const auto& pads : {std::array<std::int64_t, 4>{0, 0, 0, 0}, {1, 1, 1, 1}, {0, 1, 2, 1}}) {
    Around net = around();
    net.builder().node(Op::max_pool, {net.x()}, {.kernel = {3, 3}, .strides = {2, 2}, .pads = pads});
    net.expect_equal();
  }
}

TEST_P(Channels, Activations) {
  for (const Op op : {Op::relu, Op::leaky_relu, Op::sigmoid, Op::tanh, Op::softplus, Op::silu, Op::gelu, Op::mish}) {
    SCOPED_TRACE(nn::to_string(op));
    Around net = around();
    net.builder().node(op, {net.x()}, {.alpha = 0.1F});
    net.expect_equal();
  }
}

TEST_P(Channels, SumsAndProductsWithAllKindsOfOperands) {
  const std::int64_t c = GetParam();
  for (const Op op : {Op::add, Op::mul}) {
    for (const Shape& shape : {Shape{}, Shape{c, 1, 1}, Shape{1, c, 1, 1}, Shape{c, 7, 6}, Shape{7, 1}, Shape{6}}) {
      SCOPED_TRACE(nn::to_string(shape));
      Around net = around();
      const auto factor = net.random(shape);
      net.builder().node(op, {factor, net.x()});
      net.expect_equal();
    }
    Around net = around();
    const auto other = net.channelled();
    const auto pooled = net.builder().node(Op::global_average_pool, {other});
    const auto both = net.builder().node(op, {net.x(), other});
    net.builder().node(op, {both, pooled});  // {C, 1, 1} stretched over the plane
    net.expect_equal();
  }
}

TEST_P(Channels, Powers) {
  for (const float exponent : {2.0F, 3.0F, 1.0F}) {
    Around net = around();
    const auto scalar = net.builder().constant({}, {exponent});
    net.builder().node(Op::pow, {net.x(), scalar});
    net.expect_equal();
  }
}

TEST_P(Channels, ConcatOfThree) {
  Around net = around();
  const auto second = net.convolved(16);
  const auto third = net.convolved(3);
  net.builder().node(Op::concat, {net.x(), second, third});
  net.expect_equal();
}

TEST_P(Channels, ShortcutBySliceAndPad) {
  const std::int64_t c = GetParam();
  Around net = around();
  const auto half =
      net.builder().node(Op::slice, {net.x()}, {.starts = {0, 0, 0}, .steps = {1, 2, 2}, .sizes = {c, 4, 3}});
  net.builder().node(Op::pad, {half}, {.pads_before = {c / 2, 0, 0}, .pads_after = {c - c / 2, 0, 0}});
  net.expect_equal();
}

TEST_P(Channels, PadOfPlanes) {
  Around net = around();
  net.builder().node(Op::pad, {net.x()}, {.pads_before = {0, 1, 2}, .pads_after = {16, 3, 0}});
  net.expect_equal();
}

TEST_P(Channels, SliceOfChannels) {
  const std::int64_t c = GetParam();
  Around net = around();
  net.builder().node(Op::slice, {net.x()},
                     {.starts = {c / 3, 1, 0}, .steps = {2, 1, 2}, .sizes = {(c - c / 3 + 1) / 2, 6, 3}});
  net.expect_equal();
}

TEST_P(Channels, LocalResponseNormalization) {
  for (const std::int64_t size : {1, 5, 4}) {
    Around net = around();
    net.builder().node(Op::lrn, {net.x()}, {.alpha = 0.5F, .beta = 0.75F, .size = size, .bias = 2});
    net.expect_equal();
  }
}

TEST_P(Channels, DenseAfterFlattenAndIdentity) {
  const std::int64_t features = GetParam() * 42;
  for (const bool transposed : {true, false}) {
    Around net = around();
    const auto same = net.builder().node(Op::identity, {net.x()});
    const auto flat = net.builder().node(Op::flatten, {same});
    const auto weight = net.random(transposed ? Shape{10, features} : Shape{features, 10});
    const auto bias = net.random({10});
    net.builder().node(Op::gemm, {flat, weight, bias}, {.transpose_b = transposed, .alpha = 0.5F, .beta = 2});
    auto graph = net.builder().graph();
    expect_equals_reference(graph, net.numbers());
  }
}

TEST(Eval, TakesInputsOfManyChannels) {
  Numbers numbers(3);
  Builder builder({16, 4, 4});
  const auto relu = builder.node(Op::relu, {0});
  builder.node(Op::flatten, {relu});
  expect_equals_reference(builder.graph(), numbers);
}

TEST(Eval, GivesTheSameNumbersWhateverTheThreadsAndBatches) {
  Numbers numbers(4);
  Builder builder({3, 8, 8});
  const auto weight = builder.constant({16, 3, 3, 3}, numbers.normal(16 * 27));
  const auto conv = builder.node(Op::conv, {0, weight}, {.kernel = {3, 3}});
  builder.node(Op::flatten, {builder.node(Op::relu, {conv})});
  ASSERT_TRUE(nn::infer_shapes(builder.graph()).ok());
  auto network = Network::make(builder.graph(), {}).value();
  const std::vector<float> images = numbers.normal(100 * 192);
  const std::vector<float> expected = network.run(images, 100)->logits;
  std::vector<std::size_t> done;
  Options one;
  one.batch = 1;
  one.progress = [&](std::size_t images_done, std::size_t total) {
    EXPECT_EQ(total, 100U);
    done.push_back(images_done);
    return true;
  };
  const base::ThreadLimit limit(1);
  EXPECT_EQ(network.run(images, 100, one)->logits, expected);
  EXPECT_EQ(done.back(), 100U);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  one.progress = [](std::size_t, std::size_t) { return false; };
  EXPECT_EQ(network.run(images, 100, one).error().code, Code::cancelled);
}

}  // namespace
}  // namespace obscura::eval
