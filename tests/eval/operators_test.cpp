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
using Kind = approx::Function::Kind;

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
    builder_.flatten(builder_.graph().output);
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
      const auto relu = net.builder().function(Kind::relu, x);
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

TEST_P(Channels, AveragePoolsOfSpreadElements) {
  for (const bool whole : {true, false}) {
    Around net = around();
    net.builder().node(Op::average_pool, {net.x()},
                       {.kernel = {3, 2}, .dilations = {2, 3}, .pads = {1, 0, 2, 1}, .count_include_pad = whole});
    net.expect_equal();
  }
}

TEST_P(Channels, MaxPools) {
  for (const auto& pads : {std::array<std::int64_t, 4>{0, 0, 0, 0}, {1, 1, 1, 1}, {0, 1, 2, 1}}) {
    Around net = around();
    net.builder().node(Op::max_pool, {net.x()}, {.kernel = {3, 3}, .strides = {2, 2}, .pads = pads});
    net.expect_equal();
  }
}

TEST_P(Channels, EveryFunction) {
  for (const approx::FunctionRow& one : approx::functions()) {
    SCOPED_TRACE(one.name);
    for (const bool moved : {false, true}) {
      approx::Function function = approx::default_of(one.kind);
      for (const approx::Parameter& parameter : one.parameters) function.*parameter.field += moved ? 0.25 : 0;
      Around net = around();
      ValueId x = net.x();
      if (!check_domain(function, -20, 20).ok()) x = net.builder().node(Op::mul, {x, x});  // to where it is defined
      x = net.builder().node(Op::add, {x, net.builder().constant({}, {0.75F})});
      net.builder().function(function, x);
      net.expect_equal();
    }
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

TEST_P(Channels, ConcatOfRowsAndOfColumns) {
  for (const std::int64_t axis : {1, 2}) {
    Around net = around();
    const auto second = net.channelled();
    net.builder().node(Op::concat, {net.x(), second}, {.axis = axis});
    net.expect_equal();
  }
}

TEST_P(Channels, Transposes) {
  for (const auto& order : {std::vector<std::int64_t>{0, 2, 1}, {1, 2, 0}, {2, 1, 0}, {2, 0, 1}}) {
    Around net = around();
    net.builder().node(Op::transpose, {net.x()}, {.permutation = order});
    net.expect_equal();
  }
}

TEST_P(Channels, Gathers) {
  const std::int64_t c = GetParam();
  for (const std::int64_t axis : {0, 1, 2}) {
    Around net = around();
    net.builder().node(Op::gather, {net.x()}, {.axis = axis, .indices = {0, axis == 0 ? c - 1 : 4, 0, c / 2 % 5}});
    net.expect_equal();
  }
}

/// Two axes of the channels, as shuffles of channels make them, and moves there.
TEST_P(Channels, MovesOfFourAxes) {
  const std::int64_t c = GetParam();
  const std::int64_t groups = c % 2 == 0 ? 2 : 1;
  const Shape four = {groups, c / groups, 7, 6};
  const auto each = [](std::int64_t size) { return Shape(4, size); };
  std::vector<std::pair<Op, Attributes>> moves = {
      {Op::transpose, {.permutation = {1, 0, 2, 3}}},
      {Op::transpose, {.permutation = {3, 2, 0, 1}}},
      {Op::slice, {.starts = {0, 0, 1, 2}, .steps = {1, 1, 2, 3}, .sizes = {groups, c / groups, 3, 2}}},
      {Op::pad, {.pads_before = each(1), .pads_after = {0, 2, 0, 1}}},
      {Op::gather, {.axis = 1, .indices = {0, c / groups - 1, 0}}},
      {Op::reshape, {.shape = {c * 7, 6}}},
  };
  for (const auto& [op, attributes] : moves) {
    SCOPED_TRACE(nn::to_string(op));
    Around net = around();
    const auto split = net.builder().node(Op::reshape, {net.x()}, {.shape = four});
    net.builder().node(op, {split}, attributes);
    net.expect_equal();
  }
  for (const std::int64_t axis : {0, 1, 3}) {
    Around net = around();
    const auto split = net.builder().node(Op::reshape, {net.x()}, {.shape = four});
    const auto other = net.builder().node(Op::reshape, {net.channelled()}, {.shape = four});
    net.builder().node(Op::concat, {split, other, split}, {.axis = axis});
    net.expect_equal();
  }
}

TEST_P(Channels, Normalization) {
  Around net = around();
  net.builder().node(Op::normalization, {net.x()}, {.epsilon = 0.01F});
  net.expect_equal();
}

TEST_P(Channels, SoftmaxOfRows) {
  Around net = around();
  net.builder().node(Op::softmax, {net.x()});
  net.expect_equal();
  Around flat = around();
  flat.builder().node(Op::softmax, {flat.builder().flatten(flat.x())});
  flat.expect_equal();
}

TEST_P(Channels, ProductsOfMatrices) {
  Around net = around();
  const auto turned = net.builder().node(Op::transpose, {net.channelled()}, {.permutation = {0, 2, 1}});
  net.builder().node(Op::matmul, {net.x(), turned});
  net.expect_equal();
}

TEST_P(Channels, LocalResponseNormalization) {
  for (const std::int64_t size : {1, 5, 4}) {
    Around net = around();
    net.builder().node(Op::lrn, {net.x()}, {.alpha = 0.5F, .beta = 0.75F, .size = size, .bias = 2});
    net.expect_equal();
  }
}

TEST_P(Channels, DenseAfterReshapes) {
  const std::int64_t features = GetParam() * 42;
  for (const bool transposed : {true, false}) {
    Around net = around();
    const auto same = net.builder().node(Op::reshape, {net.x()}, {.shape = {GetParam(), 7, 6}});
    const auto flat = net.builder().flatten(same);
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
  const auto relu = builder.function(Kind::relu, 0);
  builder.flatten(relu);
  expect_equals_reference(builder.graph(), numbers);
}

TEST(Eval, GivesTheSameNumbersWhateverTheThreadsAndBatches) {
  Numbers numbers(4);
  Builder builder({3, 8, 8});
  const auto weight = builder.constant({16, 3, 3, 3}, numbers.normal(16 * 27));
  const auto conv = builder.node(Op::conv, {0, weight}, {.kernel = {3, 3}});
  builder.flatten(builder.function(Kind::relu, conv));
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
