// SPDX-License-Identifier: Apache-2.0
/// Linear operators of a graph as sparse matrices over the elements of one image (C, H, W order).
#pragma once

#include "compile/stages.h"

namespace obscura::compile {

/// The matrix of a Conv, AveragePool, GlobalAveragePool, Gemm, Slice or Pad node.
/// errors: unsupported where a weight is not a constant.
Result<LinearMap> linear_map(const nn::Graph& graph, const nn::Node& node);

/// The matrix that puts the i-th input of a Concat node to its place in the output; all other rows are empty.
LinearMap concat_part(const nn::Graph& graph, const nn::Node& node, std::size_t i);

/// BatchNormalization: y = factor[c] x + shift[c], spread over the elements.
struct Normalization {
  Elements factor;
  Elements shift;
};
/// errors: unsupported where a parameter is not a constant.
Result<Normalization> normalization(const nn::Graph& graph, const nn::Node& node);

/// "node 'conv1' (Conv)"
std::string describe(const nn::Node& node);

}  // namespace obscura::compile
