// SPDX-License-Identifier: Apache-2.0
#include "nn/onnx_spellings.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "nn/onnx_constants.h"

namespace obscura::nn {
namespace {

/// A GELU is at most this many products.
constexpr std::size_t kMaxFactors = 4;

/// scale times the values of these names.
struct Product {
  double scale = 1;
  std::vector<std::string> factors;
  std::vector<int> nodes;  ///< that multiply
};

class GeluFinder {
 public:
  explicit GeluFinder(const onnx::GraphProto& graph) : graph_(graph) {
    for (const auto& tensor : graph.initializer()) constants_.emplace(tensor.name(), &tensor);
    for (int i = 0; i < graph.node_size(); ++i) {
      const auto& node = graph.node(i);
      if (node.output_size() > 0 && node.domain().empty()) makers_.emplace(node.output(0), i);
      for (const auto& name : node.input()) ++readers_[name];
      const bool holds_tensor = node.op_type() == "Constant" && node.output_size() > 0 && node.attribute_size() == 1 &&
                                node.attribute(0).type() == onnx::AttributeProto::TENSOR;
      if (holds_tensor) constants_.emplace(node.output(0), &node.attribute(0).t());
    }
    for (const auto& output : graph.output()) ++readers_[output.name()];
  }

  Spellings run() {
    for (int i = 0; i < graph_.node_size(); ++i) {
      if (is_product(graph_.node(i))) match(i);
    }
    return std::move(out_);
  }

 private:
  static bool is_product(const onnx::NodeProto& node) {
    return (node.op_type() == "Mul" || node.op_type() == "Div") && node.input_size() == 2 && node.output_size() == 1 &&
           node.domain().empty();
  }

  /// The one number of a constant.
  std::optional<double> number(const std::string& name) const {
    const auto found = constants_.find(name);
    if (found == constants_.end() || found->second->dims_size() > 1) return std::nullopt;
    if (found->second->dims_size() == 1 && found->second->dims(0) != 1) return std::nullopt;
    const auto tensor = read_floats(*found->second, name);
    return tensor.ok() ? std::optional<double>(tensor->data[0]) : std::nullopt;
  }

  /// The node of this operator that makes `name` for one reader only; -1 where there is none.
  int maker(const std::string& name, const char* operator_name, int inputs) const {
    const auto found = makers_.find(name);
    if (found == makers_.end() || readers_.at(name) != 1) return -1;
    const auto& node = graph_.node(found->second);
    return node.op_type() == operator_name && node.input_size() == inputs ? found->second : -1;
  }

  /// Spreads a product into its factors, as far as the products in it are read by it only.
  bool spread(int index, Product& out) const {
    const auto& node = graph_.node(index);
    out.nodes.push_back(index);
    for (int side = 0; side < 2; ++side) {
      const std::string& name = node.input(side);
      const bool divisor = side == 1 && node.op_type() == "Div";
      if (const auto constant = number(name)) {
        out.scale *= divisor ? 1 / *constant : *constant;
        continue;
      }
      if (divisor || out.nodes.size() + out.factors.size() > kMaxFactors) return false;
      int inner = maker(name, "Mul", 2);
      if (inner < 0) inner = maker(name, "Div", 2);
      if (inner < 0) {
        out.factors.push_back(name);
      } else if (!spread(inner, out)) {
        return false;
      }
    }
    return true;
  }

  static bool near(double actual, double expected) { return std::abs(actual / expected - 1) < 1e-5; }

  /// x where `name` is 1 + erf(x / sqrt 2), with the nodes on the way.
  std::optional<std::string> argument(const std::string& name, std::vector<int>& nodes) const {
    const int add = maker(name, "Add", 2);
    if (add < 0) return std::nullopt;
    for (int side = 0; side < 2; ++side) {
      const auto one = number(graph_.node(add).input(side));
      const int erf = maker(graph_.node(add).input(1 - side), "Erf", 1);
      if (!one || *one != 1 || erf < 0) continue;
      const auto scaled = makers_.find(graph_.node(erf).input(0));
      if (scaled == makers_.end() || !is_product(graph_.node(scaled->second))) continue;
      Product inner;
      if (readers_.at(scaled->first) != 1 || !spread(scaled->second, inner)) continue;
      if (inner.factors.size() != 1 || !near(inner.scale, 1 / std::sqrt(2.0))) continue;
      nodes.insert(nodes.end(), {add, erf});
      nodes.insert(nodes.end(), inner.nodes.begin(), inner.nodes.end());
      return inner.factors[0];
    }
    return std::nullopt;
  }

  void match(int last) {
    Product product;
    if (!spread(last, product) || product.factors.size() != 2 || !near(product.scale, 0.5)) return;
    for (std::size_t side = 0; side < 2; ++side) {
      std::vector<int> nodes = product.nodes;
      const auto x = argument(product.factors[side], nodes);
      if (!x || *x != product.factors[1 - side]) continue;
      nodes.erase(std::find(nodes.begin(), nodes.end(), last));
      out_.gelu_input.emplace(last, *x);
      out_.inner.insert(nodes.begin(), nodes.end());
      return;
    }
  }

  const onnx::GraphProto& graph_;
  std::unordered_map<std::string, const onnx::TensorProto*> constants_;
  std::unordered_map<std::string, int> makers_;
  std::unordered_map<std::string, int> readers_;
  Spellings out_;
};

/// How often each value is read, and which node gives it.
struct Uses {
  std::vector<int> readers;
  std::vector<const Node*> makers;
};

Uses uses_of(const Graph& graph) {
  Uses uses{std::vector<int>(graph.values.size(), 0), std::vector<const Node*>(graph.values.size(), nullptr)};
  uses.readers[graph.output] = 1;
  for (const Node& node : graph.nodes) {
    uses.makers[node.output] = &node;
    for (const ValueId id : node.inputs) ++uses.readers[id];
  }
  return uses;
}

/// The activation of x that x times `gate` is.
std::optional<Op> gated(const Uses& uses, ValueId x, ValueId gate) {
  const auto made_from = [&](ValueId id, Op op) -> std::optional<ValueId> {
    const Node* maker = uses.makers[id];
    if (maker == nullptr || maker->op != op || uses.readers[id] != 1) return std::nullopt;
    return maker->inputs[0];
  };
  if (made_from(gate, Op::sigmoid) == x) return Op::silu;
  const auto softplus = made_from(gate, Op::tanh);
  if (softplus && made_from(*softplus, Op::softplus) == x) return Op::mish;
  return std::nullopt;
}

}  // namespace

Spellings find_spellings(const onnx::GraphProto& graph) {
  const bool any =
      std::any_of(graph.node().begin(), graph.node().end(), [](const auto& n) { return n.op_type() == "Erf"; });
  return any ? GeluFinder(graph).run() : Spellings();
}

void merge_activations(Graph& graph) {
  const Uses uses = uses_of(graph);
  for (Node& node : graph.nodes) {
    if (node.op != Op::mul) continue;
    for (std::size_t side = 0; side < 2; ++side) {
      const ValueId x = node.inputs[side];
      const auto op = gated(uses, x, node.inputs[1 - side]);
      if (!op) continue;
      node.op = *op;
      node.inputs = {x};
      break;
    }
  }
  leave_out_unused(graph);
}

void leave_out_unused(Graph& graph) {
  std::vector<bool> needed(graph.values.size(), false);
  needed[graph.output] = true;
  needed[graph.input] = true;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    if (!needed[node->output]) continue;
    for (const ValueId id : node->inputs) needed[id] = true;
  }
  std::erase_if(graph.nodes, [&](const Node& node) { return !needed[node.output]; });
  std::vector<ValueId> place(graph.values.size(), 0);
  std::vector<Value> kept;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (!needed[i]) continue;
    place[i] = static_cast<ValueId>(kept.size());
    kept.push_back(std::move(graph.values[i]));
  }
  graph.values = std::move(kept);
  graph.input = place[graph.input];
  graph.output = place[graph.output];
  for (Node& node : graph.nodes) {
    for (ValueId& id : node.inputs) id = place[id];
    node.output = place[node.output];
  }
}

}  // namespace obscura::nn
