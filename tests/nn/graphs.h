// SPDX-License-Identifier: Apache-2.0
/// Small networks for the tests of nn.
#pragma once

#include <fmt/ranges.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "nn/graph.h"

namespace obscura::nn {

/// The folder with networks of others: $OBSCURA_SHARED, or beside the sources.
inline std::filesystem::path shared_data() {
  const char* chosen = std::getenv("OBSCURA_SHARED");
  return chosen != nullptr ? std::filesystem::path(chosen)
                           : std::filesystem::path(OBSCURA_SOURCE_DIR "/../shared/data");
}

/// Of Op::function, with the function's default parameters.
inline Attributes function_of(approx::Function::Kind kind) {
  Attributes a;
  a.function = approx::default_of(kind);
  return a;
}

/// Builds a graph node by node; the last node writes the output.
class Builder {
 public:
  explicit Builder(Shape input) {
    graph_.name = "test";
    graph_.values.push_back({"image", std::move(input), std::nullopt});
  }
  ValueId constant(Shape shape, std::vector<float> data) {
    const auto id = static_cast<ValueId>(graph_.values.size());
    graph_.values.push_back({"c" + std::to_string(id), shape, Tensor{shape, std::move(data)}});
    return id;
  }
  ValueId node(Op op, std::vector<ValueId> inputs, Attributes attributes = {}) {
    const auto id = static_cast<ValueId>(graph_.values.size());
    const std::string name = "n" + std::to_string(graph_.nodes.size());
    graph_.values.push_back({name + ".out", {}, std::nullopt});
    graph_.nodes.push_back({op, name, std::move(inputs), id, attributes});
    graph_.output = id;
    return id;
  }
  /// One row of the elements of x.
  ValueId flatten(ValueId x) {
    const Result<void> inferred = infer_shapes(graph_);
    OBSCURA_CHECK(inferred.ok(), "{}", inferred.error().message);
    return node(Op::reshape, {x}, {.shape = {element_count(graph_.values[x].shape)}});
  }
  ValueId function(const approx::Function& function, ValueId x) {
    return node(Op::function, {x}, {.function = function});
  }
  ValueId function(approx::Function::Kind kind, ValueId x) { return function(approx::default_of(kind), x); }
  ValueId reshape(ValueId x, Shape to) {
    Attributes a;
    a.shape = std::move(to);
    return node(Op::reshape, {x}, std::move(a));
  }
  Graph& graph() { return graph_; }

 private:
  Graph graph_;
};

/// All of a graph but the numbering of its values and the names of its reshapes, as text: equal text = the same
/// network.
inline std::string describe(const Graph& graph) {
  std::vector<const Node*> makers(graph.values.size(), nullptr);
  for (const Node& node : graph.nodes) makers[node.output] = &node;
  const auto name_of = [&](ValueId id) {
    const bool reshape = makers[id] != nullptr && makers[id]->op == Op::reshape && id != graph.output;
    return reshape ? std::string("reshape of ") + graph.values[makers[id]->inputs[0]].name : graph.values[id].name;
  };
  std::string text = graph.name + "\n" + name_of(graph.input) + to_string(graph.values[graph.input].shape) + " -> " +
                     name_of(graph.output) + " ending " + std::to_string(static_cast<int>(graph.ending)) + "\n";
  const Metadata& about = graph.metadata;
  text += fmt::format("{} {} {} {} {}\n", about.mean, about.std, about.class_names, about.headroom_bits.value_or(-1),
                      about.max_error.value_or(-1));
  for (const Node& node : graph.nodes) {
    const Attributes& a = node.attributes;
    text += fmt::format("{} {} k{} s{} d{} p{} g{} {} {} {} {} {}", node.op == Op::reshape ? "" : node.name,
                        to_string(node.op), a.kernel, a.strides, a.dilations, a.pads, a.groups, a.count_include_pad,
                        a.transpose_b, a.alpha, a.beta, a.epsilon);
    text += fmt::format(" from{} by{} of{} pad{}{} size{} {} to{} order{} axis{} {}", a.starts, a.steps, a.sizes,
                        a.pads_before, a.pads_after, a.size, a.bias, a.shape, a.permutation, a.axis, a.indices);
    if (node.op == Op::function) {
      const approx::Function& f = a.function;
      text += fmt::format(" {} {} {} {} {} {} {} {}", approx::name(f), f.alpha, f.beta, f.gamma, f.low, f.high, f.bias,
                          f.scale);
    }
    text += ":";
    for (const ValueId id : node.inputs) {
      const Value& value = graph.values[id];
      text += " " + name_of(id) + "(" + to_string(value.shape) + ")";
      if (!value.constant) continue;
      for (const float v : value.constant->data) text += fmt::format(" {}", v);
    }
    text += " -> " + name_of(node.output) + "(" + to_string(graph.values[node.output].shape) + ")\n";
  }
  return text;
}

}  // namespace obscura::nn
