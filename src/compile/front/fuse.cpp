// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "compile/front/joins.h"
#include "compile/front/layers.h"
#include "compile/front/maxima.h"
#include "compile/front/walk.h"

namespace obscura::compile {
namespace {

/// Maps as matrices, and junctions of what they give.
class Matrices final : public Maps {
 public:
  Matrices(const nn::Graph& graph, std::vector<std::string>& notes) : graph_(graph), notes_(notes) {}

  Result<AffinePtr> apply(const nn::Node& node, const AffinePtr& x) override {
    OBSCURA_TRY(LinearMap map, linear_map(graph_, node));
    return append(*x, std::move(map), notes_);
  }

  /// Each operand goes to its rows; the sum of all is the concatenation.
  AffinePtr concatenate(const nn::Node& node, const std::vector<AffinePtr>& parts) override {
    std::vector<AffinePtr> placed;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      placed.push_back(append(*parts[i], move_map(graph_, node, i), notes_));
    }
    return sum(node, placed);
  }

  AffinePtr repeat(const nn::Node& node, std::size_t i, const AffinePtr& x) override {
    return append(*x, repetition(graph_, node, i), notes_);
  }

  /// Maps of one atom become one map; a sum over several atoms becomes an atom of its own.
  AffinePtr sum(const nn::Node& node, const std::vector<AffinePtr>& terms) override {
    const std::vector<AffinePtr> apart = by_atom(terms);
    return apart.size() == 1 ? apart[0] : junction(node.name, apart, std::nullopt);
  }

  AffinePtr product(const nn::Node& node, const AffinePtr& a, const AffinePtr& b) override {
    AffinePtr both = junction(node.name, {a, b}, std::nullopt);
    drafts_.back().branches.back().factor = true;
    return both;
  }

  Result<AffinePtr> activate(const nn::Node& node, AffinePtr x, PolynomialActivation activation) override {
    std::vector<AffinePtr> alone;
    alone.push_back(std::move(x));
    return junction(node.name, std::move(alone), std::move(activation));
  }

  AffinePtr maximum(const nn::Node& node, const AffinePtr& x, const PolynomialActivation& activation) override {
    TreeParts parts;
    parts.append = [&](const Affine& value, LinearMap map) { return append(value, std::move(map), notes_); };
    parts.sum = [&](const std::vector<AffinePtr>& terms) { return sum(node, terms); };
    parts.activate = [&](const std::vector<AffinePtr>& terms, std::uint32_t elements) {
      PolynomialActivation each = activation;
      each.elements = elements;
      return junction(node.name, by_atom(terms), std::move(each));
    };
    return max_pool_tree(graph_, node, x, parts);
  }

  /// What a junction of these branches gives.
  AffinePtr junction(const std::string& origin, std::vector<AffinePtr> branches,
                     std::optional<PolynomialActivation> activation) {
    Draft draft;
    draft.elements = branches[0]->elements;
    for (AffinePtr& branch : branches) {
      Affine affine = *branch;
      branch.reset();
      draft.branches.push_back({affine.atom, {}, false});
      for (auto& map : affine.maps) draft.branches.back().segment.push_back(own(std::move(map)));
    }
    if (branches.size() > 1) draft.origin = origin;
    draft.activation = std::move(activation);
    drafts_.push_back(std::move(draft));
    return std::make_shared<const Affine>(Affine{drafts_.size(), {}, drafts_.back().elements});
  }

  /// Of junctions; atom k + 1 is what the k-th gives.
  std::vector<Draft>& drafts() { return drafts_; }

 private:
  static std::vector<AffinePtr> by_atom(const std::vector<AffinePtr>& terms) {
    std::vector<AffinePtr> apart;
    for (const auto& term : terms) {
      const auto same = std::find_if(apart.begin(), apart.end(), [&](const auto& a) { return a->atom == term->atom; });
      if (same == apart.end()) {
        apart.push_back(term);
      } else {
        *same = compile::add(**same, *term);
      }
    }
    return apart;
  }

  const nn::Graph& graph_;
  std::vector<std::string>& notes_;
  std::vector<Draft> drafts_;
};

}  // namespace

Result<FusedNetwork> fuse(const nn::Graph& graph, const Approximations& approximations) {
  FusedNetwork out;
  out.name = graph.name;
  out.input = graph.values[graph.input].shape;
  Matrices maps(graph, out.notes);
  Walk walk(graph, approximations, maps);
  const nn::Node none;
  const nn::Node* last = &none;
  const std::vector<const nn::Node*> nodes = live_nodes(graph);
  walk.forget_after(nodes);
  for (const nn::Node* node : nodes) {
    last = node;
    OBSCURA_TRY_VOID(walk.follow(*node));
  }
  OBSCURA_TRY(auto output, walk.affine(*last, graph.output));
  std::vector<AffinePtr> alone;
  alone.push_back(std::move(output));
  maps.junction("", std::move(alone), std::nullopt);
  inline_sums(maps.drafts());
  number(std::move(maps.drafts()), out);
  return out;
}

}  // namespace obscura::compile
