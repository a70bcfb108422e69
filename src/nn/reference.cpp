// SPDX-License-Identifier: Apache-2.0
// kBlock images at a time, interleaved: element e of image i lies at e * kBlock + i, so that the inner loop of every
// operator runs over images and vectorises whatever the strides and pads are. The sum of one output element is taken
// in the same order for each image, whatever the count.
#include "nn/reference.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "base/parallel.h"
#include "nn/broadcast.h"

namespace obscura::nn {
namespace {

constexpr std::size_t kBlock = 16;
using Lanes = std::array<double, kBlock>;
using Map = std::vector<Lanes>;  ///< one value of the graph, for the images of a block

/// What a node needs beside its operands, made once for all blocks.
struct Prepared {
  std::array<std::vector<double>, 5> constants;     ///< of each constant input
  std::array<std::vector<std::uint32_t>, 2> index;  ///< of stretched operands of add and mul; empty: element by element
};

struct Call {
  const Graph& graph;
  const Node& node;
  const Prepared& prepared;
  const std::vector<Map>& maps;

  const Map& x(std::size_t i = 0) const { return maps[node.inputs[i]]; }
  const std::vector<double>& constant(std::size_t i) const { return prepared.constants[i]; }
  const Shape& shape(std::size_t i = 0) const { return graph.values[node.inputs[i]].shape; }
  const Shape& result() const { return graph.values[node.output].shape; }
};

void multiply_add(Lanes& sum, double weight, const Lanes& x) {
  for (std::size_t i = 0; i < kBlock; ++i) sum[i] += weight * x[i];
}

Lanes all(double v) {
  Lanes lanes;
  lanes.fill(v);
  return lanes;
}

/// The rows or columns of a window that lie inside the image: kernel positions [first, last).
struct Span {
  std::int64_t first;
  std::int64_t last;
};

Span inside(const Attributes& a, std::size_t axis, std::int64_t start, std::int64_t size) {
  const std::int64_t step = a.dilations[axis];
  const std::int64_t first = start < 0 ? (-start + step - 1) / step : 0;
  const std::int64_t room = size - start;
  const std::int64_t last = room <= 0 ? 0 : std::min(a.kernel[axis], (room + step - 1) / step);
  return {first, std::max(first, last)};
}

void conv(const Call& call, Map& out) {
  const Attributes& a = call.node.attributes;
  const std::int64_t height = call.shape()[1];
  const std::int64_t width = call.shape()[2];
  const std::int64_t channels = call.shape()[0] / a.groups;  // of one group
  const Shape& to = call.result();
  const std::vector<double>& weight = call.constant(1);
  const Map& x = call.x();
  std::size_t at = 0;
  for (std::int64_t co = 0; co < to[0]; ++co) {
    const std::int64_t first_channel = co / (to[0] / a.groups) * channels;
    const double bias = call.node.inputs.size() > 2 ? call.constant(2)[static_cast<std::size_t>(co)] : 0;
    for (std::int64_t oh = 0; oh < to[1]; ++oh) {
      const std::int64_t top = oh * a.strides[0] - a.pads[0];
      const Span rows = inside(a, 0, top, height);
      for (std::int64_t ow = 0; ow < to[2]; ++ow) {
        const std::int64_t left = ow * a.strides[1] - a.pads[1];
        const Span columns = inside(a, 1, left, width);
        Lanes sum = all(bias);
        for (std::int64_t ci = 0; ci < channels; ++ci) {
          for (std::int64_t kh = rows.first; kh < rows.last; ++kh) {
            const double* w = weight.data() + ((co * channels + ci) * a.kernel[0] + kh) * a.kernel[1];
            const Lanes* row = x.data() + ((first_channel + ci) * height + top + kh * a.dilations[0]) * width;
            for (std::int64_t kw = columns.first; kw < columns.last; ++kw) {
              multiply_add(sum, w[kw], row[left + kw * a.dilations[1]]);
            }
          }
        }
        out[at++] = sum;
      }
    }
  }
}

void batch_normalization(const Call& call, Map& out) {
  const std::size_t plane = out.size() / static_cast<std::size_t>(call.shape()[0]);
  for (std::size_t e = 0; e < out.size(); ++e) {
    const std::size_t c = e / plane;
    const double factor = call.constant(1)[c] / std::sqrt(call.constant(4)[c] + call.node.attributes.epsilon);
    out[e] = all(call.constant(2)[c] - factor * call.constant(3)[c]);
    multiply_add(out[e], factor, call.x()[e]);
  }
}

void average_pool(const Call& call, Map& out) {
  const Attributes& a = call.node.attributes;
  const std::int64_t height = call.shape()[1];
  const std::int64_t width = call.shape()[2];
  std::size_t at = 0;
  for (std::int64_t c = 0; c < call.result()[0]; ++c) {
    for (std::int64_t oh = 0; oh < call.result()[1]; ++oh) {
      const std::int64_t top = oh * a.strides[0] - a.pads[0];
      const Span rows = inside(a, 0, top, height);
      for (std::int64_t ow = 0; ow < call.result()[2]; ++ow) {
        const std::int64_t left = ow * a.strides[1] - a.pads[1];
        const Span columns = inside(a, 1, left, width);
        const std::int64_t counted =
            a.count_include_pad ? a.kernel[0] * a.kernel[1] : (rows.last - rows.first) * (columns.last - columns.first);
        Lanes sum = all(0);
        for (std::int64_t kh = rows.first; kh < rows.last; ++kh) {
          const Lanes* row = call.x().data() + (c * height + top + kh) * width + left;
          for (std::int64_t kw = columns.first; kw < columns.last; ++kw) multiply_add(sum, 1, row[kw]);
        }
        for (double& v : sum) v /= static_cast<double>(counted);
        out[at++] = sum;
      }
    }
  }
}

void global_average_pool(const Call& call, Map& out) {
  const std::size_t plane = call.x().size() / out.size();
  for (std::size_t c = 0; c < out.size(); ++c) {
    out[c] = all(0);
    for (std::size_t i = 0; i < plane; ++i) multiply_add(out[c], 1, call.x()[c * plane + i]);
    for (double& v : out[c]) v /= static_cast<double>(plane);
  }
}

void gemm(const Call& call, Map& out) {
  const Attributes& a = call.node.attributes;
  const std::size_t inputs = call.x().size();
  const std::size_t row = a.transpose_b ? inputs : 1;         // stride of an output in the weight
  const std::size_t column = a.transpose_b ? 1 : out.size();  // stride of an input
  for (std::size_t o = 0; o < out.size(); ++o) {
    Lanes sum = all(0);
    for (std::size_t i = 0; i < inputs; ++i) multiply_add(sum, call.constant(1)[o * row + i * column], call.x()[i]);
    out[o] = all(call.node.inputs.size() > 2 ? a.beta * call.constant(2)[o] : 0.0);
    multiply_add(out[o], a.alpha, sum);
  }
}

void copy(const Call& call, Map& out) { out = call.x(); }

template <class F>
void elementwise(const Call& call, Map& out, F f) {
  const auto operand = [&](std::size_t side, std::size_t e) {
    const auto& index = call.prepared.index[side];
    const std::size_t at = index.empty() ? e : index[e];
    const auto& constant = call.constant(side);
    return constant.empty() ? call.x(side)[at] : all(constant[at]);
  };
  for (std::size_t e = 0; e < out.size(); ++e) {
    const Lanes a = operand(0, e);
    const Lanes b = operand(1, e);
    for (std::size_t i = 0; i < kBlock; ++i) out[e][i] = f(a[i], b[i]);
  }
}

void add(const Call& call, Map& out) {
  elementwise(call, out, [](double a, double b) { return a + b; });
}

void mul(const Call& call, Map& out) {
  elementwise(call, out, [](double a, double b) { return a * b; });
}

void pow(const Call& call, Map& out) {
  const double exponent = call.constant(1)[0];
  for (std::size_t e = 0; e < out.size(); ++e) {
    for (std::size_t i = 0; i < kBlock; ++i) out[e][i] = std::pow(call.x()[e][i], exponent);
  }
}

// In the order of Op.
constexpr std::array<void (*)(const Call&, Map&), kOpCount> kKernels = {
    conv, batch_normalization, average_pool, global_average_pool, gemm, copy, copy, add, mul, pow};

std::vector<Prepared> prepare(const Graph& graph) {
  std::vector<Prepared> prepared(graph.nodes.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Value& value = graph.values[node.inputs[i]];
      if (value.constant) prepared[n].constants[i].assign(value.constant->data.begin(), value.constant->data.end());
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
      kKernels[static_cast<std::size_t>(node.op)]({graph, node, prepared[n], maps}, out);
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
