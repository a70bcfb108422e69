// SPDX-License-Identifier: Apache-2.0
// Permutations of elements: moved through what does not care, cancelled, and folded into weights.
#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <unordered_set>

#include "nn/infer.h"
#include "nn/operators.h"
#include "nn/simplify.h"

namespace obscura::nn {
namespace {

using Order = std::vector<std::int64_t>;

/// A value as a transposition of another: axis i of it is axis order[i] of `base`. No order: it is base itself.
struct Turned {
  ValueId base = 0;
  Order order;
};

Order inverse(const Order& order) {
  Order out(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) out[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  return out;
}

bool is_identity(const Order& order) { return std::is_sorted(order.begin(), order.end()); }

template <class List>
List at_base(const List& list, const Order& order) {
  List out(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) out[static_cast<std::size_t>(order[i])] = list[i];
  return out;
}

/// Rewrites the nodes from the first to the last; a transposition is held back until somebody needs it.
class Sinker {
 public:
  explicit Sinker(Graph& graph) : graph_(graph), turned_(graph.values.size()) {
    for (std::size_t id = 0; id < turned_.size(); ++id) {
      turned_[id].base = static_cast<ValueId>(id);
      shapes_.push_back(graph.values[id].shape);
      names_.insert(graph.values[id].name);
    }
    for (const Node& node : graph.nodes) names_.insert(node.name);
  }

  Result<void> run() {
    std::vector<Node> nodes;
    nodes.swap(graph_.nodes);
    for (Node& node : nodes) OBSCURA_TRY_VOID(place(node));
    OBSCURA_TRY(graph_.output, materialized(graph_.output));
    leave_out_unused(graph_);
    return {};
  }

 private:
  Result<void> place(Node& node) {
    switch (node.op) {
      case Op::transpose:
        return compose(node);
      case Op::function:
      case Op::pow:
        return keep(node, turned_[node.inputs[0]]);
      case Op::slice:
      case Op::pad:
      case Op::gather:
        return axiswise(node);
      case Op::concat:
        return concat(node);
      case Op::add:
      case Op::mul:
        return binary(node);
      default:
        return plain(node);
    }
  }

  /// The node as it is, of values as they are.
  Result<void> plain(Node& node) {
    for (ValueId& id : node.inputs) {
      OBSCURA_TRY(id, materialized(id));
    }
    return append(std::move(node));
  }

  Result<void> append(Node node) {
    graph_.nodes.push_back(std::move(node));
    return infer_shape(graph_, graph_.nodes.back());
  }

  Result<void> compose(const Node& node) {
    const Turned& x = turned_[node.inputs[0]];
    Turned out{x.base, node.attributes.permutation};
    for (std::int64_t& axis : out.order) {
      if (!x.order.empty()) axis = x.order[static_cast<std::size_t>(axis)];
    }
    if (is_identity(out.order)) out.order.clear();
    originals_.emplace(std::pair(out.base, out.order), node);
    turned_[node.output] = std::move(out);
    return {};
  }

  /// The node of x's base; its output is turned as x is.
  Result<void> keep(Node& node, const Turned& x) {
    const Order order = x.order;
    node.inputs[0] = x.base;
    const ValueId output = node.output;
    OBSCURA_TRY_VOID(append(std::move(node)));
    if (order.empty()) return {};
    // The output's own name stays with what the base gives; whoever needs it turned makes a value of its own.
    turned_[output] = {output, order};
    return {};
  }

  Result<void> axiswise(Node& node) {
    const Turned x = turned_[node.inputs[0]];
    Attributes& a = node.attributes;
    if (!x.order.empty()) {
      for (Shape* list : {&a.starts, &a.steps, &a.sizes, &a.pads_before, &a.pads_after}) {
        if (!list->empty()) *list = at_base(*list, x.order);
      }
      if (node.op == Op::gather) a.axis = x.order[static_cast<std::size_t>(a.axis)];
    }
    return keep(node, x);
  }

  Result<void> concat(Node& node) {
    const Order order = turned_[node.inputs[0]].order;
    const bool same =
        std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) { return turned_[id].order == order; });
    if (order.empty() || !same) return plain(node);
    node.attributes.axis = order[static_cast<std::size_t>(node.attributes.axis)];
    for (ValueId& id : node.inputs) id = turned_[id].base;
    return keep(node, {node.inputs[0], order});
  }

  /// Both operands in the order of the one that is turned.
  Result<void> binary(Node& node) {
    std::size_t lead = turned_[node.inputs[0]].order.empty() ? 1 : 0;
    const auto large = [&](std::size_t side) { return shapes_[node.inputs[side]] == shapes_[node.output]; };
    if (!turned_[node.inputs[1 - lead]].order.empty() && !large(lead)) lead = 1 - lead;
    const Order order = turned_[node.inputs[lead]].order;
    if (order.empty() || !large(lead)) return plain(node);
    OBSCURA_TRY(const ValueId other, in_order(node.inputs[1 - lead], order));
    const ValueId base = turned_[node.inputs[lead]].base;
    node.inputs[lead] = base;
    node.inputs[1 - lead] = other;
    const ValueId output = node.output;
    OBSCURA_TRY_VOID(append(std::move(node)));
    turned_[output] = {output, order};
    return {};
  }

  /// What stands at the base of `order` beside a value that is turned so.
  Result<ValueId> in_order(ValueId id, const Order& order) {
    if (turned_[id].order == order) return turned_[id].base;
    const Value value = graph_.values[id];
    if (element_count(value.shape) == 1 && value.constant) return id;
    if (value.constant) {
      Shape full = value.shape;
      full.insert(full.begin(), order.size() - full.size(), 1);
      return turned_constant(value, full, order);
    }
    OBSCURA_TRY(const ValueId straight, materialized(id));
    return transposed(straight, inverse(order));
  }

  Result<ValueId> turned_constant(const Value& value, const Shape& full, const Order& order) {
    const Order back = inverse(order);
    Tensor out;
    for (const std::int64_t axis : back) out.shape.push_back(full[static_cast<std::size_t>(axis)]);
    // Seen as a node, so that the elements go where move_sources says.
    Graph small;
    small.values.push_back({"x", full, std::nullopt});
    small.values.push_back({"y", out.shape, std::nullopt});
    Attributes a;
    a.permutation = back;
    small.nodes.push_back({Op::transpose, "t", {0}, 1, a});
    for (const std::uint32_t from : move_sources(small, small.nodes[0], 0))
      out.data.push_back(value.constant->data[from]);
    const auto id = static_cast<ValueId>(graph_.values.size());
    graph_.values.push_back({fresh(value.name + "/turned"), out.shape, std::move(out)});
    turned_.push_back({id, {}});
    shapes_.push_back(graph_.values[id].shape);
    return id;
  }

  Result<ValueId> transposed(ValueId x, const Order& order) {
    const auto id = static_cast<ValueId>(graph_.values.size());
    const std::string name = fresh(graph_.values[x].name + "/Transpose");
    graph_.values.push_back({name, {}, std::nullopt});
    turned_.push_back({id, {}});
    shapes_.emplace_back();
    Attributes a;
    a.permutation = order;
    OBSCURA_TRY_VOID(append({Op::transpose, name, {x}, id, a}));
    return id;
  }

  /// The value itself, made once.
  Result<ValueId> materialized(ValueId id) {
    const Turned x = turned_[id];
    if (x.order.empty()) return x.base;
    const auto key = std::pair(x.base, x.order);
    if (const auto known = made_.find(key); known != made_.end()) return known->second;
    const auto original = originals_.find(key);
    if (original == originals_.end()) {
      OBSCURA_TRY(const ValueId made, transposed(x.base, x.order));
      made_.emplace(key, made);
      return made;
    }
    // The file's own node, of another value perhaps.
    Node node = original->second;
    node.inputs = {x.base};
    node.attributes.permutation = x.order;
    made_.emplace(key, node.output);
    const ValueId output = node.output;
    OBSCURA_TRY_VOID(append(std::move(node)));
    return output;
  }

  std::string fresh(std::string wanted) {
    while (!names_.insert(wanted).second) wanted += '_';
    return wanted;
  }

  Graph& graph_;
  std::vector<Turned> turned_;  ///< by value of the old graph
  std::map<std::pair<ValueId, Order>, ValueId> made_;
  std::map<std::pair<ValueId, Order>, Node> originals_;  ///< transpositions of the file
  std::vector<Shape> shapes_;                            ///< of the values of the old graph
  std::unordered_set<std::string> names_;
};

/// Where each element of a value comes from, back through permutations: the value that they start at.
struct Origin {
  ValueId base = 0;
  std::vector<std::uint32_t> element;
  bool moved = false;  ///< more than reshapes
};

Origin origin_of(const Graph& graph, const std::vector<const Node*>& makers, ValueId id) {
  Origin out{id, std::vector<std::uint32_t>(static_cast<std::size_t>(element_count(graph.values[id].shape))), false};
  std::iota(out.element.begin(), out.element.end(), 0U);
  while (const Node* maker = makers[out.base]) {
    const bool whole =
        element_count(graph.values[maker->inputs[0]].shape) == static_cast<std::int64_t>(out.element.size());
    const bool gather = maker->op == Op::gather && whole;
    if (maker->op != Op::reshape && maker->op != Op::transpose && !gather) break;
    if (maker->op != Op::reshape) {
      const std::vector<std::uint32_t> sources = move_sources(graph, *maker, 0);
      std::vector<bool> taken(sources.size(), false);
      for (const std::uint32_t s : sources) taken[s] = true;
      if (gather && !std::all_of(taken.begin(), taken.end(), [](bool t) { return t; })) break;
      for (std::uint32_t& e : out.element) e = sources[e];
      out.moved = true;
    }
    out.base = maker->inputs[0];
  }
  return out;
}

/// The order of channels where a permutation moves whole ones; nothing otherwise.
std::optional<std::vector<std::uint32_t>> channel_order(const Origin& origin, const Shape& shape) {
  const auto area = static_cast<std::uint32_t>(element_count(shape) / shape[0]);
  std::vector<std::uint32_t> channels;
  for (std::uint32_t e = 0; e < origin.element.size(); ++e) {
    if (e % area == 0) channels.push_back(origin.element[e] / area);
    if (origin.element[e] != channels.back() * area + e % area) return std::nullopt;
  }
  return channels;
}

/// Inputs of a weight {outputs, inputs, kernel...} (or {inputs, outputs}) go to the places of their origins.
void permute_inputs(Tensor& weight, std::size_t axis, const std::vector<std::uint32_t>& order) {
  const std::vector<float> before = weight.data;
  std::size_t inner = 1;
  for (std::size_t d = axis + 1; d < weight.shape.size(); ++d) inner *= static_cast<std::size_t>(weight.shape[d]);
  const std::size_t outer = before.size() / (inner * order.size());
  for (std::size_t o = 0; o < outer; ++o) {
    for (std::size_t i = 0; i < order.size(); ++i) {
      std::copy_n(before.begin() + static_cast<std::ptrdiff_t>((o * order.size() + i) * inner), inner,
                  weight.data.begin() + static_cast<std::ptrdiff_t>((o * order.size() + order[i]) * inner));
    }
  }
}

/// The node reads what is before the permutation, with weights to match: the reshape that it reads, or nothing.
std::optional<Node> without_permutation(Graph& graph, const std::vector<const Node*>& makers, Node& node) {
  const Origin origin = origin_of(graph, makers, node.inputs[0]);
  if (!origin.moved) return std::nullopt;
  const Shape shape = graph.values[node.inputs[0]].shape;
  const bool dense = node.op == Op::gemm;
  const auto order = dense ? std::optional(origin.element) : channel_order(origin, shape);
  if (!order) return std::nullopt;
  Value weight = graph.values[node.inputs[1]];
  permute_inputs(*weight.constant, !dense || node.attributes.transpose_b ? 1 : 0, *order);
  weight.name += "/permuted" + std::to_string(graph.nodes.size());
  const std::string name = node.name + "/straight";
  node.inputs[1] = static_cast<ValueId>(graph.values.size());
  graph.values.push_back(std::move(weight));
  node.inputs[0] = static_cast<ValueId>(graph.values.size());
  graph.values.push_back({name, shape, std::nullopt});
  Attributes a;
  a.shape = shape;
  return Node{Op::reshape, name, {origin.base}, node.inputs[0], a};
}

}  // namespace

Result<void> sink_transposes(Graph& graph) {
  const bool any =
      std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& n) { return n.op == Op::transpose; });
  if (!any) return {};
  return Sinker(graph).run();
}

Result<void> fold_permutations(Graph& graph) {
  constexpr std::int64_t kMaxMoved = 1 << 22;
  std::vector<Node> nodes;
  nodes.swap(graph.nodes);
  std::vector<const Node*> makers(graph.values.size(), nullptr);
  for (const Node& node : nodes) makers[node.output] = &node;
  for (const Node& node : nodes) {
    Node copy = node;
    const Node* maker = node.inputs.empty() ? nullptr : makers[node.inputs[0]];
    const bool weighted = node.op == Op::gemm || (node.op == Op::conv && node.attributes.groups == 1);
    const bool behind_move = weighted && maker != nullptr &&
                             (maker->op == Op::reshape || maker->op == Op::transpose || maker->op == Op::gather);
    const Shape shape = graph.values[node.inputs[0]].shape;
    if (behind_move && element_count(shape) <= kMaxMoved) {
      if (auto straight = without_permutation(graph, makers, copy)) graph.nodes.push_back(std::move(*straight));
    }
    graph.nodes.push_back(std::move(copy));
  }
  leave_out_unused(graph);
  return {};
}

}  // namespace obscura::nn
