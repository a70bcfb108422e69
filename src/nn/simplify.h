// SPDX-License-Identifier: Apache-2.0
/// What is done to a graph after its nodes were imported; internal to nn. Each pass keeps what the graph computes.
#pragma once

#include "nn/graph.h"

namespace obscura::nn {

/// All passes below, in this order, and the output as one row, named `output` where no other value is.
/// errors: none but those of shapes, which would be a fault of a pass.
Result<void> simplify(Graph& graph, const std::string& output);

/// x sigmoid(x), x tanh(softplus(x)), the products that make a GELU of Erf or Tanh, x clip(x / 6 + 1/2, 0, 1) and
/// others become the function that they are: one that has the same values at points of [-8, 8].
void name_functions(Graph& graph);

/// A transposition goes behind what does the same to every element or works axis by axis, and one that undoes another
/// ends both.
Result<void> sink_transposes(Graph& graph);

/// A permutation of elements (reshape, transpose, gather) goes into the weights of the gemm, or of channels into those
/// of the convolution, that reads it.
Result<void> fold_permutations(Graph& graph);

/// Reshapes of reshapes, to the same shape, and once more of a value to a shape, are left out.
Result<void> merge_reshapes(Graph& graph);

/// What gives the answer from the logits becomes Graph::ending.
void cut_ending(Graph& graph);

/// Nodes and values that the output does not depend on are left out.
void leave_out_unused(Graph& graph);

/// The node that gives each value; none of a constant and of the input.
std::vector<const Node*> makers_of(const Graph& graph);

}  // namespace obscura::nn
