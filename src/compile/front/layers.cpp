// SPDX-License-Identifier: Apache-2.0
#include "compile/front/layers.h"

#include <cmath>

#include "nn/broadcast.h"
#include "nn/operators.h"

namespace obscura::compile {
namespace {

/// Sizes of a two-dimensional operator: input {channels, height, width}, output {channels, rows, columns}.
struct Geometry {
  nn::Shape in;
  nn::Shape out;
  const nn::Attributes& attributes;

  /// Input coordinate under kernel coordinate `k` of output coordinate `o` in dimension d (0 = rows), or -1 in the
  /// padding.
  std::int64_t source(std::size_t d, std::int64_t o, std::int64_t k) const {
    const std::int64_t at = o * attributes.strides[d] - attributes.pads[d] + k * attributes.dilations[d];
    return at >= 0 && at < in[d + 1] ? at : -1;
  }
  std::uint32_t index(std::int64_t c, std::int64_t y, std::int64_t x) const {
    return static_cast<std::uint32_t>((c * in[1] + y) * in[2] + x);
  }
};

Geometry geometry(const nn::Graph& graph, const nn::Node& node) {
  Geometry g{graph.values[node.inputs[0]].shape, graph.values[node.output].shape, node.attributes};
  OBSCURA_CHECK(g.in.size() == 3 && g.out.size() == 3, "{}: an image is expected", describe(node));
  return g;
}

Result<const nn::Tensor*> constant(const nn::Graph& graph, const nn::Node& node, std::size_t input) {
  const nn::Value& value = graph.values[node.inputs[input]];
  if (!value.constant) {
    return error(Code::unsupported,
                 "{}: input {} ('{}') is computed from the image; only constants are supported there", describe(node),
                 input, value.name);
  }
  return &*value.constant;
}

/// Calls visit(input channel's kernel offset ky, kx, source y, source x) for each tap inside the image.
template <class Visit>
void for_taps(const Geometry& g, std::int64_t oy, std::int64_t ox, Visit visit) {
  for (std::int64_t ky = 0; ky < g.attributes.kernel[0]; ++ky) {
    const std::int64_t y = g.source(0, oy, ky);
    if (y < 0) continue;
    for (std::int64_t kx = 0; kx < g.attributes.kernel[1]; ++kx) {
      const std::int64_t x = g.source(1, ox, kx);
      if (x >= 0) visit(ky, kx, y, x);
    }
  }
}

Result<LinearMap> convolution(const nn::Graph& graph, const nn::Node& node) {
  const Geometry g = geometry(graph, node);
  OBSCURA_TRY(const nn::Tensor* weight, constant(graph, node, 1));
  const nn::Tensor* bias = nullptr;
  if (node.inputs.size() > 2) {
    OBSCURA_TRY(bias, constant(graph, node, 2));
  }
  const std::int64_t channels = g.in[0] / node.attributes.groups;
  const std::int64_t outputs = g.out[0] / node.attributes.groups;
  const auto [kh, kw] = node.attributes.kernel;
  LinearMap map;
  map.matrix.cols = static_cast<std::uint32_t>(nn::element_count(g.in));
  map.matrix.reserve(static_cast<std::size_t>(nn::element_count(g.out)), static_cast<std::size_t>(channels * kh * kw));
  struct Offset {
    std::uint32_t column, weight;  // in the first channel
  };
  std::vector<std::vector<Offset>> taps;  // by place of the output
  for (std::int64_t oy = 0; oy < g.out[1]; ++oy) {
    for (std::int64_t ox = 0; ox < g.out[2]; ++ox) {
      taps.emplace_back();
      for_taps(g, oy, ox, [&, width = kw](std::int64_t ky, std::int64_t kx, std::int64_t y, std::int64_t x) {
        taps.back().push_back({g.index(0, y, x), static_cast<std::uint32_t>(ky * width + kx)});
      });
    }
  }
  for (std::int64_t co = 0; co < g.out[0]; ++co) {
    for (const std::vector<Offset>& window : taps) {
      for (std::int64_t ci = 0; ci < channels; ++ci) {
        const float* kernel = weight->data.data() + (co * channels + ci) * kh * kw;
        const std::uint32_t plane = g.index(co / outputs * channels + ci, 0, 0);
        for (const Offset& tap : window) map.matrix.push(plane + tap.column, kernel[tap.weight]);
      }
      map.matrix.end_row();
      map.bias.push_back(bias ? bias->data[static_cast<std::size_t>(co)] : 0);
    }
  }
  return map;
}

LinearMap average_pool(const nn::Graph& graph, const nn::Node& node) {
  const Geometry g = geometry(graph, node);
  LinearMap map;
  map.matrix.cols = static_cast<std::uint32_t>(nn::element_count(g.in));
  for (std::int64_t c = 0; c < g.out[0]; ++c) {
    for (std::int64_t oy = 0; oy < g.out[1]; ++oy) {
      for (std::int64_t ox = 0; ox < g.out[2]; ++ox) {
        std::int64_t taps = 0;
        for_taps(g, oy, ox, [&](auto, auto, auto, auto) { ++taps; });
        if (node.attributes.count_include_pad) taps = node.attributes.kernel[0] * node.attributes.kernel[1];
        OBSCURA_CHECK(taps > 0, "{}: a window without elements", describe(node));
        const double weight = 1.0 / static_cast<double>(taps);
        for_taps(g, oy, ox,
                 [&](auto, auto, std::int64_t y, std::int64_t x) { map.matrix.push(g.index(c, y, x), weight); });
        map.matrix.end_row();
      }
    }
  }
  map.bias.assign(map.matrix.rows, 0);
  return map;
}

LinearMap global_average_pool(const nn::Graph& graph, const nn::Node& node) {
  const nn::Shape& in = graph.values[node.inputs[0]].shape;
  OBSCURA_CHECK(in.size() == 3, "{}: an image is expected", describe(node));
  const std::int64_t area = in[1] * in[2];
  LinearMap map;
  map.matrix.cols = static_cast<std::uint32_t>(nn::element_count(in));
  for (std::int64_t c = 0; c < in[0]; ++c) {
    for (std::int64_t i = 0; i < area; ++i) {
      map.matrix.push(static_cast<std::uint32_t>(c * area + i), 1.0 / static_cast<double>(area));
    }
    map.matrix.end_row();
  }
  map.bias.assign(map.matrix.rows, 0);
  return map;
}

Result<LinearMap> dense(const nn::Graph& graph, const nn::Node& node) {
  const nn::Attributes& a = node.attributes;
  OBSCURA_TRY(const nn::Tensor* weight, constant(graph, node, 1));
  const auto inputs = static_cast<std::uint32_t>(nn::element_count(graph.values[node.inputs[0]].shape));
  const auto outputs = static_cast<std::uint32_t>(nn::element_count(graph.values[node.output].shape));
  OBSCURA_CHECK(weight->data.size() == std::uint64_t{inputs} * outputs, "{}: {} weights", describe(node),
                weight->data.size());
  LinearMap map;
  map.matrix.cols = inputs;
  for (std::uint32_t o = 0; o < outputs; ++o) {
    for (std::uint32_t i = 0; i < inputs; ++i) {
      const std::size_t at = a.transpose_b ? std::size_t{o} * inputs + i : std::size_t{i} * outputs + o;
      map.matrix.push(i, double{a.alpha} * weight->data[at]);
    }
    map.matrix.end_row();
  }
  map.bias.assign(outputs, 0);
  if (node.inputs.size() > 2) {
    OBSCURA_TRY(const nn::Tensor* bias, constant(graph, node, 2));
    OBSCURA_CHECK(bias->data.size() == outputs || bias->data.size() == 1, "{}: {} biases", describe(node),
                  bias->data.size());
    for (std::uint32_t o = 0; o < outputs; ++o)
      map.bias[o] = double{a.beta} * bias->data[bias->data.size() == 1 ? 0 : o];
  }
  return map;
}

/// Row r is 1 at sources[r], or empty where that is kNoSource.
LinearMap selection(std::int64_t cols, const std::vector<std::uint32_t>& sources) {
  LinearMap map;
  map.matrix.cols = static_cast<std::uint32_t>(cols);
  for (const std::uint32_t source : sources) {
    if (source != nn::kNoSource) map.matrix.push(source, 1);
    map.matrix.end_row();
  }
  map.bias.assign(sources.size(), 0);
  return map;
}

/// How layouts see a shape: as an image, whatever comes before its rows and columns, or as a vector.
nn::Shape image_or_vector(const nn::Shape& shape) {
  if (shape.size() < 3) return {nn::element_count(shape)};
  const nn::Shape outer(shape.begin(), shape.end() - 2);
  return {nn::element_count(outer), shape[shape.size() - 2], shape.back()};
}

}  // namespace

LinearMap move_map(const nn::Graph& graph, const nn::Node& node, std::size_t i) {
  LinearMap map = selection(nn::element_count(graph.values[node.inputs[i]].shape), nn::move_sources(graph, node, i));
  map.origin = node.name;
  map.shape = image_or_vector(graph.values[node.output].shape);
  return map;
}

LinearMap repetition(const nn::Graph& graph, const nn::Node& node, std::size_t i) {
  const nn::Value& value = graph.values[node.inputs[i]];
  const nn::Shape& result = graph.values[node.output].shape;
  LinearMap map = selection(nn::element_count(value.shape), nn::broadcast_index(value, result));
  map.origin = node.name;
  map.shape = image_or_vector(result);
  return map;
}

Result<LinearMap> linear_map(const nn::Graph& graph, const nn::Node& node) {
  const auto build = [&]() -> Result<LinearMap> {
    switch (node.op) {
      case nn::Op::conv:
        return convolution(graph, node);
      case nn::Op::average_pool:
        return average_pool(graph, node);
      case nn::Op::global_average_pool:
        return global_average_pool(graph, node);
      case nn::Op::gemm:
        return dense(graph, node);
      default:
        break;
    }
    if (nn::row(node.op).role == nn::Role::move) return move_map(graph, node, 0);
    OBSCURA_CHECK(false, "{} is not a linear layer", describe(node));
    return LinearMap{};
  };
  OBSCURA_TRY(LinearMap map, build());
  map.origin = node.name;
  map.shape = image_or_vector(graph.values[node.output].shape);
  return map;
}

std::uint64_t multiply_adds(const nn::Graph& graph, const nn::Node& node) {
  const auto count = [&](nn::ValueId id) {
    return static_cast<std::uint64_t>(nn::element_count(graph.values[id].shape));
  };
  const auto [height, width] = node.attributes.kernel;
  const auto window = static_cast<std::uint64_t>(height * width);
  switch (node.op) {
    case nn::Op::conv:
      return count(node.output) * count(node.inputs[1]) /
             static_cast<std::uint64_t>(graph.values[node.inputs[1]].shape[0]);
    case nn::Op::average_pool:
      return count(node.output) * window;
    case nn::Op::global_average_pool:
      return count(node.inputs[0]);
    case nn::Op::gemm:
      return count(node.inputs[0]) * count(node.output);
    default:
      return 0;
  }
}

Result<Normalization> normalization(const nn::Graph& graph, const nn::Node& node) {
  std::array<const nn::Tensor*, 4> parameter{};
  for (std::size_t i = 0; i < 4; ++i) {
    OBSCURA_TRY(parameter[i], constant(graph, node, i + 1));
  }
  const auto& [scale, bias, mean, variance] = parameter;
  const nn::Shape& shape = graph.values[node.inputs[0]].shape;
  const auto channels = static_cast<std::size_t>(shape.at(0));
  const std::size_t area = static_cast<std::size_t>(nn::element_count(shape)) / channels;
  Normalization out;
  for (std::size_t c = 0; c < channels; ++c) {
    const double factor = scale->data[c] / std::sqrt(double{variance->data[c]} + double{node.attributes.epsilon});
    out.factor.insert(out.factor.end(), area, factor);
    out.shift.insert(out.shift.end(), area, bias->data[c] - mean->data[c] * factor);
  }
  return out;
}

}  // namespace obscura::compile
