// SPDX-License-Identifier: Apache-2.0
/// The network of tiny_plan.h as nn::Graph.
#pragma once

#include "nn/graph.h"
#include "tiny_plan.h"

namespace obscura::testing {

/// The tiny network as a graph; conv - x*x - flatten - gemm.
inline nn::Graph square_graph() {
  const TinyNetwork network = tiny_network();
  const auto floats = [](const std::vector<std::int32_t>& w) {
    std::vector<float> out;
    for (const std::int32_t x : w) out.push_back(static_cast<float>(x) / 32.0F);
    return out;
  };
  const auto narrow = [](const std::vector<double>& v) { return std::vector<float>(v.begin(), v.end()); };
  nn::Graph graph;
  graph.values = {{"image", {1, 6, 6}, {}},
                  {"w1", {2, 1, 3, 3}, nn::Tensor{{2, 1, 3, 3}, floats(network.conv)}},
                  {"b1", {2}, nn::Tensor{{2}, narrow(network.conv_bias)}},
                  {"conv", {2, 2, 2}, {}},
                  {"square", {2, 2, 2}, {}},
                  {"flat", {8}, {}},
                  {"w2", {3, 8}, nn::Tensor{{3, 8}, floats(network.dense)}},
                  {"b2", {3}, nn::Tensor{{3}, narrow(network.dense_bias)}},
                  {"logits", {3}, {}}};
  nn::Attributes conv;
  conv.kernel = {3, 3};
  conv.strides = {2, 2};
  nn::Attributes dense;
  dense.transpose_b = true;
  graph.nodes = {{nn::Op::conv, "conv", {0, 1, 2}, 3, conv},
                 {nn::Op::mul, "square", {3, 3}, 4, {}},
                 {nn::Op::reshape, "flat", {4}, 5, {.shape = {8}}},
                 {nn::Op::gemm, "dense", {5, 6, 7}, 8, dense}};
  graph.input = 0;
  graph.output = 8;
  return graph;
}

}  // namespace obscura::testing
