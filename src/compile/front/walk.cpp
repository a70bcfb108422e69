// SPDX-License-Identifier: Apache-2.0
#include "compile/front/walk.h"

#include <algorithm>
#include <cmath>

#include "compile/front/layers.h"
#include "nn/broadcast.h"
#include "nn/operators.h"

namespace obscura::compile {
namespace {

template <class... Args>
Error unsupported(const nn::Node& node, fmt::format_string<Args...> format, Args&&... args) {
  return error(Code::unsupported, "{}: {}", describe(node), fmt::format(format, std::forward<Args>(args)...));
}

Symbol renamed(Symbol symbol, const nn::Node& node) {
  symbol.source = node.output;
  symbol.origin = merge(symbol.origin, {node.name});
  return symbol;
}

/// The constant operand of an elementwise node spread over its result; one number where it is one.
Elements spread(const nn::Graph& graph, nn::ValueId id, const nn::Node& node) {
  const nn::Value& value = graph.values[id];
  const std::vector<float>& data = value.constant->data;
  if (data.size() == 1) return Elements{double{data[0]}};
  Elements out;
  for (const std::uint32_t i : nn::broadcast_index(value, graph.values[node.output].shape)) out.push_back(data[i]);
  return out;
}

}  // namespace

bool needs_approximation(const nn::Node& node) {
  if (node.op == nn::Op::max_pool) return node.attributes.kernel[0] * node.attributes.kernel[1] > 1;
  return node.op == nn::Op::function && !approx::is_affine(node.attributes.function);
}

const char* way_out(const nn::Node& node) {
  switch (node.op) {
    case nn::Op::max_pool:
      return "a maximum is not a polynomial; polynomials replace it, which training images choose (--calibrate; "
             "--max-loss, --alpha, --depth or --products say how near they come), or train the network "
             "with average pooling (obscura train), which is faster";
    case nn::Op::lrn:
      return "a normalization over channels divides, which is not a polynomial; train the network with batch "
             "normalization in its place (PyTorch BatchNorm2d, Keras BatchNormalization, or obscura train), or see "
             "what polynomials in its place do to the accuracy (obscura evaluate --backend poly)";
    case nn::Op::normalization:
      return "it divides by a standard deviation that each image has its own of (instance, layer or group "
             "normalization), "
             "which is not a polynomial; train the network with batch normalization in its place (PyTorch "
             "BatchNorm2d, Keras BatchNormalization), whose numbers are constants";
    case nn::Op::softmax:
      return "it divides by a sum of exponentials, which is not a polynomial; only as the network's last operator is "
             "it supported, where the client computes it: train the network without attention";
    case nn::Op::matmul:
      return "it multiplies two different values of the image, as attention does; only products with constant weights "
             "are supported: train the network without attention, with convolutions in its place";
    default:
      return "it is not a polynomial; one near it replaces it, which training images choose (--calibrate; "
             "--max-loss, --alpha, --depth or --products say how near it comes, and obscura evaluate "
             "--backend poly what that does to the accuracy), or train the network with a polynomial activation "
             "(obscura train)";
  }
}

std::vector<const nn::Node*> live_nodes(const nn::Graph& graph) {
  std::vector<bool> live(graph.values.size(), false);
  live[graph.output] = true;
  std::vector<const nn::Node*> out;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    if (!live[node->output]) continue;
    for (const nn::ValueId id : node->inputs) live[id] = true;
    out.push_back(&*node);
  }
  std::reverse(out.begin(), out.end());
  return out;
}

Walk::Walk(const nn::Graph& graph, const Approximations& approximations, Maps& maps)
    : graph_(graph), approximations_(approximations), maps_(maps) {
  const auto elements = static_cast<std::uint32_t>(nn::element_count(graph.values[graph.input].shape));
  symbols_[graph.input] = fresh(std::make_shared<const Affine>(Affine{0, {}, elements}), graph.input);
}

void Walk::forget_after(const std::vector<const nn::Node*>& nodes) {
  for (const nn::Node* node : nodes) {
    for (const nn::ValueId id : node->inputs) last_reader_[id] = node;
  }
}

Result<void> Walk::follow(const nn::Node& node) {
  OBSCURA_TRY(Symbol symbol, symbol_of(node));
  for (const nn::ValueId id : node.inputs) {
    const auto last = last_reader_.find(id);
    if (last != last_reader_.end() && last->second == &node) symbols_.erase(id);
  }
  symbols_[node.output] = std::move(symbol);
  return {};
}

std::optional<std::size_t> Walk::degree_of(nn::ValueId id) const {
  const auto found = symbols_.find(id);
  if (found == symbols_.end()) return std::nullopt;
  return degree(found->second.polynomial);
}

Result<AffinePtr> Walk::affine(const nn::Node& reader, nn::ValueId id) {
  OBSCURA_TRY(Symbol x, symbol(reader, id));
  const auto last = last_reader_.find(id);
  const bool once = std::count(reader.inputs.begin(), reader.inputs.end(), id) == 1;
  if (once && last != last_reader_.end() && last->second == &reader) symbols_.erase(id);
  return as_affine(reader, std::move(x));
}

Symbol Walk::fresh(AffinePtr root, nn::ValueId source) {
  Variable variable;
  variable.root = std::move(root);
  variable.order = ++order_;
  Symbol symbol;
  symbol.variable = std::make_shared<const Variable>(std::move(variable));
  symbol.source = source;
  return symbol;
}

Result<Symbol> Walk::symbol_of(const nn::Node& node) {
  const auto found = approximations_.find(static_cast<std::size_t>(&node - graph_.nodes.data()));
  if (found != approximations_.end()) return approximated(node, found->second);
  switch (nn::row(node.op).role) {
    case nn::Role::linear:
      return linear(node);
    case nn::Role::move:
      return move(node);
    case nn::Role::affine:
      return normalize(node);
    case nn::Role::arithmetic:
      return arithmetic(node);
    case nn::Role::activation:
      if (needs_approximation(node)) break;
      if (node.op == nn::Op::function) return function(node);
      if (node.op == nn::Op::max_pool) return single(node);
      break;
    case nn::Role::division:
      break;
  }
  return unsupported(node, "{}", way_out(node));
}

Result<Symbol> Walk::symbol(const nn::Node& node, nn::ValueId id) const {
  const auto found = symbols_.find(id);
  if (found == symbols_.end()) {
    return unsupported(node, "input '{}' is a constant; only weights and operands of Add, Mul and Pow may be",
                       graph_.values[id].name);
  }
  return found->second;
}

/// An activation of one input, and thereby an atom.
Result<Symbol> Walk::approximated(const nn::Node& node, const Approximation& approximation) {
  const bool maximum = node.op == nn::Op::max_pool;
  if (node.op != nn::Op::function && !maximum) return unsupported(node, "{}", way_out(node));
  OBSCURA_TRY_VOID(check(approximation, describe(node)));
  OBSCURA_TRY(auto x, affine(node, node.inputs[0]));
  PolynomialActivation activation;
  activation.approximation = std::make_shared<const Approximation>(approximation);
  activation.elements = x->elements;
  activation.origin = node.name;
  if (maximum) return fresh(maps_.maximum(node, x, activation), node.output);
  OBSCURA_TRY(auto atom, maps_.activate(node, std::move(x), std::move(activation)));
  return fresh(std::move(atom), node.output);
}

/// The largest of one element is that one.
Result<Symbol> Walk::single(const nn::Node& node) {
  OBSCURA_TRY(const auto x, affine(node, node.inputs[0]));
  return fresh(maps_.maximum(node, x, {}), node.output);
}

Result<Symbol> Walk::linear(const nn::Node& node) {
  OBSCURA_TRY(const auto x, affine(node, node.inputs[0]));
  OBSCURA_TRY(auto y, maps_.apply(node, x));
  return fresh(std::move(y), node.output);
}

/// A reshape keeps the elements, and thereby the symbol.
Result<Symbol> Walk::move(const nn::Node& node) {
  if (node.op == nn::Op::reshape) return symbol(node, node.inputs[0]);
  if (node.inputs.size() == 1) return linear(node);
  std::vector<AffinePtr> parts;
  for (const nn::ValueId id : node.inputs) {
    OBSCURA_TRY(auto part, affine(node, id));
    parts.push_back(std::move(part));
  }
  return fresh(maps_.concatenate(node, parts), node.output);
}

Result<Symbol> Walk::normalize(const nn::Node& node) {
  OBSCURA_TRY(Symbol x, symbol(node, node.inputs[0]));
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

/// a x + b.
Result<Symbol> Walk::function(const nn::Node& node) {
  OBSCURA_TRY(Symbol x, symbol(node, node.inputs[0]));
  const double shift = approx::value(node.attributes.function, 0);
  const Elements factor{approx::value(node.attributes.function, 1) - shift};
  for (auto& coefficient : x.polynomial) coefficient = multiply(coefficient, factor);
  x.polynomial[0] = add(x.polynomial[0], {shift});
  trim(x.polynomial);
  return renamed(std::move(x), node);
}

Result<Symbol> Walk::arithmetic(const nn::Node& node) {
  if (node.op == nn::Op::add) return add_node(node);
  if (node.op == nn::Op::mul) return multiply_node(node);
  if (node.op == nn::Op::pow) return power(node);
  return unsupported(node, "{}", way_out(node));
}

/// Input i of an elementwise node, with as many elements as its output.
Result<Symbol> Walk::operand(const nn::Node& node, std::size_t i) {
  const nn::ValueId id = node.inputs[i];
  if (nn::element_count(graph_.values[id].shape) == nn::element_count(graph_.values[node.output].shape)) {
    return symbol(node, id);
  }
  OBSCURA_TRY(const auto x, affine(node, id));
  return fresh(maps_.repeat(node, i, x), node.output);
}

/// {value, constant} of an elementwise node with a constant operand; nothing where both are computed.
Result<std::optional<std::pair<Symbol, Elements>>> Walk::with_constant(const nn::Node& node) {
  for (std::size_t side = 0; side < 2; ++side) {
    const nn::ValueId constant = node.inputs[side];
    if (!graph_.values[constant].constant || graph_.values[node.inputs[1 - side]].constant) continue;
    OBSCURA_TRY(Symbol x, operand(node, 1 - side));
    return std::optional(std::pair(std::move(x), spread(graph_, constant, node)));
  }
  return std::optional<std::pair<Symbol, Elements>>();
}

Result<Symbol> Walk::add_node(const nn::Node& node) {
  OBSCURA_TRY(auto mixed, with_constant(node));
  if (mixed) {
    auto& [x, constant] = *mixed;
    x.polynomial[0] = add(x.polynomial[0], constant);
    return renamed(std::move(x), node);
  }
  OBSCURA_TRY(const Symbol a, operand(node, 0));
  OBSCURA_TRY(const Symbol b, operand(node, 1));
  if (const auto pair = align(a, b)) {
    Symbol out = a;
    out.variable = pair->variable;
    out.polynomial = add(pair->a, pair->b);
    out.origin = merge(a.origin, b.origin);
    return renamed(std::move(out), node);
  }
  OBSCURA_TRY(const auto left, as_affine(node, a));
  OBSCURA_TRY(const auto right, as_affine(node, b));
  return fresh(maps_.sum(node, {left, right}), node.output);
}

Result<Symbol> Walk::multiply_node(const nn::Node& node) {
  OBSCURA_TRY(auto mixed, with_constant(node));
  if (mixed) {
    auto& [x, constant] = *mixed;
    for (auto& coefficient : x.polynomial) coefficient = multiply(coefficient, constant);
    trim(x.polynomial);
    return renamed(std::move(x), node);
  }
  OBSCURA_TRY(const Symbol a, operand(node, 0));
  OBSCURA_TRY(const Symbol b, operand(node, 1));
  return times(a, b, node);
}

/// A polynomial where both are ones of the same value, else an atom.
Result<Symbol> Walk::times(const Symbol& a, const Symbol& b, const nn::Node& node) {
  const auto pair = align(a, b);
  if (!pair) {
    OBSCURA_TRY(const auto left, as_affine(node, a));
    OBSCURA_TRY(const auto right, as_affine(node, b));
    return fresh(maps_.product(node, left, right), node.output);
  }
  const std::size_t both = degree(pair->a) + degree(pair->b);
  if (both > kMaxDegree) {
    return unsupported(node,
                       "it computes a polynomial of degree {}; degrees up to {} are supported: train the network with "
                       "an activation of degree 2 or 4 (obscura train)",
                       both, kMaxDegree);
  }
  Symbol out = a;
  out.variable = pair->variable;
  out.polynomial = multiply(pair->a, pair->b);
  out.origin = merge(a.origin, b.origin);
  return renamed(std::move(out), node);
}

Result<Symbol> Walk::power(const nn::Node& node) {
  OBSCURA_TRY(const Symbol x, symbol(node, node.inputs[0]));
  const auto& exponent = graph_.values[node.inputs[1]].constant;
  if (!exponent || exponent->data.size() != 1) return unsupported(node, "the exponent must be one constant number");
  const double n = exponent->data[0];
  if (!(n >= 1 && n <= static_cast<double>(kMaxDegree)) || n != std::floor(n)) {
    return unsupported(node, "the exponent is {}; whole numbers from 1 to {} are supported", n, kMaxDegree);
  }
  Symbol out = x;
  for (int k = 1; k < static_cast<int>(n); ++k) {
    OBSCURA_TRY(out, times(out, x, node));
  }
  return renamed(std::move(out), node);
}

Result<AffinePtr> Walk::as_affine(const nn::Node& reader, Symbol x) {
  if (degree(x.polynomial) <= 1) return affine_of(std::move(x));
  const nn::ValueId source = x.source;
  const auto known = atom_of_.find(source);
  if (known != atom_of_.end()) return known->second;
  OBSCURA_TRY(auto atom, as_activation(reader, std::move(x)));
  return atom_of_[source] = std::move(atom);
}

Result<AffinePtr> Walk::as_activation(const nn::Node& reader, Symbol x) {
  const std::size_t d = degree(x.polynomial);
  auto affine = affine_of(std::move(x.variable));
  const std::uint32_t elements = affine->elements;
  const std::string origin = join(x.origin);
  if (d == 2 || d == 4) return maps_.activate(reader, std::move(affine), {x.polynomial, elements, origin});
  const auto shared = shared_polynomial(x.polynomial);
  if (!shared) {
    return unsupported(reader,
                       "its input is a polynomial of degree {} with coefficients of its own for each channel or "
                       "element (computed by {}); such ones may have degree 2 or 4, and others up to {} the same "
                       "coefficients everywhere: train the network with one of those",
                       d, origin, kMaxDegree);
  }
  OBSCURA_TRY(auto atom, maps_.activate(reader, std::move(affine), {shared->polynomial, elements, origin}));
  return scaled(std::move(atom), shared->factor, shared->shift, origin);
}

}  // namespace obscura::compile
