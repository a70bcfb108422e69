// SPDX-License-Identifier: Apache-2.0
/// Linear operators of a graph as sparse matrices over the elements of one image (C, H, W order).
#pragma once

#include "compile/front/network.h"

namespace obscura::compile {

/// The matrix of a node whose role is linear, or of a move of one value.
/// errors: unsupported where a weight is not a constant.
Result<LinearMap> linear_map(const nn::Graph& graph, const nn::Node& node);

/// What a move takes from its i-th input: a row is 1 at the element that it is, or empty.
LinearMap move_map(const nn::Graph& graph, const nn::Node& node, std::size_t i);

/// Input i of an elementwise node as broadcasting repeats it over the result.
LinearMap repetition(const nn::Graph& graph, const nn::Node& node, std::size_t i);

/// Products with weights that a linear node takes for one image, as if no window reached into padding: the entries of
/// its matrix. 0 of other nodes.
std::uint64_t multiply_adds(const nn::Graph& graph, const nn::Node& node);

/// BatchNormalization: y = factor[c] x + shift[c], spread over the elements.
struct Normalization {
  Elements factor;
  Elements shift;
};
/// errors: unsupported where a parameter is not a constant.
Result<Normalization> normalization(const nn::Graph& graph, const nn::Node& node);

}  // namespace obscura::compile
