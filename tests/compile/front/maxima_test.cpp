// SPDX-License-Identifier: Apache-2.0
// Max-pooling as a tree of pairwise maxima.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "approx/sign.h"
#include "tests/compile/residual.h"

namespace obscura::compile {
namespace {

constexpr int kAlpha = 12;
constexpr double kBound = 8;

/// The composition of `alpha` bits for every max_pool and function of the graph.
Approximations precise(const nn::Graph& graph) {
  const approx::Activation relu = approx::relu(kAlpha, kBound).value();
  Approximations out;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.nodes[n].op != Op::max_pool && graph.nodes[n].op != Op::function) continue;
    out[n].bound = kBound;
    Approximation::Term& term = out[n].terms.emplace_back();
    term.relu = true;
    for (const approx::Polynomial& p : relu.composite.stages) {
      term.stages.push_back({p.low, p.high, ckks::PolynomialBasis::chebyshev, p.coefficients});
    }
    term.stages[0].low = -kBound;
    term.stages[0].high = kBound;
  }
  return out;
}

struct Window {
  const char* name;
  Attributes attributes;
  std::size_t activations;  ///< one after the other
};

const std::vector<Window>& windows() {
  static const std::vector<Window> all = {
      {"TwoByTwo", {.kernel = {2, 2}, .strides = {2, 2}}, 2},
      {"Overlapping", {.kernel = {3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}}, 4},
      {"OneRow", {.kernel = {1, 3}, .strides = {1, 1}}, 2},
      {"Dilated", {.kernel = {2, 2}, .strides = {1, 2}, .dilations = {2, 3}, .pads = {0, 1, 1, 0}}, 2},
      {"Single", {.kernel = {1, 1}, .strides = {2, 1}}, 0},
      {"Whole", {.kernel = {6, 6}}, 6},
  };
  return all;
}

class Maxima : public testing::TestWithParam<Window> {};

TEST_P(Maxima, AreThoseOfTheNetworkWithinWhatTheReluIsOffBy) {
  ResidualNet net({2, 6, 6});
  const ValueId x = net.conv_norm(0, 2, 3);
  const ValueId pooled = net.node(Op::max_pool, {x}, GetParam().attributes);
  net.pooled_dense(pooled, 3, 4);
  const nn::Graph& graph = net.finished();
  const FusedNetwork fused = fuse(graph, precise(graph)).value();
  EXPECT_EQ(fused.activations.size(), GetParam().activations);
  const MonicNetwork network = make_monic(fused, Quartics::plain).value();
  // Each maximum is within bound * 2^-alpha; weights of the dense layer are at most 1 in sum.
  EXPECT_LT(monic_difference(graph, network),
            static_cast<double>(GetParam().activations + 1) * kBound * std::exp2(1 - kAlpha));
}

INSTANTIATE_TEST_SUITE_P(Windows, Maxima, testing::ValuesIn(windows()),
                         [](const auto& window) { return std::string(window.param.name); });

TEST(Maxima, WithoutAnApproximationAreRefusedWithTheWayOut) {
  ResidualNet net({2, 6, 6});
  const ValueId pooled = net.node(Op::max_pool, {net.conv_norm(0, 2, 3)}, {.kernel = {2, 2}, .strides = {2, 2}});
  net.pooled_dense(pooled, 3, 4);
  const auto refused = fuse(net.finished());
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, testing::HasSubstr("--alpha"));
}

}  // namespace
}  // namespace obscura::compile
