// SPDX-License-Identifier: Apache-2.0
/// A graph followed node by node: each value a polynomial of an affine map of an atom (symbol.h). What becomes
/// of the maps is another's: fuse makes matrices of them, readiness none.
#pragma once

#include <map>

#include "compile/front/symbol.h"

namespace obscura::compile {

/// Polynomials are followed up to this degree.
inline constexpr std::size_t kMaxDegree = 31;

using AffinePtr = std::shared_ptr<const Affine>;

/// What affine maps are made of. Maps that are given one after the other may become one; where they do not, what comes
/// back is an atom.
class Maps {
 public:
  Maps() = default;
  Maps(const Maps&) = delete;
  Maps& operator=(const Maps&) = delete;
  virtual ~Maps() = default;
  /// A linear node, or a move of one value.
  virtual Result<AffinePtr> apply(const nn::Node& node, const AffinePtr& x) = 0;
  /// A move of several values: each goes to its elements of the output.
  virtual AffinePtr concatenate(const nn::Node& node, const std::vector<AffinePtr>& parts) = 0;
  /// Input i of an elementwise node, repeated over its output.
  virtual AffinePtr repeat(const nn::Node& node, std::size_t i, const AffinePtr& x) = 0;
  virtual AffinePtr sum(const nn::Node& node, const std::vector<AffinePtr>& terms) = 0;
  /// Elementwise, and thereby an atom.
  virtual AffinePtr product(const nn::Node& node, const AffinePtr& a, const AffinePtr& b) = 0;
  /// An activation of x, and thereby an atom. errors: what no layout takes.
  virtual Result<AffinePtr> activate(const nn::Node& node, AffinePtr x, PolynomialActivation activation) = 0;
  /// A max_pool of x by the relu that `activation` approximates; windows of one element ask for none.
  virtual AffinePtr maximum(const nn::Node& node, const AffinePtr& x, const PolynomialActivation& activation) = 0;
};

/// Follows nodes in order. errors of all: unsupported, naming the node, its operator, why, and the remedy.
class Walk {
 public:
  Walk(const nn::Graph& graph, const Approximations& approximations, Maps& maps);
  /// Values are forgotten with the last of these nodes that reads them, so that nothing large is kept or copied.
  void forget_after(const std::vector<const nn::Node*>& nodes);

  /// The node's output as its inputs give it, which is kept from then on.
  Result<void> follow(const nn::Node& node);
  /// An atom of nothing in particular in place of a node's output.
  void hold_atom(const nn::Node& node, AffinePtr atom) { symbols_[node.output] = fresh(std::move(atom), node.output); }
  /// Polynomial degree of a value in the atom's elements; nothing where it was not followed.
  std::optional<std::size_t> degree_of(nn::ValueId id) const;
  /// The value as an affine map of an atom; a polynomial of degree above 1 becomes an activation and thereby an atom.
  Result<AffinePtr> affine(const nn::Node& reader, nn::ValueId id);

 private:
  Symbol fresh(AffinePtr root, nn::ValueId source);
  Result<Symbol> symbol_of(const nn::Node& node);
  Result<Symbol> symbol(const nn::Node& node, nn::ValueId id) const;
  Result<AffinePtr> as_affine(const nn::Node& reader, Symbol x);
  Result<AffinePtr> as_activation(const nn::Node& reader, Symbol x);
  Result<Symbol> approximated(const nn::Node& node, const Approximation& approximation);
  Result<Symbol> single(const nn::Node& node);
  Result<Symbol> linear(const nn::Node& node);
  Result<Symbol> move(const nn::Node& node);
  Result<Symbol> normalize(const nn::Node& node);
  Result<Symbol> function(const nn::Node& node);
  Result<Symbol> arithmetic(const nn::Node& node);
  Result<Symbol> operand(const nn::Node& node, std::size_t i);
  Result<std::optional<std::pair<Symbol, Elements>>> with_constant(const nn::Node& node);
  Result<Symbol> add_node(const nn::Node& node);
  Result<Symbol> multiply_node(const nn::Node& node);
  Result<Symbol> times(const Symbol& a, const Symbol& b, const nn::Node& node);
  Result<Symbol> power(const nn::Node& node);

  const nn::Graph& graph_;
  const Approximations& approximations_;
  Maps& maps_;
  std::map<nn::ValueId, Symbol> symbols_;
  std::map<nn::ValueId, AffinePtr> atom_of_;
  std::map<nn::ValueId, const nn::Node*> last_reader_;
  std::size_t order_ = 0;
};

/// Whether a node is a function or a maximum, which a polynomial near it has to replace.
bool needs_approximation(const nn::Node& node);

/// What to do about an operator that has no exact form under encryption here.
const char* way_out(const nn::Node& node);

/// The nodes that the output depends on, in order.
std::vector<const nn::Node*> live_nodes(const nn::Graph& graph);

}  // namespace obscura::compile
