// SPDX-License-Identifier: Apache-2.0
#include "nn/simplify.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "nn/infer.h"

namespace obscura::nn {
namespace {

/// The logits as one row, under the name that the file gives its output.
Result<void> finish_output(Graph& graph, const std::string& name) {
  const auto named = [&](const auto& list) {
    return std::any_of(list.begin(), list.end(), [&](const auto& item) { return item.name == name; });
  };
  const Shape row = {element_count(graph.values[graph.output].shape)};
  if (graph.values[graph.output].shape != row || graph.output == graph.input) {
    Attributes a;
    a.shape = row;
    const auto id = static_cast<ValueId>(graph.values.size());
    std::string fresh = name + "/row";
    while (std::any_of(graph.values.begin(), graph.values.end(), [&](const Value& v) { return v.name == fresh; })) {
      fresh += '_';
    }
    graph.values.push_back({fresh, {}, std::nullopt});
    graph.nodes.push_back({Op::reshape, fresh, {graph.output}, id, a});
    graph.output = id;
    OBSCURA_TRY_VOID(infer_shape(graph, graph.nodes.back()));
  }
  leave_out_unused(graph);
  if (!named(graph.values)) graph.values[graph.output].name = name;
  return {};
}

}  // namespace

std::vector<const Node*> makers_of(const Graph& graph) {
  std::vector<const Node*> makers(graph.values.size(), nullptr);
  for (const Node& node : graph.nodes) makers[node.output] = &node;
  return makers;
}

Result<void> simplify(Graph& graph, const std::string& output) {
  leave_out_unused(graph);
  name_functions(graph);
  OBSCURA_TRY_VOID(sink_transposes(graph));
  OBSCURA_TRY_VOID(merge_reshapes(graph));
  OBSCURA_TRY_VOID(fold_permutations(graph));
  OBSCURA_TRY_VOID(merge_reshapes(graph));
  cut_ending(graph);
  OBSCURA_TRY_VOID(finish_output(graph, output));
  return infer_shapes(graph);
}

Result<void> merge_reshapes(Graph& graph) {
  const std::vector<const Node*> makers = makers_of(graph);
  std::vector<ValueId> read(graph.values.size());
  std::iota(read.begin(), read.end(), 0U);
  std::map<std::pair<ValueId, Shape>, ValueId> made;  // the first reshape of a value to a shape
  for (Node& node : graph.nodes) {
    for (ValueId& id : node.inputs) id = read[id];
    if (node.op != Op::reshape) continue;
    // What is before was merged already: one look is enough.
    const Node* before = makers[node.inputs[0]];
    if (before != nullptr && before->op == Op::reshape) node.inputs[0] = before->inputs[0];
    const Shape& shape = graph.values[node.output].shape;
    const auto first = made.emplace(std::pair(node.inputs[0], shape), node.output).first;
    read[node.output] = graph.values[node.inputs[0]].shape == shape ? node.inputs[0] : first->second;
  }
  graph.output = read[graph.output];
  leave_out_unused(graph);
  return {};
}

void cut_ending(Graph& graph) {
  using Kind = approx::Function::Kind;
  const std::vector<const Node*> makers = makers_of(graph);
  const auto through_reshapes = [&](ValueId id) {
    while (makers[id] != nullptr && makers[id]->op == Op::reshape) id = makers[id]->inputs[0];
    return id;
  };
  const auto is = [&](const Node* node, Kind kind) {
    return node != nullptr && node->op == Op::function && node->attributes.function.kind == kind;
  };
  const auto whole_softmax = [&](const Node* node) {
    if (node == nullptr || node->op != Op::softmax) return false;
    const Shape& shape = graph.values[node->output].shape;
    return shape.back() == element_count(shape) && shape.back() > 1;
  };
  const ValueId last = through_reshapes(graph.output);
  const Node* node = makers[last];
  const Node* before = is(node, Kind::log) ? makers[through_reshapes(node->inputs[0])] : nullptr;
  // The largest stays the largest.
  const bool keep = graph.ending == Ending::argmax;
  if (whole_softmax(before)) {
    graph.output = before->inputs[0];
    if (!keep) graph.ending = Ending::log_softmax;
  } else if (whole_softmax(node)) {
    graph.output = node->inputs[0];
    if (!keep) graph.ending = Ending::softmax;
  } else if (is(node, Kind::sigmoid)) {
    graph.output = node->inputs[0];
    if (!keep) graph.ending = Ending::sigmoid;
  } else {
    return;
  }
  graph.output = through_reshapes(graph.output);
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
