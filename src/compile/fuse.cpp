// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>

#include "compile/joins.h"
#include "compile/layers.h"
#include "compile/symbol.h"
#include "nn/broadcast.h"

namespace obscura::compile {
namespace {

/// Polynomials are followed up to this degree, so that factors may cancel; activations end at 4.
constexpr std::size_t kMaxDegree = 8;
constexpr const char* kSupported = "supported are polynomials of degree 2 and 4";

/// What to do about an operator that has no exact form under encryption here.
const char* way_out(nn::Op op) {
  switch (op) {
    case nn::Op::max_pool:
      return "a maximum is not a polynomial; train the network with average pooling (obscura train), or see what "
             "polynomials in its place do to the accuracy (obscura evaluate --backend poly)";
    case nn::Op::lrn:
      return "a normalization over channels divides, which is not a polynomial; train the network with batch "
             "normalization (obscura train), or see what polynomials in its place do to the accuracy (obscura evaluate "
             "--backend poly)";
    default:
      return "it is not a polynomial; for single images say how close one shall come to it (--layout image with "
             "--alpha, "
             "--depth or --products; obscura evaluate --backend poly shows what that does to the accuracy), or train "
             "the network with a polynomial activation (obscura train)";
  }
}

/// Walks the nodes in order and holds a symbol for each value.
class Fuser {
 public:
  Fuser(const nn::Graph& graph, const Approximations& approximations)
      : graph_(graph), approximations_(approximations) {}

  Result<FusedNetwork> run() {
    out_.name = graph_.name;
    out_.input = graph_.values[graph_.input].shape;
    const auto elements = static_cast<std::uint32_t>(nn::element_count(out_.input));
    symbols_[graph_.input] = fresh(std::make_shared<const Affine>(Affine{0, {}, elements}), graph_.input);
    const std::vector<bool> live = live_values();
    for (const nn::Node& node : graph_.nodes) {
      if (!live[node.output]) continue;
      node_ = &node;
      OBSCURA_TRY(Symbol symbol, follow(node));
      symbols_[node.output] = std::move(symbol);
    }
    OBSCURA_TRY_VOID(finish());
    inline_sums(drafts_);
    number(std::move(drafts_), out_);
    return std::move(out_);
  }

 private:
  template <class... Args>
  Error unsupported(fmt::format_string<Args...> format, Args&&... args) const {
    return error(Code::unsupported, "{}: {}", describe(*node_), fmt::format(format, std::forward<Args>(args)...));
  }

  /// Values that the output depends on.
  std::vector<bool> live_values() const {
    std::vector<bool> live(graph_.values.size(), false);
    live[graph_.output] = true;
    for (auto node = graph_.nodes.rbegin(); node != graph_.nodes.rend(); ++node) {
      if (!live[node->output]) continue;
      for (const nn::ValueId id : node->inputs) live[id] = true;
    }
    return live;
  }

  Symbol fresh(std::shared_ptr<const Affine> root, nn::ValueId source) {
    Variable variable;
    variable.root = std::move(root);
    variable.order = ++order_;
    Symbol symbol;
    symbol.variable = std::make_shared<const Variable>(std::move(variable));
    symbol.source = source;
    return symbol;
  }

  Result<Symbol> follow(const nn::Node& node) {
    const auto found = approximations_.find(static_cast<std::size_t>(&node - graph_.nodes.data()));
    if (found != approximations_.end()) return approximated(node, found->second);
    switch (node.op) {
      case nn::Op::conv:
      case nn::Op::average_pool:
      case nn::Op::global_average_pool:
      case nn::Op::gemm:
      case nn::Op::slice:
      case nn::Op::pad:
        return linear(node);
      case nn::Op::concat:
        return concat(node);
      case nn::Op::batch_normalization:
        return normalize(node);
      case nn::Op::flatten:
      case nn::Op::identity:
        return symbol(node.inputs[0]);
      case nn::Op::add:
        return add_node(node);
      case nn::Op::mul:
        return multiply_node(node);
      case nn::Op::pow:
        return power(node);
      default:
        return unsupported("{}", way_out(node.op));
    }
  }

  Result<Symbol> symbol(nn::ValueId id) const {
    const auto found = symbols_.find(id);
    if (found == symbols_.end()) {
      return unsupported("input '{}' is a constant; only weights and operands of Add, Mul and Pow may be",
                         graph_.values[id].name);
    }
    return found->second;
  }

  /// An activation of one input, and thereby an atom.
  Result<Symbol> approximated(const nn::Node& node, const Approximation& approximation) {
    if (node.op == nn::Op::max_pool || node.op == nn::Op::lrn) return unsupported("{}", way_out(node.op));
    OBSCURA_TRY_VOID(check(approximation, describe(node)));
    OBSCURA_TRY(const Symbol x, symbol(node.inputs[0]));
    OBSCURA_TRY(const auto affine, as_affine(x));
    PolynomialActivation activation;
    activation.approximation = std::make_shared<const Approximation>(approximation);
    activation.elements = affine->elements;
    activation.origin = node.name;
    return fresh(new_atom({affine}, std::move(activation)), node.output);
  }

  Result<Symbol> linear(const nn::Node& node) {
    OBSCURA_TRY(const Symbol x, symbol(node.inputs[0]));
    OBSCURA_TRY(const auto affine, as_affine(x));
    OBSCURA_TRY(LinearMap map, linear_map(graph_, node));
    return fresh(append(*affine, std::move(map), out_.notes), node.output);
  }

  /// Each operand goes to its rows; the sum of all is the concatenation.
  Result<Symbol> concat(const nn::Node& node) {
    std::vector<std::shared_ptr<const Affine>> parts;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      OBSCURA_TRY(const Symbol x, symbol(node.inputs[i]));
      OBSCURA_TRY(const auto affine, as_affine(x));
      parts.push_back(append(*affine, concat_part(graph_, node, i), out_.notes));
    }
    return fresh(sum_of(parts), node.output);
  }

  /// Maps of one atom become one map; a sum over several atoms becomes an atom of its own.
  std::shared_ptr<const Affine> sum_of(const std::vector<std::shared_ptr<const Affine>>& terms) {
    std::vector<std::shared_ptr<const Affine>> apart;
    for (const auto& term : terms) {
      const auto same = std::find_if(apart.begin(), apart.end(), [&](const auto& a) { return a->atom == term->atom; });
      if (same == apart.end()) {
        apart.push_back(term);
      } else {
        *same = compile::add(**same, *term);
      }
    }
    return apart.size() == 1 ? apart[0] : new_atom(apart, std::nullopt);
  }

  /// What a junction of these branches gives.
  std::shared_ptr<const Affine> new_atom(const std::vector<std::shared_ptr<const Affine>>& branches,
                                         std::optional<PolynomialActivation> activation) {
    Draft draft;
    for (const auto& affine : branches) {
      draft.branches.push_back({affine->atom, {}});
      for (const auto& map : affine->maps) draft.branches.back().segment.push_back(*map);
    }
    draft.elements = branches[0]->elements;
    if (branches.size() > 1) draft.origin = node_->name;
    draft.activation = std::move(activation);
    drafts_.push_back(std::move(draft));
    return std::make_shared<const Affine>(Affine{drafts_.size(), {}, drafts_.back().elements});
  }

  Result<Symbol> normalize(const nn::Node& node) {
    OBSCURA_TRY(Symbol x, symbol(node.inputs[0]));
    OBSCURA_TRY(const Normalization n, normalization(graph_, node));
    x.source = node.output;
    if (degree(x.polynomial) > 1) {
      for (auto& coefficient : x.polynomial) coefficient = multiply(coefficient, n.factor);
      x.polynomial[0] = add(x.polynomial[0], n.shift);
      x.origin = merge(x.origin, {node.name});
      return x;
    }
    const Elements slope = x.polynomial.size() > 1 ? x.polynomial[1] : Elements{0};
    Variable variable;
    variable.root = x.variable->root;
    const Elements factor = multiply(slope, n.factor);
    variable.alpha = multiply(factor, x.variable->alpha);
    variable.beta = add(multiply(factor, x.variable->beta), add(multiply(x.polynomial[0], n.factor), n.shift));
    variable.order = ++order_;
    variable.origin = join(merge(merge({x.variable->origin}, x.origin), {node.name}));
    Symbol out;
    out.variable = std::make_shared<const Variable>(std::move(variable));
    out.source = node.output;
    return out;
  }

  /// The constant operand of an elementwise node spread over its result; one number where it is one.
  Result<Elements> spread(nn::ValueId id, const nn::Node& node) const {
    const nn::Value& value = graph_.values[id];
    const nn::Shape& result = graph_.values[node.output].shape;
    if (value.constant->data.size() == 1) return Elements{double{value.constant->data[0]}};
    Elements out;
    for (const std::uint32_t i : nn::broadcast_index(value, result)) out.push_back(value.constant->data[i]);
    return out;
  }

  /// {value, constant} of an elementwise node with a constant operand; nothing where both are computed.
  Result<std::optional<std::pair<Symbol, Elements>>> with_constant(const nn::Node& node) const {
    for (std::size_t side = 0; side < 2; ++side) {
      const nn::ValueId constant = node.inputs[side];
      const nn::ValueId value = node.inputs[1 - side];
      if (!graph_.values[constant].constant || graph_.values[value].constant) continue;
      OBSCURA_TRY_VOID(same_elements(value, node));
      OBSCURA_TRY(Symbol x, symbol(value));
      OBSCURA_TRY(Elements c, spread(constant, node));
      return std::optional(std::pair(std::move(x), std::move(c)));
    }
    return std::optional<std::pair<Symbol, Elements>>();
  }

  Result<void> same_elements(nn::ValueId id, const nn::Node& node) const {
    const nn::Shape& from = graph_.values[id].shape;
    const nn::Shape& to = graph_.values[node.output].shape;
    if (nn::element_count(from) == nn::element_count(to)) return {};
    return unsupported("'{}' of {} would be repeated to {}; only constants may be", graph_.values[id].name,
                       nn::to_string(from), nn::to_string(to));
  }

  Result<Symbol> add_node(const nn::Node& node) {
    OBSCURA_TRY(auto mixed, with_constant(node));
    if (mixed) {
      auto& [x, constant] = *mixed;
      x.polynomial[0] = add(x.polynomial[0], constant);
      return renamed(std::move(x), node);
    }
    OBSCURA_TRY(const Symbol a, symbol(node.inputs[0]));
    OBSCURA_TRY(const Symbol b, symbol(node.inputs[1]));
    OBSCURA_TRY_VOID(same_elements(node.inputs[0], node));
    OBSCURA_TRY_VOID(same_elements(node.inputs[1], node));
    if (const auto pair = align(a, b)) {
      Symbol out = a;
      out.variable = pair->variable;
      out.polynomial = add(pair->a, pair->b);
      out.origin = merge(a.origin, b.origin);
      return renamed(std::move(out), node);
    }
    OBSCURA_TRY(const auto left, as_affine(a));
    OBSCURA_TRY(const auto right, as_affine(b));
    return fresh(sum_of({left, right}), node.output);
  }

  Result<Symbol> multiply_node(const nn::Node& node) {
    OBSCURA_TRY(auto mixed, with_constant(node));
    if (mixed) {
      auto& [x, constant] = *mixed;
      for (auto& coefficient : x.polynomial) coefficient = multiply(coefficient, constant);
      trim(x.polynomial);
      return renamed(std::move(x), node);
    }
    OBSCURA_TRY(const Symbol a, symbol(node.inputs[0]));
    OBSCURA_TRY(const Symbol b, symbol(node.inputs[1]));
    OBSCURA_TRY_VOID(same_elements(node.inputs[0], node));
    OBSCURA_TRY_VOID(same_elements(node.inputs[1], node));
    return times(a, b, node);
  }

  Result<Symbol> times(const Symbol& a, const Symbol& b, const nn::Node& node) const {
    const auto pair = align(a, b);
    if (!pair) return unsupported("it multiplies two different values; only polynomials of one value are supported");
    if (degree(pair->a) + degree(pair->b) > kMaxDegree) {
      return unsupported("it computes a polynomial of degree {}; {}", degree(pair->a) + degree(pair->b), kSupported);
    }
    Symbol out = a;
    out.variable = pair->variable;
    out.polynomial = multiply(pair->a, pair->b);
    out.origin = merge(a.origin, b.origin);
    return renamed(std::move(out), node);
  }

  Result<Symbol> power(const nn::Node& node) {
    OBSCURA_TRY(const Symbol x, symbol(node.inputs[0]));
    const auto& exponent = graph_.values[node.inputs[1]].constant;
    if (!exponent || exponent->data.size() != 1) return unsupported("the exponent must be one constant number");
    const double n = exponent->data[0];
    if (!(n >= 1 && n <= static_cast<double>(kMaxDegree)) || n != std::floor(n)) {
      return unsupported("the exponent is {}; whole numbers from 1 to {} are supported", n, kMaxDegree);
    }
    Symbol out = x;
    for (int k = 1; k < static_cast<int>(n); ++k) {
      OBSCURA_TRY(out, times(out, x, node));
    }
    return renamed(std::move(out), node);
  }

  static Symbol renamed(Symbol symbol, const nn::Node& node) {
    symbol.source = node.output;
    symbol.origin = merge(symbol.origin, {node.name});
    return symbol;
  }

  /// The value as an affine map of an atom; a polynomial of degree above 1 becomes an activation and thereby an atom.
  Result<std::shared_ptr<const Affine>> as_affine(const Symbol& x) {
    if (degree(x.polynomial) <= 1) return affine_of(x);
    const auto known = atom_of_.find(x.source);
    if (known != atom_of_.end()) return known->second;
    const std::size_t d = degree(x.polynomial);
    if (d != 2 && d != 4) {
      return unsupported("its input is a polynomial of degree {} (computed by {}); {}", d, join(x.origin), kSupported);
    }
    const auto affine = affine_of(*x.variable);
    const auto atom = new_atom({affine}, PolynomialActivation{x.polynomial, affine->elements, join(x.origin)});
    atom_of_[x.source] = atom;
    return atom;
  }

  Result<void> finish() {
    if (graph_.nodes.empty()) return error(Code::unsupported, "network '{}' has no operators", graph_.name);
    OBSCURA_TRY(const Symbol y, symbol(graph_.output));
    OBSCURA_TRY(const auto affine, as_affine(y));
    new_atom({affine}, std::nullopt);
    return {};
  }

  const nn::Graph& graph_;
  const Approximations& approximations_;
  const nn::Node* node_ = nullptr;
  FusedNetwork out_;
  std::map<nn::ValueId, Symbol> symbols_;
  std::vector<Draft> drafts_;  ///< of junctions; atom k + 1 is what the k-th gives
  std::map<nn::ValueId, std::shared_ptr<const Affine>> atom_of_;
  std::size_t order_ = 0;
};

}  // namespace

Result<FusedNetwork> fuse(const nn::Graph& graph, const Approximations& approximations) {
  return Fuser(graph, approximations).run();
}

}  // namespace obscura::compile
