// SPDX-License-Identifier: Apache-2.0
#include "compile/front/maxima.h"

#include <algorithm>

#include "nn/operators.h"

namespace obscura::compile {
namespace {

/// Taps that are to become one, in the order in which they pair.
using Line = std::vector<Tap>;

/// Element of the input under tap (kh, kw) of each window.
std::vector<std::uint32_t> tap_sources(const nn::Shape& in, const nn::Shape& out, const nn::Attributes& a,
                                       std::int64_t kh, std::int64_t kw) {
  std::vector<std::uint32_t> sources;
  for (std::int64_t c = 0; c < out[0]; ++c) {
    for (std::int64_t oh = 0; oh < out[1]; ++oh) {
      const std::int64_t y = oh * a.strides[0] - a.pads[0] + kh * a.dilations[0];
      for (std::int64_t ow = 0; ow < out[2]; ++ow) {
        const std::int64_t x = ow * a.strides[1] - a.pads[1] + kw * a.dilations[1];
        const bool inside = y >= 0 && y < in[1] && x >= 0 && x < in[2];
        sources.push_back(inside ? static_cast<std::uint32_t>((c * in[1] + y) * in[2] + x) : nn::kNoSource);
      }
    }
  }
  return sources;
}

/// Rows over the elements of several values, each row with at most two entries of a value.
class Rows {
 public:
  explicit Rows(std::size_t count) : count_(count) {}

  void add(std::size_t row, const std::shared_ptr<const Affine>& value, std::uint32_t source, double weight) {
    of(value)[row].emplace_back(source, weight);
  }

  /// A map for each value, and what it gives.
  std::vector<std::shared_ptr<const Affine>> applied(const nn::Shape& shape, const std::string& origin,
                                                     const TreeParts& parts) {
    std::vector<std::shared_ptr<const Affine>> out;
    for (auto& [value, rows] : values_) {
      LinearMap map;
      map.matrix.cols = value->elements;
      for (auto& row : rows) {
        std::sort(row.begin(), row.end());
        for (const auto& [column, weight] : row) map.matrix.push(column, weight);
        map.matrix.end_row();
      }
      map.bias.assign(count_, 0);
      map.origin = origin;
      map.shape = shape;
      out.push_back(parts.append(*value, std::move(map)));
    }
    return out;
  }

 private:
  using Row = std::vector<std::pair<std::uint32_t, double>>;

  std::vector<Row>& of(const std::shared_ptr<const Affine>& value) {
    const auto known = std::find_if(values_.begin(), values_.end(), [&](const auto& v) { return v.first == value; });
    if (known != values_.end()) return known->second;
    return values_.emplace_back(value, std::vector<Row>(count_)).second;
  }

  std::size_t count_;
  std::vector<std::pair<std::shared_ptr<const Affine>, std::vector<Row>>> values_;
};

/// One level: the pairs of all lines, side by side.
std::vector<Line> merged(const std::vector<Line>& lines, const nn::Shape& out, const std::string& origin,
                         const TreeParts& parts) {
  std::vector<std::pair<const Tap*, const Tap*>> pairs;
  for (const Line& line : lines) {
    for (std::size_t k = 0; k + 1 < line.size(); k += 2) pairs.emplace_back(&line[k], &line[k + 1]);
  }
  const auto elements = static_cast<std::size_t>(nn::element_count(out));
  Rows differences(pairs.size() * elements), carried(pairs.size() * elements);
  std::vector<std::vector<std::uint32_t>> present(pairs.size(), std::vector<std::uint32_t>(elements, nn::kNoSource));
  for (std::size_t p = 0; p < pairs.size(); ++p) {
    const auto& [a, b] = pairs[p];
    for (std::size_t e = 0; e < elements; ++e) {
      const std::uint32_t left = a->source[e], right = b->source[e];
      if (left == nn::kNoSource && right == nn::kNoSource) continue;
      const std::size_t row = p * elements + e;
      present[p][e] = static_cast<std::uint32_t>(row);
      const bool alone = right == nn::kNoSource;
      carried.add(row, alone ? a->value : b->value, alone ? left : right, 1);
      if (left == nn::kNoSource || alone) continue;
      differences.add(row, a->value, left, 1);
      differences.add(row, b->value, right, -1);
    }
  }
  nn::Shape shape = out;
  shape[0] *= static_cast<std::int64_t>(pairs.size());
  const auto all = static_cast<std::uint32_t>(pairs.size() * elements);
  std::vector<std::shared_ptr<const Affine>> terms = carried.applied(shape, origin, parts);
  const std::vector<std::shared_ptr<const Affine>> apart = differences.applied(shape, origin, parts);
  if (!apart.empty()) terms.push_back(parts.activate(apart, all));
  const std::shared_ptr<const Affine> maxima = parts.sum(terms);
  std::vector<Line> next;
  std::size_t p = 0;
  for (const Line& line : lines) {
    Line& shorter = next.emplace_back();
    for (std::size_t k = 0; k + 1 < line.size(); k += 2) shorter.push_back({maxima, std::move(present[p++])});
    if (line.size() % 2 == 1) shorter.push_back(line.back());
  }
  return next;
}

}  // namespace

std::shared_ptr<const Affine> max_pool_tree(const nn::Graph& graph, const nn::Node& node,
                                            const std::shared_ptr<const Affine>& x, const TreeParts& parts) {
  const nn::Shape& in = graph.values[node.inputs[0]].shape;
  const nn::Shape& out = graph.values[node.output].shape;
  const nn::Attributes& a = node.attributes;
  std::vector<Line> lines;
  for (std::int64_t kh = 0; kh < a.kernel[0]; ++kh) {
    Line& line = lines.emplace_back();
    for (std::int64_t kw = 0; kw < a.kernel[1]; ++kw) line.push_back({x, tap_sources(in, out, a, kh, kw)});
  }
  while (lines[0].size() > 1) lines = merged(lines, out, node.name, parts);
  // The maxima of the rows, one below the other.
  Line down;
  for (Line& line : lines) down.push_back(std::move(line[0]));
  lines = {std::move(down)};
  while (lines[0].size() > 1) lines = merged(lines, out, node.name, parts);
  const Tap& last = lines[0][0];
  Rows rows(last.source.size());
  bool as_is = last.value->elements == last.source.size();
  for (std::size_t e = 0; e < last.source.size(); ++e) {
    as_is = as_is && last.source[e] == e;
    rows.add(e, last.value, last.source[e], 1);
  }
  return as_is ? last.value : rows.applied(out, node.name, parts)[0];
}

}  // namespace obscura::compile
