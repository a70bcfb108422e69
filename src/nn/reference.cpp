// SPDX-License-Identifier: Apache-2.0
#include "nn/reference.h"

#include "base/parallel.h"
#include "nn/broadcast.h"
#include "nn/operators.h"

namespace obscura::nn {
namespace {

std::vector<Prepared> prepare(const Graph& graph) {
  std::vector<Prepared> prepared(graph.nodes.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Value& value = graph.values[node.inputs[i]];
      if (value.constant) prepared[n].constants[i].assign(value.constant->data.begin(), value.constant->data.end());
      if (row(node.op).role == Role::move) prepared[n].sources.push_back(move_sources(graph, node, i));
      if (node.op != Op::add && node.op != Op::mul) continue;
      const Shape& result = graph.values[node.output].shape;
      if (image_shape(value, result.size()) != result) prepared[n].index[i] = broadcast_index(value, result);
    }
  }
  return prepared;
}

/// Node -> values that nobody reads after it.
std::vector<std::vector<ValueId>> last_readers(const Graph& graph) {
  std::vector<std::size_t> last(graph.values.size(), graph.nodes.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const ValueId id : graph.nodes[n].inputs) last[id] = n;
  }
  last[graph.output] = graph.nodes.size();
  std::vector<std::vector<ValueId>> done(graph.nodes.size());
  for (std::size_t id = 0; id < last.size(); ++id) {
    if (last[id] < graph.nodes.size()) done[last[id]].push_back(static_cast<ValueId>(id));
  }
  return done;
}

}  // namespace

std::vector<float> run_reference(const Graph& graph, std::span<const float> images, std::size_t count) {
  const auto size = static_cast<std::size_t>(element_count(graph.values.at(graph.input).shape));
  const auto classes = static_cast<std::size_t>(element_count(graph.values.at(graph.output).shape));
  OBSCURA_CHECK(images.size() % size == 0 && images.size() / size == count,
                "run_reference: {} floats for {} images of {}", images.size(), count, size);
  const std::vector<Prepared> prepared = prepare(graph);
  const auto done = last_readers(graph);
  std::vector<float> logits(count * classes);
  base::parallel_for((count + kBlock - 1) / kBlock, [&](std::size_t block) {
    const std::size_t first = block * kBlock;
    const std::size_t used = std::min(kBlock, count - first);
    std::vector<Map> maps(graph.values.size());
    Map& input = maps[graph.input];
    input.assign(size, all(0));
    for (std::size_t i = 0; i < used; ++i) {
      for (std::size_t e = 0; e < size; ++e) input[e][i] = images[(first + i) * size + e];
    }
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const Node& node = graph.nodes[n];
      Map out(static_cast<std::size_t>(element_count(graph.values[node.output].shape)));
      row(node.op).kernel({graph, node, prepared[n], maps}, out);
      maps[node.output] = std::move(out);
      for (const ValueId id : done[n]) Map().swap(maps[id]);
    }
    for (std::size_t i = 0; i < used; ++i) {
      for (std::size_t c = 0; c < classes; ++c) {
        logits[(first + i) * classes + c] = static_cast<float>(maps[graph.output][c][i]);
      }
    }
  });
  return logits;
}

}  // namespace obscura::nn
