// SPDX-License-Identifier: Apache-2.0
#include <functional>

#include "compile/front/network.h"
#include "nn/operators.h"
#include "tests/compile/networks.h"

namespace obscura::compile {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

FusedNetwork fused_of(Net& net) {
  auto result = fuse(net.finished());
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message);
  return result.ok() ? std::move(result).value() : FusedNetwork{};
}

std::string refusal(Net& net) {
  const auto result = fuse(net.finished());
  EXPECT_FALSE(result.ok());
  if (result.ok()) return "";
  EXPECT_EQ(result.error().code, Code::unsupported);
  return result.error().message;
}

/// The same polynomial, 0.12 + 0.5 x + 0.15 x^2 - 0.002 x^4, spelt in several ways.
struct Spelling {
  const char* name;
  std::function<ValueId(Net&, ValueId)> write;
};

const std::vector<Spelling>& spellings() {
  static const std::vector<Spelling> all = {
      {"PowersByMul",
       [](Net& n, ValueId x) {
         const ValueId x2 = n.square(x);
         const ValueId x4 = n.square(x2);
         const ValueId high = n.sum(n.times(x4, -0.002F), n.times(x2, 0.15F));
         return n.plus(n.sum(high, n.times(x, 0.5F)), 0.12F);
       }},
      {"PowersByPow",
       [](Net& n, ValueId x) {
         const ValueId x2 = n.node(Op::pow, {x, n.number(2)});
         const ValueId x4 = n.node(Op::pow, {x, n.number(4)});
         return n.sum(n.sum(n.times(x4, -0.002F), n.plus(n.times(x2, 0.15F), 0.12F)), n.times(x, 0.5F));
       }},
      {"Horner",
       [](Net& n, ValueId x) {
         const ValueId a = n.plus(n.product(n.times(x, -0.002F), x), 0.15F);
         const ValueId b = n.plus(n.product(a, x), 0.5F);
         return n.plus(n.product(b, x), 0.12F);
       }},
      {"InTheSquare",
       [](Net& n, ValueId x) {
         const ValueId x2 = n.square(x);
         return n.plus(n.sum(n.product(x2, n.plus(n.times(x2, -0.002F), 0.15F)), n.times(x, 0.5F)), 0.12F);
       }},
      {"ThroughAReshape",
       [](Net& n, ValueId x) {
         const ValueId same = n.node(Op::reshape, {x}, {.shape = {2, 2, 2}});
         const ValueId x2 = n.product(same, x);
         return n.plus(n.sum(n.product(x2, n.plus(n.times(x2, -0.002F), 0.15F)), n.times(same, 0.5F)), 0.12F);
       }},
      {"WithAHigherTermThatCancels",
       [](Net& n, ValueId x) {
         const ValueId x3 = n.node(Op::pow, {x, n.number(3)});
         const ValueId x4 = n.product(n.sum(x3, n.sum(x3, n.times(x3, -1))), x);
         const ValueId high = n.sum(n.times(x4, -0.002F), n.times(n.square(x), 0.15F));
         return n.plus(n.sum(high, n.times(x, 0.5F)), 0.12F);
       }},
  };
  return all;
}

TEST(Fuse, RecognisesAPolynomialInEverySpelling) {
  for (const Spelling& spelling : spellings()) {
    SCOPED_TRACE(spelling.name);
    Net net({1, 4, 4});
    const ValueId x = net.batch_norm(net.conv(0, 1, 2, 3), 2);
    net.dense(spelling.write(net, x), 8, 3);
    const FusedNetwork network = fused_of(net);
    ASSERT_EQ(network.activations.size(), 1u);
    const Coefficients& c = network.activations[0].coefficients;
    ASSERT_EQ(c.size(), 5u);
    const std::vector<double> expected{0.12F, 0.5F, 0.15F, 0, -0.002F};
    for (std::size_t k = 0; k < 5; ++k) {
      for (const double v : c[k]) EXPECT_NEAR(v, expected[k], 1e-15) << "x^" << k;
    }
    EXPECT_EQ(network.segments.size(), 2u);
    EXPECT_EQ(network.segments[0].size(), 1u) << "batch normalisation is folded into the convolution";
    EXPECT_LT(monic_difference(net.finished(), make_monic(network).value()), kFloat);
  }
}

TEST(Fuse, PolynomialOfTwoNormalisationsOfOneValueIsOnePolynomial) {
  Net net({1, 4, 4});
  const ValueId x = net.conv(0, 1, 2, 3);
  const ValueId y = net.product(net.batch_norm(x, 2), net.batch_norm(x, 2));
  net.dense(net.sum(y, x), 8, 3);
  const FusedNetwork network = fused_of(net);
  ASSERT_EQ(network.activations.size(), 1u);
  EXPECT_LT(monic_difference(net.finished(), make_monic(network).value()), kFloat);
}

TEST(Fuse, NormalisationsOnTopOfEachOtherAndOfConstantsAreOne) {
  Net net({1, 4, 4});
  const ValueId x = net.batch_norm(net.conv(0, 1, 2, 3), 2);
  const ValueId y = net.batch_norm(net.plus(net.times(x, 3), -2), 2);
  net.dense(net.square(y), 8, 3);
  const FusedNetwork network = fused_of(net);
  ASSERT_EQ(network.activations.size(), 1u);
  EXPECT_EQ(network.activations[0].coefficients[2], Elements{1}) << "a plain square of the last normalisation";
  EXPECT_LT(monic_difference(net.finished(), make_monic(network).value()), kFloat);
}

/// x normalised with a scale of 0 in its second channel.
ValueId flattened_channel(Net& net, ValueId x) {
  const ValueId scale = net.constant({2}, {1, 0});
  return net.node(Op::batch_normalization, {x, scale, net.numbers({2}), net.numbers({2}), net.numbers({2}, 0.5, 2)});
}

TEST(Fuse, NormalisationByZeroIsFollowedWhereTheValueBeforeIsAtHand) {
  Net net({1, 4, 4});
  const ValueId x = net.conv(0, 1, 2, 3);
  net.dense(net.sum(net.product(flattened_channel(net, x), x), net.square(x)), 8, 3);
  EXPECT_LT(monic_difference(net.finished(), make_monic(fused_of(net)).value()), kFloat);
}

TEST(Fuse, APolynomialThatANormalisationByZeroHidesIsAProduct) {
  Net net({1, 4, 4});
  const ValueId x = net.conv(0, 1, 2, 3);
  const ValueId zero = flattened_channel(net, x);
  net.dense(net.product(zero, net.batch_norm(x, 2)), 8, 3);
  EXPECT_LT(monic_difference(net.finished(), make_monic(fused_of(net), Quartics::plain).value()), kFloat);
}

TEST(Fuse, NormalisationAndConstantsAfterAnActivationStayInItsPolynomial) {
  Net net({2, 4, 4});
  const ValueId y = net.square(net.conv(0, 2, 3, 3));
  net.dense(net.node(Op::add, {net.batch_norm(y, 3), net.numbers({3, 1, 1})}), 12, 2);
  const FusedNetwork network = fused_of(net);
  EXPECT_EQ(network.activations.size(), 1u);
  EXPECT_LT(monic_difference(net.finished(), make_monic(network).value()), kFloat);
}

TEST(Fuse, EveryLinearOperatorBecomesItsMatrix) {
  Net net({4, 7, 6});
  Attributes grouped;
  grouped.groups = 2;
  grouped.strides = {2, 1};
  grouped.pads = {1, 2, 0, 1};
  grouped.dilations = {1, 2};
  const ValueId x = net.square(net.conv(0, 4, 6, 3, grouped));
  Attributes pool;
  pool.kernel = {2, 2};
  pool.strides = {2, 2};
  pool.pads = {1, 1, 1, 1};
  const ValueId a = net.node(Op::average_pool, {x}, pool);
  pool.count_include_pad = true;
  const ValueId b = net.node(Op::average_pool, {x}, pool);
  const ValueId y = net.square(net.conv(net.sum(a, b), 6, 4, 2));
  Attributes gemm;
  gemm.transpose_b = true;
  gemm.alpha = 0.5;
  gemm.beta = 3;
  const ValueId flat = net.flatten(net.node(Op::global_average_pool, {y}));
  net.node(Op::gemm, {flat, net.numbers({3, 4}), net.numbers({3})}, gemm);
  EXPECT_LT(monic_difference(net.finished(), make_monic(fused_of(net)).value()), kFloat);
}

TEST(Fuse, ConcatSliceAndPadAreLinear) {
  Net net({3, 4, 4});
  const ValueId left = net.conv(0, 3, 2, 3, {.pads = {1, 1, 1, 1}});
  const ValueId joined = net.node(Op::concat, {left, 0, net.conv(0, 3, 1, 1)});
  const ValueId activated = net.square(net.batch_norm(joined, 6));
  // The shortcut of option A: every second pixel, and channels of zeros on either side.
  const ValueId half = net.node(Op::slice, {activated}, {.starts = {0, 0, 0}, .steps = {1, 2, 2}, .sizes = {6, 2, 2}});
  const ValueId wide = net.node(Op::pad, {half}, {.pads_before = {1, 0, 0}, .pads_after = {2, 0, 0}});
  const ValueId main = net.conv(activated, 6, 9, 3, {.strides = {2, 2}, .pads = {1, 1, 1, 1}});
  const ValueId sum = net.node(Op::concat, {net.sum(main, wide), half});
  net.dense(net.square(sum), 60, 4);
  const FusedNetwork network = fused_of(net);
  EXPECT_EQ(network.activations.size(), 2U);
  auto monic = make_monic(network);
  ASSERT_TRUE(monic.ok()) << monic.error().message;
  EXPECT_LT(monic_difference(net.graph(), *monic), kFloat);
}

TEST(Fuse, AConcatAcrossAnActivationIsASumOfBranches) {
  Net net({1, 2, 2});
  const ValueId square = net.square(net.conv(0, 1, 1, 1));
  net.dense(net.node(Op::concat, {square, 0}), 8, 2);
  const FusedNetwork network = fused_of(net);
  ASSERT_EQ(network.junctions.size(), 2U);
  EXPECT_EQ(network.junctions[1].branches.size(), 2U) << "the dense layer goes to its parts";
  EXPECT_LT(monic_difference(net.graph(), make_monic(network).value()), kFloat);
}

TEST(Fuse, RefusesWhatIsNoPolynomialByNameAndWithTheWayOut) {
  const auto refused = [](Op op, Attributes attributes) {
    Net net({1, 2, 2});
    net.dense(net.node(op, {net.conv(0, 1, 1, 1)}, attributes), 4, 2);
    EXPECT_THAT(refusal(net), AllOf(HasSubstr(nn::describe(net.graph().nodes[1])), HasSubstr("polynomial"),
                                    HasSubstr("obscura train"), HasSubstr("obscura evaluate --backend poly")));
  };
  for (const approx::FunctionRow& row : approx::functions()) {
    refused(Op::function, {.function = approx::default_of(row.kind)});
  }
  refused(Op::lrn, {});
}

TEST(Fuse, RefusesMaximaWithoutPolynomialsWithTheOptionsForThem) {
  Net net({1, 2, 2});
  net.dense(net.node(Op::max_pool, {net.conv(0, 1, 1, 1)}, {.kernel = {2, 2}}), 1, 2);
  EXPECT_THAT(refusal(net),
              AllOf(HasSubstr("node 'n1' (MaxPool)"), HasSubstr("--alpha"), HasSubstr("average pooling")));
}

TEST(Fuse, RefusesDivisionsAndAttentionWithTheChangeToTheNetwork) {
  const auto refused = [](Op op, const char* what, const char* instead) {
    Net net({1, 2, 2});
    const ValueId x = net.conv(0, 1, 1, 1);
    const ValueId y = op == Op::matmul ? net.node(op, {x, x}) : net.node(op, {x});
    net.dense(y, 4, 2);
    EXPECT_THAT(refusal(net), AllOf(HasSubstr("node 'n1' ("), HasSubstr(what), HasSubstr(instead)));
  };
  refused(Op::normalization, "instance, layer or group normalization", "BatchNorm2d");
  refused(Op::softmax, "sum of exponentials", "without attention");
  refused(Op::matmul, "two different values", "without attention");
}

TEST(Fuse, AFunctionThatIsAStraightLineNeedsNoPolynomial) {
  Net net({1, 2, 2});
  approx::Function leaky = approx::default_of(approx::Function::Kind::leaky_relu);
  leaky.alpha = 1;
  net.dense(net.square(net.function(leaky, net.conv(0, 1, 1, 1))), 4, 2);
  EXPECT_LT(monic_difference(net.finished(), make_monic(fused_of(net)).value()), kFloat);
}

TEST(Fuse, EveryMoveIsASelectionOfElements) {
  Net net({4, 3, 2});
  const ValueId x = net.square(net.conv(0, 4, 6, 1));
  const ValueId pairs = net.node(Op::reshape, {x}, {.shape = {2, 3, 3, 2}});
  const ValueId shuffled = net.node(Op::transpose, {pairs}, {.permutation = {1, 0, 3, 2}});
  const ValueId mirrored = net.node(Op::gather, {shuffled}, {.axis = 3, .indices = {2, 0, 1, 1}});
  const ValueId cut =
      net.node(Op::slice, {mirrored}, {.starts = {0, 1, 0, 0}, .steps = {2, 1, 1, 2}, .sizes = {2, 1, 2, 2}});
  const ValueId framed = net.node(Op::pad, {cut}, {.pads_before = {0, 1, 0, 0}, .pads_after = {0, 0, 0, 1}});
  net.dense(net.square(net.node(Op::concat, {framed, framed}, {.axis = 1})), 48, 3);
  const FusedNetwork network = fused_of(net);
  EXPECT_EQ(network.activations.size(), 2U);
  EXPECT_LT(monic_difference(net.graph(), make_monic(network).value()), kFloat);
}

TEST(Fuse, AnAveragePoolMayBeDilated) {
  Net net({2, 7, 6});
  const ValueId x = net.node(Op::average_pool, {net.conv(0, 2, 2, 1)},
                             {.kernel = {3, 2}, .strides = {2, 1}, .dilations = {2, 3}, .pads = {2, 1, 1, 0}});
  net.dense(net.square(x), 2 * 3 * 4, 3);
  EXPECT_LT(monic_difference(net.finished(), make_monic(fused_of(net)).value()), kFloat);
}

TEST(Fuse, ASmallerOperandIsRepeated) {
  Net net({3, 4, 4});
  const ValueId x = net.conv(0, 3, 2, 1);
  const ValueId mean = net.node(Op::global_average_pool, {x});
  const ValueId centred = net.sum(x, net.times(mean, -1));
  const ValueId weighted = net.node(Op::mul, {net.square(mean), net.numbers({2, 4, 4})});
  net.dense(net.sum(net.square(centred), net.sum(weighted, mean)), 32, 3);
  EXPECT_LT(monic_difference(net.finished(), make_monic(fused_of(net)).value()), kFloat);
}

TEST(Fuse, ANetworkMayBeAReshapeAlone) {
  Net net({1, 2, 3});
  net.flatten(0);
  const FusedNetwork network = fused_of(net);
  ASSERT_EQ(network.junctions.size(), 1U);
  EXPECT_LT(monic_difference(net.graph(), make_monic(network).value()), kFloat);
}

TEST(Fuse, ResidualSumOfOneActivationIsOneMap) {
  Net net({2, 4, 4});
  Attributes same;
  same.pads = {1, 1, 1, 1};
  const ValueId y = net.square(net.conv(0, 2, 2, 3, same));
  const ValueId sum = net.sum(net.conv(y, 2, 2, 3, same), y);
  net.dense(net.square(sum), 32, 3);
  const FusedNetwork network = fused_of(net);
  EXPECT_EQ(network.activations.size(), 2u);
  EXPECT_EQ(network.segments[1].size(), 1u);
  EXPECT_LT(monic_difference(net.finished(), make_monic(network).value()), kFloat);
}

TEST(Fuse, ResidualSumBeforeAnActivationIsOneMap) {
  Net net({2, 4, 4});
  Attributes same;
  same.pads = {1, 1, 1, 1};
  const ValueId x = net.conv(0, 2, 2, 3, same);
  net.dense(net.square(net.sum(net.conv(x, 2, 2, 3, same), x)), 32, 3);
  EXPECT_LT(monic_difference(net.finished(), make_monic(fused_of(net)).value()), kFloat);
}

TEST(Fuse, ComposesMapsOnlyWhereThatHasNoMoreWeights) {
  Net net({1, 8, 8});
  Attributes pool;
  pool.kernel = {2, 2};
  pool.strides = {2, 2};
  const ValueId pooled = net.node(Op::average_pool, {net.square(net.conv(0, 1, 4, 3))}, pool);
  net.dense(net.dense(pooled, 36, 16), 16, 2);
  const FusedNetwork network = fused_of(net);
  ASSERT_EQ(network.segments[1].size(), 2u) << "144 + 72 weights apart, 288 together";
  EXPECT_EQ(network.segments[1][1].matrix.nonzeros(), 72u) << "36 x 16 x 2 became 36 x 2";
  EXPECT_THAT(network.segments[1][1].origin, AllOf(HasSubstr("n4"), HasSubstr("n6")));
  EXPECT_EQ(network.notes.size(), 2u);
  EXPECT_LT(monic_difference(net.finished(), make_monic(network).value()), kFloat);
}

TEST(Fuse, NetworkMayStartAndEndWithAnActivation) {
  Net net({1, 2, 2});
  net.flatten(net.plus(net.square(net.square(0)), 1));
  const FusedNetwork network = fused_of(net);
  ASSERT_EQ(network.activations.size(), 1u);
  EXPECT_TRUE(network.segments[0].empty());
  EXPECT_LT(monic_difference(net.finished(), make_monic(network).value()), kFloat);
}

TEST(Fuse, NetworkWithoutActivationIsOneMap) {
  Net net({1, 3, 3});
  net.dense(net.conv(0, 1, 2, 2), 8, 3);
  const FusedNetwork network = fused_of(net);
  EXPECT_TRUE(network.activations.empty());
  EXPECT_LT(monic_difference(net.finished(), make_monic(network).value()), kFloat);
}

TEST(Fuse, IgnoresNodesThatTheOutputDoesNotNeed) {
  Net net({1, 3, 3});
  const ValueId x = net.conv(0, 1, 2, 2);
  net.conv(net.node(Op::pow, {x, net.number(3)}), 2, 2, 1);  // a cubic that nobody reads
  net.dense(net.square(x), 8, 3);
  EXPECT_EQ(fused_of(net).activations.size(), 1u);
}

TEST(Fuse, AFactorAndAShiftOfEachChannelStandBehindACubicThatAllShare) {
  Net net({1, 3, 3});
  const ValueId x = net.conv(0, 1, 2, 2);
  const ValueId cubic = net.sum(net.times(net.node(Op::pow, {x, net.number(3)}), 2), x);
  net.dense(net.batch_norm(cubic, 2), 8, 3);
  const FusedNetwork network = fused_of(net);
  ASSERT_EQ(network.activations.size(), 1U);
  const Coefficients& c = network.activations[0].coefficients;
  ASSERT_EQ(c.size(), 4U);
  for (const Elements& one : c) EXPECT_EQ(one.size(), 1U);
  EXPECT_NEAR(c[3][0] / c[1][0], 2, 1e-12);
}

TEST(Fuse, RefusesACubicWithCoefficientsOfItsOwnForEachChannel) {
  Net net({1, 3, 3});
  const ValueId x = net.conv(0, 1, 2, 2);
  const ValueId cubic = net.node(Op::mul, {net.node(Op::pow, {x, net.number(3)}), net.numbers({2, 1, 1})});
  net.dense(net.sum(cubic, x), 8, 3);
  EXPECT_THAT(refusal(net), AllOf(HasSubstr("degree 3"), HasSubstr("n1"), HasSubstr("degree 2 or 4")));
}

TEST(Fuse, RefusesHighDegrees) {
  Net net({1, 3, 3});
  const ValueId x = net.conv(0, 1, 1, 2);
  net.dense(net.node(Op::pow, {net.node(Op::pow, {x, net.number(8)}), net.number(4)}), 4, 3);
  EXPECT_THAT(refusal(net), AllOf(HasSubstr("'n2' (Pow)"), HasSubstr("degree 32"), HasSubstr("up to 31")));
}

TEST(Fuse, RefusesAFractionalExponent) {
  Net net({1, 3, 3});
  net.dense(net.node(Op::pow, {net.conv(0, 1, 1, 2), net.number(0.5F)}), 4, 3);
  EXPECT_THAT(refusal(net), AllOf(HasSubstr("'n1' (Pow)"), HasSubstr("exponent is 0.5")));
}

TEST(Fuse, AProductOfTwoValuesIsAJunctionOfTwoSums) {
  Net net({1, 3, 3});
  const ValueId a = net.sum(net.conv(0, 1, 1, 2), net.square(net.conv(0, 1, 1, 2)));
  net.dense(net.product(a, net.conv(0, 1, 1, 2)), 4, 3);
  const FusedNetwork network = fused_of(net);
  ASSERT_EQ(network.junctions.size(), 3U);
  const Junction& product = network.junctions[1];
  EXPECT_TRUE(is_product(product));
  EXPECT_EQ(product.branches.size(), 3U) << "the sum before it is part of it";
  EXPECT_LT(monic_difference(net.graph(), make_monic(network, Quartics::plain).value()), kFloat);
  EXPECT_THAT(make_monic(network).error().message, HasSubstr("image layout only"));
}

TEST(Fuse, AGateIsSpreadOverThePlacesOfWhatItOpens) {
  Net net({2, 4, 4});
  const ValueId x = net.square(net.conv(0, 2, 3, 1));
  const ValueId gate = net.square(net.node(Op::global_average_pool, {x}));
  for (const bool first : {true, false}) {
    Net both = net;
    both.dense(first ? both.product(gate, x) : both.product(x, gate), 48, 3);
    const MonicNetwork network = make_monic(fused_of(both), Quartics::plain).value();
    const Junction& product = network.junctions[2];
    ASSERT_TRUE(is_product(product));
    EXPECT_EQ(product.branches[0].source, 1U);
    EXPECT_EQ(network.segments[product.branches[1].segment].back().matrix.cols, 3U);
    EXPECT_LT(monic_difference(both.graph(), network), kFloat);
  }
}

TEST(Fuse, ASumAcrossAnActivationHasABranchForEachOperand) {
  Net net({2, 4, 4});
  Attributes same;
  same.pads = {1, 1, 1, 1};
  const ValueId x = net.conv(0, 2, 2, 3, same);
  net.dense(net.sum(net.conv(net.square(x), 2, 2, 3, same), x), 32, 3);
  const FusedNetwork network = fused_of(net);
  EXPECT_EQ(network.activations.size(), 1U);
  EXPECT_LT(monic_difference(net.graph(), make_monic(network).value()), kFloat);
}

TEST(Fuse, ActivationsSideBySideKeepTheirOwnBranches) {
  Net net({2, 4, 4});
  const ValueId x = net.conv(0, 2, 2, 3);
  const ValueId a = net.conv(net.square(x), 2, 2, 1);
  net.dense(net.sum(a, net.conv(net.square(net.square(x)), 2, 2, 1)), 8, 3);
  const FusedNetwork network = fused_of(net);
  EXPECT_EQ(network.activations.size(), 2U);
  EXPECT_LT(monic_difference(net.graph(), make_monic(network).value()), kFloat);
}

}  // namespace
}  // namespace obscura::compile
