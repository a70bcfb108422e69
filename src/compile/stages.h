// SPDX-License-Identifier: Apache-2.0
/// The forms that a network takes on its way to a plan. Each pass is a function from one to the next:
///
///   nn::Graph --fuse--> FusedNetwork --make_monic--> MonicNetwork --measure--> Statistics
///             --search--> Selection --emit--> plan::Plan
///
/// FusedNetwork and MonicNetwork know nothing of ciphertexts or layouts; what follows is the batch layout's.
#pragma once

#include <string>
#include <vector>

#include "compile/polynomial.h"
#include "compile/sparse.h"
#include "nn/graph.h"

namespace obscura::compile {

/// y = W x + bias.
struct LinearMap {
  SparseMatrix matrix;
  std::vector<double> bias;
  std::string origin;  ///< the nodes it comes from
};

/// Maps that follow one another without an activation between: composed already where that saves work.
using Segment = std::vector<LinearMap>;

/// y[i] = sum_k coefficients[k][i] x[i]^k.
struct PolynomialActivation {
  Coefficients coefficients;
  std::uint32_t elements = 0;
  std::string origin;
};

/// segments[0], activations[0], segments[1], ... , segments.back(): one more segment than activations.
struct FusedNetwork {
  std::string name;
  nn::Shape input;  ///< {C, H, W}
  std::vector<Segment> segments;
  std::vector<PolynomialActivation> activations;
  std::vector<std::string> notes;  ///< what was composed or kept apart, for people
};

/// squares 1: y = x^2. squares 2: y = (x^2 + p x + q)^2 + r x. One number for all elements, or one for each.
struct MonicActivation {
  int squares = 1;
  std::vector<double> p{0};
  std::vector<double> q{0};
  std::vector<double> r{0};
  std::uint32_t elements = 0;
  std::string origin;
};

/// The same function as the FusedNetwork it came from; every segment has at least one map.
struct MonicNetwork {
  std::string name;
  nn::Shape input;
  std::vector<Segment> segments;
  std::vector<MonicActivation> activations;
  std::vector<std::string> notes;
};

/// Walks the graph and keeps each value as a polynomial of an affine map of the last activation.
/// errors: unsupported, naming the node, its operator, why, and what is supported.
Result<FusedNetwork> fuse(const nn::Graph& graph);

/// Leading coefficients and constants move into the neighbouring maps.
/// errors: unsupported where an activation is not of degree 2 or 4 in every element.
Result<MonicNetwork> make_monic(FusedNetwork network);

}  // namespace obscura::compile
