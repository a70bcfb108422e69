// SPDX-License-Identifier: Apache-2.0
/// Activations that exporters spell in several operators; internal to nn.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <unordered_map>
#include <unordered_set>

#include "nn/graph.h"

namespace obscura::nn {

/// GELUs of a file, x (1 + erf(x / sqrt 2)) / 2 with its factors in any order. They are found before the import,
/// because Erf alone is no operator of a Graph.
struct Spellings {
  std::unordered_map<int, std::string> gelu_input;  ///< the node that gives the GELU -> the name of x
  std::unordered_set<int> inner;                    ///< nodes that only it needs
};
/// cost: linear in the file.
Spellings find_spellings(const onnx::GraphProto& graph);

/// x sigmoid(x) becomes silu, and x tanh(softplus(x)) mish, where nothing else reads the sigmoid, tanh or softplus.
void merge_activations(Graph& graph);

/// Leaves out the nodes and values that the output does not depend on, so that nobody after this has to think of them.
void leave_out_unused(Graph& graph);

}  // namespace obscura::nn
