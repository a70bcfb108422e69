// SPDX-License-Identifier: Apache-2.0
// Where the elements of moves come from.
#include <algorithm>
#include <numeric>

#include "nn/operators.h"

namespace obscura::nn {
namespace {

/// Along one axis of the output: the coordinate of the input, or -1.
using Coordinates = std::vector<std::int64_t>;

/// For each axis of the output the input's coordinate at each position, and which axis of the input that is.
struct AxisMap {
  std::vector<Coordinates> from;
  std::vector<std::size_t> axis;
};

AxisMap straight(const Shape& to) {
  AxisMap map;
  for (std::size_t d = 0; d < to.size(); ++d) {
    map.from.emplace_back(static_cast<std::size_t>(to[d]));
    std::iota(map.from.back().begin(), map.from.back().end(), 0);
    map.axis.push_back(d);
  }
  return map;
}

AxisMap axis_map(const Graph& graph, const Node& node, std::size_t input) {
  const Attributes& a = node.attributes;
  const Shape& to = graph.values[node.output].shape;
  const Shape& from = graph.values[node.inputs[input]].shape;
  AxisMap map = straight(to);
  const auto shift = [&](std::size_t d, std::int64_t before) {
    for (std::int64_t& c : map.from[d]) c = c - before >= 0 && c - before < from[d] ? c - before : -1;
  };
  switch (node.op) {
    case Op::transpose:
      map.axis.assign(a.permutation.begin(), a.permutation.end());
      break;
    case Op::slice:
      for (std::size_t d = 0; d < to.size(); ++d) {
        for (std::int64_t& c : map.from[d]) c = a.starts[d] + c * a.steps[d];
      }
      break;
    case Op::pad:
      for (std::size_t d = 0; d < to.size(); ++d) shift(d, a.pads_before[d]);
      break;
    case Op::gather:
      map.from[static_cast<std::size_t>(a.axis)] = a.indices;
      break;
    case Op::concat: {
      const auto axis = static_cast<std::size_t>(a.axis);
      std::int64_t before = 0;
      for (std::size_t i = 0; i < input; ++i) before += graph.values[node.inputs[i]].shape[axis];
      shift(axis, before);
      break;
    }
    default:
      OBSCURA_CHECK(false, "{} does not move elements", describe(node));
  }
  return map;
}

}  // namespace

std::vector<std::uint32_t> move_sources(const Graph& graph, const Node& node, std::size_t input) {
  const Shape& to = graph.values[node.output].shape;
  std::vector<std::uint32_t> sources(static_cast<std::size_t>(element_count(to)));
  if (node.op == Op::reshape) {
    std::iota(sources.begin(), sources.end(), 0U);
    return sources;
  }
  const Shape& from = graph.values[node.inputs[input]].shape;
  const AxisMap map = axis_map(graph, node, input);
  std::vector<std::int64_t> stride(from.size(), 1);
  for (std::size_t d = from.size(); d-- > 1;) stride[d - 1] = stride[d] * from[d];
  // Axis by axis from the last: what is known of the axes behind is repeated at each position.
  std::vector<std::int64_t> places = {0};
  for (std::size_t d = to.size(); d-- > 0;) {
    std::vector<std::int64_t> next;
    next.reserve(places.size() * map.from[d].size());
    for (const std::int64_t c : map.from[d]) {
      for (const std::int64_t place : places) next.push_back(c < 0 || place < 0 ? -1 : place + c * stride[map.axis[d]]);
    }
    places = std::move(next);
  }
  std::transform(places.begin(), places.end(), sources.begin(),
                 [](std::int64_t place) { return place < 0 ? kNoSource : static_cast<std::uint32_t>(place); });
  return sources;
}

}  // namespace obscura::nn
