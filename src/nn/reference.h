// SPDX-License-Identifier: Apache-2.0
/// The oracle: a graph in floating point, node by node, in double precision inside.
#pragma once

#include <span>
#include <vector>

#include "nn/graph.h"

namespace obscura::nn {

/// logits[i] = graph(images[i]) for `count` images laid one after the other, each C*H*W floats, already normalised.
/// Result: count x classes, row-major. All cores are used.
/// errors  ContractError where the sizes do not fit.
std::vector<float> run_reference(const Graph& graph, std::span<const float> images, std::size_t count);

}  // namespace obscura::nn
