// SPDX-License-Identifier: Apache-2.0
/// The forms that a network takes before layouts. Each pass is a function from one to the next:
///
///   nn::Graph --fuse--> FusedNetwork --make_monic--> MonicNetwork --layout--> Circuit --search--> plan::Plan
///
/// FusedNetwork and MonicNetwork know nothing of ciphertexts or layouts.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compile/front/approximation.h"
#include "compile/front/polynomial.h"
#include "compile/front/sparse.h"
#include "nn/graph.h"

namespace obscura::compile {

/// y = W x + bias.
struct LinearMap {
  SparseMatrix matrix;
  std::vector<double> bias;
  std::string origin;    ///< the nodes it comes from
  nn::Shape shape = {};  ///< of y; empty: as x
};

/// Maps that follow one another without an activation between: composed already where that saves work.
using Segment = std::vector<LinearMap>;

/// y[i] = sum_k coefficients[k][i] x[i]^k, or an approximation, the same for all elements.
struct PolynomialActivation {
  Coefficients coefficients;
  std::uint32_t elements = 0;
  std::string origin;
  std::shared_ptr<const Approximation> approximation = {};
};

/// A segment that reads a value. Value 0 is the image, value j + 1 what junction j gives.
struct Branch {
  std::size_t source = 0;
  std::size_t segment = 0;
  /// A shortcut with one number per element: it is added as it is, without a map of its own.
  bool diagonal = false;
  bool factor = false;  ///< one of those whose sum the sum of the others is multiplied with
};

/// The sum of what its branches give, and the activation after it, if there is one; or where some are `factor`, which
/// come last, the product of two sums, elementwise and without an activation. Behind the image, whatever several
/// segments read is the value of a junction.
struct Junction {
  std::vector<Branch> branches;
  std::optional<std::size_t> activation;
  std::string origin;  ///< the nodes that add
};

inline bool is_product(const Junction& junction) {
  return !junction.branches.empty() && junction.branches.back().factor;
}

/// Junctions, in an order in which each reads only values before it; the last is the output, a sum without activation.
/// Segments are numbered in the order of junctions and branches, activations in that of junctions. A network without
/// shortcuts is a chain: junction j reads value j through segment j.
struct FusedNetwork {
  std::string name;
  nn::Shape input;  ///< {C, H, W}
  std::vector<Junction> junctions;
  std::vector<Segment> segments;
  std::vector<PolynomialActivation> activations;
  std::vector<std::string> notes;  ///< what was composed or kept apart, human-readable
};

/// squares 1: y = x^2. squares 2: y = (x^2 + p x + q)^2 + r x. One number for all elements, or one for each.
/// squares 2 with `leading`: y = leading x^4 + p x^3 + q x^2 + r x.
/// squares 0: the approximation, of slots that are at most 1 in size.
struct MonicActivation {
  int squares = 1;
  std::vector<double> p{0};
  std::vector<double> q{0};
  std::vector<double> r{0};
  std::vector<double> leading = {};
  std::uint32_t elements = 0;
  std::string origin;
  std::shared_ptr<const Approximation> approximation = {};
};

/// The same function as the FusedNetwork it came from; every segment has at least one map. The first branch of a
/// junction is the one with the most levels of activations behind it; of a product the first of each sum is, and the
/// first sum is the one that reads the larger value.
struct MonicNetwork {
  std::string name;
  nn::Shape input;
  std::vector<Junction> junctions;
  std::vector<Segment> segments;
  std::vector<MonicActivation> activations;
  std::vector<std::string> notes;
};

/// Segments that read each value of a network, once for each.
template <class Network>
std::vector<std::size_t> count_readers(const Network& network) {
  std::vector<std::size_t> readers(network.junctions.size() + 1, 0);
  for (const auto& junction : network.junctions) {
    for (const auto& branch : junction.branches) ++readers[branch.source];
  }
  return readers;
}

/// Levels that an activation takes: its squares, or those of its approximation.
std::size_t levels(const MonicActivation& activation);

/// Levels of activations and products on the longest path from the image to each value.
std::vector<std::size_t> squares_before(const MonicNetwork& network);

/// Whether an activation of it is an approximation.
bool is_approximated(const MonicNetwork& network);

/// Shortcuts that have a level to spare, by segment, where they spend it on coming to the scale of their sum in the
/// batch layout: in approximated networks, whose sums end at the scale that the next polynomial takes and leave no
/// headroom for the integers that weights would have to be.
std::vector<char> rescaled_shortcuts(const MonicNetwork& network);

/// Walks the graph and keeps each value as a polynomial of an affine map of one earlier value: the image, an
/// activation, or a sum over several of those or a product of two. errors: unsupported, naming the node, its operator,
/// why, and what is supported. Nodes with an approximation are activations whatever they compute.
Result<FusedNetwork> fuse(const nn::Graph& graph, const Approximations& approximations = {});

/// Of degree 4 with numbers for each element. squared: as a square of a square, as the batch layout takes them. plain:
/// as the image layout does, with `leading`: without a cubic term, or, where the leading coefficients of some elements
/// are 0 or far below others', as they are, so that nothing is divided by them.
enum class Quartics { squared, plain };

/// errors: unsupported: an activation that make_monic refuses.
Result<void> check_squares(const PolynomialActivation& activation, Quartics quartics);

/// Leading coefficients and constants move into the neighbouring maps.
/// errors: unsupported where an activation is neither an approximation nor of degree 2 or 4 in every element (plain: of
/// degree 4 in some), or squared where values are multiplied.
Result<MonicNetwork> make_monic(FusedNetwork network, Quartics quartics = Quartics::squared);

}  // namespace obscura::compile
