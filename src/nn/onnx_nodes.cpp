// SPDX-License-Identifier: Apache-2.0
// What a node of a graph is in ONNX. An Op that the written operator set has no operator for is spelt in several, as
// exporters do and read_onnx knows.
#include <cmath>
#include <limits>
#include <numbers>

#include "nn/onnx_write.h"
#include "nn/operators.h"

namespace obscura::nn {
namespace {

void add_integer(onnx::NodeProto& node, const char* name, std::int64_t value) {
  auto* a = node.add_attribute();
  a->set_name(name);
  a->set_type(onnx::AttributeProto::INT);
  a->set_i(value);
}

void add_real(onnx::NodeProto& node, const char* name, float value) {
  auto* a = node.add_attribute();
  a->set_name(name);
  a->set_type(onnx::AttributeProto::FLOAT);
  a->set_f(value);
}

template <class List>
void add_integers(onnx::NodeProto& node, const char* name, const List& values) {
  auto* a = node.add_attribute();
  a->set_name(name);
  a->set_type(onnx::AttributeProto::INTS);
  for (const std::int64_t v : values) a->add_ints(v);
}

std::vector<std::string> inputs_of(const NodeWriter& to, const Node& node) {
  std::vector<std::string> names;
  for (const ValueId id : node.inputs) names.push_back(to.name_of(id));
  return names;
}

void add_window(onnx::NodeProto& written, const Attributes& a) {
  add_integers(written, "kernel_shape", a.kernel);
  add_integers(written, "pads", a.pads);
  add_integers(written, "strides", a.strides);
}

std::string number(NodeWriter& to, const Node& node, const char* suffix, double value) {
  return to.numbers(node, suffix, {}, {static_cast<float>(value)});
}

/// Functions that have no operator of their own.
void write_spelt(NodeWriter& to, const Node& node, const std::string& x) {
  using Spelt = approx::Function::Kind;
  const approx::Function& f = node.attributes.function;
  const auto constant = [&](const char* suffix, double value) { return number(to, node, suffix, value); };
  const auto before = [&](const char* type, const std::vector<std::string>& in) { return to.before(node, type, in); };
  switch (f.kind) {
    case Spelt::clip:
      to.last(node, "Clip",
              {x, std::isfinite(f.low) ? constant("low", f.low) : "",
               std::isfinite(f.high) ? constant("high", f.high) : ""});
      return;
    case Spelt::swish: {
      const std::string argument = f.beta == 1 ? x : before("Mul", {x, constant("beta", f.beta)});
      to.last(node, "Mul", {x, before("Sigmoid", {argument})});
      return;
    }
    case Spelt::mish:
      to.last(node, "Mul", {x, before("Tanh", {before("Softplus", {x})})});
      return;
    case Spelt::gelu: {
      const std::string erf = before("Erf", {before("Div", {x, constant("root", std::numbers::sqrt2)})});
      const std::string product = before("Mul", {x, before("Add", {erf, constant("one", 1)})});
      to.last(node, "Mul", {product, constant("half", 0.5)});
      return;
    }
    case Spelt::gelu_tanh: {
      const std::string cube = before("Mul", {before("Mul", {x, x}), x});
      const std::string inner = before("Add", {x, before("Mul", {cube, constant("cubic", 0.044715)})});
      const std::string root = constant("root", std::sqrt(2 / std::numbers::pi));
      const std::string bend = before("Add", {before("Tanh", {before("Mul", {inner, root})}), constant("one", 1)});
      to.last(node, "Mul", {before("Mul", {x, bend}), constant("half", 0.5)});
      return;
    }
    case Spelt::power: {
      const std::string base =
          before("Add", {before("Mul", {x, constant("scale", f.scale)}), constant("bias", f.bias)});
      to.last(node, "Pow", {base, constant("exponent", -f.beta)});
      return;
    }
    default:
      OBSCURA_CHECK(false, "{}: no ONNX operator, and no way to spell it", describe(node));
  }
}

}  // namespace

void write_plain(NodeWriter& to, const Node& node) { to.last(node, to_string(node.op), inputs_of(to, node)); }

void write_conv(NodeWriter& to, const Node& node) {
  auto& written = to.last(node, "Conv", inputs_of(to, node));
  add_integers(written, "dilations", node.attributes.dilations);
  add_integer(written, "group", node.attributes.groups);
  add_window(written, node.attributes);
}

void write_batch_normalization(NodeWriter& to, const Node& node) {
  add_real(to.last(node, "BatchNormalization", inputs_of(to, node)), "epsilon", node.attributes.epsilon);
}

// Operator set 15 has no dilated average: a sum of the window's elements is a convolution, channel by channel.
void write_average_pool(NodeWriter& to, const Node& node) {
  const Attributes& a = node.attributes;
  if (a.dilations == std::array<std::int64_t, 2>{1, 1}) {
    auto& written = to.last(node, "AveragePool", inputs_of(to, node));
    add_integer(written, "count_include_pad", a.count_include_pad ? 1 : 0);
    add_window(written, a);
    return;
  }
  const std::int64_t channels = to.shape_of(node.output)[0];
  const Shape window = {channels, 1, a.kernel[0], a.kernel[1]};
  const auto taps = static_cast<std::size_t>(element_count(window));
  const std::string weight = to.numbers(node, "weight", window, std::vector<float>(taps, 1));
  const auto sum = [&](const std::string& x) {
    std::string out = to.before(node, "Conv", {x, weight});
    add_integers(to.written(), "dilations", a.dilations);
    add_integer(to.written(), "group", channels);
    add_window(to.written(), a);
    return out;
  };
  const std::string& x = to.name_of(node.inputs[0]);
  if (a.count_include_pad) {
    to.last(node, "Div", {sum(x), number(to, node, "taps", static_cast<double>(a.kernel[0] * a.kernel[1]))});
    return;
  }
  const Shape& from = to.shape_of(node.inputs[0]);
  const Shape& out = to.shape_of(node.output);
  const auto taps_at = [&](std::size_t axis, std::int64_t position) {
    const Span span = inside(a, axis, position * a.strides[axis] - a.pads[axis], from[axis + 1]);
    return static_cast<float>(span.last - span.first);
  };
  std::vector<float> counts;
  for (std::int64_t row = 0; row < out[1]; ++row) {
    for (std::int64_t column = 0; column < out[2]; ++column) counts.push_back(taps_at(0, row) * taps_at(1, column));
  }
  const std::string counted = to.numbers(node, "taps", {out[1], out[2]}, counts);
  to.last(node, "Div", {sum(x), counted});
}

void write_max_pool(NodeWriter& to, const Node& node) {
  auto& written = to.last(node, "MaxPool", inputs_of(to, node));
  add_integers(written, "dilations", node.attributes.dilations);
  add_window(written, node.attributes);
}

void write_gemm(NodeWriter& to, const Node& node) {
  auto& written = to.last(node, "Gemm", inputs_of(to, node));
  add_real(written, "alpha", node.attributes.alpha);
  add_real(written, "beta", node.attributes.beta);
  add_integer(written, "transB", node.attributes.transpose_b ? 1 : 0);
}

void write_reshape(NodeWriter& to, const Node& node) {
  Shape shape = node.attributes.shape;
  shape.insert(shape.begin(), 0);
  to.last(node, "Reshape", {to.name_of(node.inputs[0]), to.integers(node, "shape", shape)});
}

void write_transpose(NodeWriter& to, const Node& node) {
  std::vector<std::int64_t> order = {0};
  for (const std::int64_t axis : node.attributes.permutation) order.push_back(axis + 1);
  add_integers(to.last(node, "Transpose", inputs_of(to, node)), "perm", order);
}

void write_slice(NodeWriter& to, const Node& node) {
  const Attributes& a = node.attributes;
  std::vector<std::int64_t> ends;
  std::vector<std::int64_t> axes;
  for (std::size_t axis = 0; axis < a.starts.size(); ++axis) {
    ends.push_back(a.starts[axis] + (a.sizes[axis] - 1) * a.steps[axis] + 1);
    axes.push_back(static_cast<std::int64_t>(axis) + 1);
  }
  to.last(node, "Slice",
          {to.name_of(node.inputs[0]), to.integers(node, "starts", a.starts), to.integers(node, "ends", ends),
           to.integers(node, "axes", axes), to.integers(node, "steps", a.steps)});
}

void write_pad(NodeWriter& to, const Node& node) {
  std::vector<std::int64_t> pads = {0};
  for (const std::int64_t v : node.attributes.pads_before) pads.push_back(v);
  pads.push_back(0);
  for (const std::int64_t v : node.attributes.pads_after) pads.push_back(v);
  to.last(node, "Pad", {to.name_of(node.inputs[0]), to.integers(node, "pads", pads)});
}

void write_concat(NodeWriter& to, const Node& node) {
  add_integer(to.last(node, "Concat", inputs_of(to, node)), "axis", node.attributes.axis + 1);
}

void write_gather(NodeWriter& to, const Node& node) {
  const std::string indices = to.integers(node, "indices", node.attributes.indices);
  add_integer(to.last(node, "Gather", {to.name_of(node.inputs[0]), indices}), "axis", node.attributes.axis + 1);
}

void write_function(NodeWriter& to, const Node& node) {
  const approx::Function& f = node.attributes.function;
  const approx::FunctionRow& function = approx::row(f.kind);
  const std::string& x = to.name_of(node.inputs[0]);
  if (function.onnx == nullptr || function.since > kWrittenOpset) return write_spelt(to, node, x);
  auto& written = to.last(node, function.onnx, {x});
  for (const approx::Parameter& parameter : function.parameters) {
    add_real(written, parameter.name, static_cast<float>(f.*parameter.field));
  }
}

void write_lrn(NodeWriter& to, const Node& node) {
  auto& written = to.last(node, "LRN", inputs_of(to, node));
  add_real(written, "alpha", node.attributes.alpha);
  add_real(written, "beta", node.attributes.beta);
  add_real(written, "bias", node.attributes.bias);
  add_integer(written, "size", node.attributes.size);
}

void write_normalization(NodeWriter& to, const Node& node) {
  const std::int64_t channels = to.shape_of(node.output)[0];
  const auto count = static_cast<std::size_t>(channels);
  const std::string ones = to.numbers(node, "scale", {channels}, std::vector<float>(count, 1));
  const std::string zeros = to.numbers(node, "shift", {channels}, std::vector<float>(count, 0));
  auto& written = to.last(node, "InstanceNormalization", {to.name_of(node.inputs[0]), ones, zeros});
  add_real(written, "epsilon", node.attributes.epsilon);
}

void write_softmax(NodeWriter& to, const Node& node) {
  add_integer(to.last(node, "Softmax", inputs_of(to, node)), "axis", -1);
}

void write_matmul(NodeWriter& to, const Node& node) { to.last(node, "MatMul", inputs_of(to, node)); }

}  // namespace obscura::nn
