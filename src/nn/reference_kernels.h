// SPDX-License-Identifier: Apache-2.0
/// What one node computes for a block of images; internal to nn.
///
/// kBlock images are interleaved: element e of image i lies at e * kBlock + i, so that the inner loop of every operator
/// runs over images and vectorises whatever the strides and pads are. The sum of one output element is taken in the
/// same order for each image, whatever the count.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "nn/graph.h"

namespace obscura::nn {

inline constexpr std::size_t kBlock = 16;
using Lanes = std::array<double, kBlock>;
using Map = std::vector<Lanes>;  ///< one value of the graph, for the images of a block

/// What a node needs beside its operands, made once for all blocks.
struct Prepared {
  std::array<std::vector<double>, 5> constants;     ///< of each constant input
  std::array<std::vector<std::uint32_t>, 2> index;  ///< of stretched operands of add and mul; empty: element by element
  std::vector<std::vector<std::uint32_t>> sources;  ///< of a move: move_sources of each input
};

struct Call {
  const Graph& graph;
  const Node& node;
  const Prepared& prepared;
  const std::vector<Map>& maps;

  const Map& x(std::size_t i = 0) const { return maps[node.inputs[i]]; }
  const std::vector<double>& constant(std::size_t i) const { return prepared.constants[i]; }
  const Shape& shape(std::size_t i = 0) const { return graph.values[node.inputs[i]].shape; }
  const Shape& result() const { return graph.values[node.output].shape; }
};

/// Writes all of `out`, which has the elements of the node's output.
using Kernel = void (*)(const Call& call, Map& out);

void conv(const Call& call, Map& out);
void batch_normalization(const Call& call, Map& out);
void average_pool(const Call& call, Map& out);
void global_average_pool(const Call& call, Map& out);
void max_pool(const Call& call, Map& out);
void gemm(const Call& call, Map& out);
void move(const Call& call, Map& out);
void add(const Call& call, Map& out);
void mul(const Call& call, Map& out);
void pow(const Call& call, Map& out);
void function(const Call& call, Map& out);
void lrn(const Call& call, Map& out);
void normalization(const Call& call, Map& out);
void softmax(const Call& call, Map& out);
void matmul(const Call& call, Map& out);

inline void multiply_add(Lanes& sum, double weight, const Lanes& x) {
  for (std::size_t i = 0; i < kBlock; ++i) sum[i] += weight * x[i];
}

inline Lanes all(double v) {
  Lanes lanes;
  lanes.fill(v);
  return lanes;
}

/// The rows or columns of a window that lie inside the image: kernel positions [first, last).
struct Span {
  std::int64_t first;
  std::int64_t last;
};

inline Span inside(const Attributes& a, std::size_t axis, std::int64_t start, std::int64_t size) {
  const std::int64_t step = a.dilations[axis];
  const std::int64_t first = start < 0 ? (-start + step - 1) / step : 0;
  const std::int64_t room = size - start;
  const std::int64_t last = room <= 0 ? 0 : std::min(a.kernel[axis], (room + step - 1) / step);
  return {first, std::max(first, last)};
}

}  // namespace obscura::nn
