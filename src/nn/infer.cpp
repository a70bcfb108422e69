// SPDX-License-Identifier: Apache-2.0
// Shape rules: one function per operator; nn/operators.cpp says which is whose.
#include "nn/infer.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "nn/broadcast.h"
#include "nn/operators.h"

namespace obscura::nn {
namespace {

template <class... Args>
Error fail(const Node& node, fmt::format_string<Args...> format, Args&&... args) {
  return error(Code::bad_format, "{}: {}", describe(node), fmt::format(format, std::forward<Args>(args)...));
}

const Value& input(const Graph& graph, const Node& node, std::size_t i) { return graph.values[node.inputs[i]]; }

/// An image operand of `rank` sizes, computed from the input.
Result<Shape> image_operand(const Graph& graph, const Node& node, std::size_t rank) {
  const Value& x = input(graph, node, 0);
  if (x.constant) return fail(node, "its input '{}' is a constant; allowed: a value computed from the image", x.name);
  if (x.shape.size() != rank) {
    return fail(node, "its input '{}' has shape {}; allowed: {}", x.name, to_string(x.shape),
                rank == 1 ? "one row of features" : "channels x height x width");
  }
  return x.shape;
}

Result<void> require_constant(const Graph& graph, const Node& node, std::size_t i, const char* role,
                              const Shape& expected) {
  const Value& value = input(graph, node, i);
  if (!value.constant) {
    return fail(node, "its {} '{}' is computed; allowed: a constant", role, value.name);
  }
  if (value.shape != expected) {
    return fail(node, "its {} '{}' has shape {}, but its input '{}' of shape {} needs {}", role, value.name,
                to_string(value.shape), input(graph, node, 0).name, to_string(input(graph, node, 0).shape),
                to_string(expected));
  }
  return {};
}

/// Positions of a window over `size` elements with padding; an error where not even one fits.
Result<std::int64_t> window_positions(const Node& node, std::size_t axis, std::int64_t size) {
  const Attributes& a = node.attributes;
  const std::int64_t reach = (a.kernel[axis] - 1) * a.dilations[axis] + 1;
  const std::int64_t padded = size + a.pads[axis] + a.pads[axis + 2];
  if (padded < reach) {
    return fail(node, "a window of {} does not fit into {} padded {}", reach, axis == 0 ? "height" : "width", padded);
  }
  return (padded - reach) / a.strides[axis] + 1;
}

Result<void> check_window(const Node& node) {
  const Attributes& a = node.attributes;
  const auto inside = [](std::int64_t v, std::int64_t low) { return v >= low && v <= kMaxSize; };
  const bool ok = std::all_of(a.kernel.begin(), a.kernel.end(), [&](auto v) { return inside(v, 1); }) &&
                  std::all_of(a.strides.begin(), a.strides.end(), [&](auto v) { return inside(v, 1); }) &&
                  std::all_of(a.dilations.begin(), a.dilations.end(), [&](auto v) { return inside(v, 1); }) &&
                  std::all_of(a.pads.begin(), a.pads.end(), [&](auto v) { return inside(v, 0); });
  if (!ok) {
    return fail(node,
                "kernel {}x{}, strides {}x{}, dilations {}x{}, pads {},{},{},{}; allowed: 1 to {}, and 0 to {} for "
                "pads",
                a.kernel[0], a.kernel[1], a.strides[0], a.strides[1], a.dilations[0], a.dilations[1], a.pads[0],
                a.pads[1], a.pads[2], a.pads[3], kMaxSize, kMaxSize);
  }
  return {};
}

}  // namespace

Result<Shape> infer_conv(const Graph& graph, const Node& node) {
  OBSCURA_TRY(const Shape x, image_operand(graph, node, 3));
  OBSCURA_TRY_VOID(check_window(node));
  const Attributes& a = node.attributes;
  const Shape& weight = input(graph, node, 1).shape;
  if (weight.size() != 4) {
    return fail(node, "its weight '{}' has shape {}; allowed: {{outputs, inputs / groups, height, width}}",
                input(graph, node, 1).name, to_string(weight));
  }
  if (a.groups < 1 || a.groups > x[0] || x[0] % a.groups != 0 || weight[0] % a.groups != 0) {
    return fail(node, "group {} does not divide {} input and {} output channels", a.groups, x[0], weight[0]);
  }
  OBSCURA_TRY_VOID(require_constant(graph, node, 1, "weight", {weight[0], x[0] / a.groups, a.kernel[0], a.kernel[1]}));
  if (node.inputs.size() > 2) OBSCURA_TRY_VOID(require_constant(graph, node, 2, "bias", {weight[0]}));
  OBSCURA_TRY(const std::int64_t height, window_positions(node, 0, x[1]));
  OBSCURA_TRY(const std::int64_t width, window_positions(node, 1, x[2]));
  return Shape{weight[0], height, width};
}

Result<Shape> infer_batch_normalization(const Graph& graph, const Node& node) {
  const Value& value = input(graph, node, 0);
  OBSCURA_TRY(Shape x, image_operand(graph, node, value.shape.size() == 1 ? 1 : 3));
  constexpr std::array<const char*, 5> kRoles = {"input", "scale", "bias", "mean", "variance"};
  for (std::size_t i = 1; i < kRoles.size(); ++i) {
    OBSCURA_TRY_VOID(require_constant(graph, node, i, kRoles[i], {x[0]}));
  }
  for (const float variance : input(graph, node, 4).constant->data) {
    if (!(variance + node.attributes.epsilon > 0)) {
      return fail(node, "variance {} plus epsilon {} is not positive", variance, node.attributes.epsilon);
    }
  }
  return x;
}

/// The output of a pool. A window that lies in the padding whole is refused: it would be a maximum or an average of
/// nothing. A window that reaches into the image has a tap there, unless its taps are further apart than the image is
/// large.
Result<Shape> infer_pool(const Graph& graph, const Node& node) {
  OBSCURA_TRY(const Shape x, image_operand(graph, node, 3));
  OBSCURA_TRY_VOID(check_window(node));
  const Attributes& a = node.attributes;
  Shape out = x;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t size = x[axis + 1];
    OBSCURA_TRY(out[axis + 1], window_positions(node, axis, size));
    const std::int64_t first_end = (a.kernel[axis] - 1) * a.dilations[axis] - a.pads[axis];
    const std::int64_t last_start = (out[axis + 1] - 1) * a.strides[axis] - a.pads[axis];
    const bool spread = a.kernel[axis] > 1 && a.dilations[axis] > size;
    if (first_end >= 0 && last_start < size && !spread) continue;
    return fail(node,
                "pads {} and {} around {} {} leave a window of {} (dilation {}) without one element of the image; "
                "allowed: pads below the kernel, dilations up to the size",
                a.pads[axis], a.pads[axis + 2], axis == 0 ? "height" : "width", size, a.kernel[axis],
                a.dilations[axis]);
  }
  return out;
}

Result<Shape> infer_global_average_pool(const Graph& graph, const Node& node) {
  OBSCURA_TRY(const Shape x, image_operand(graph, node, 3));
  return Shape{x[0], 1, 1};
}

Result<Shape> infer_gemm(const Graph& graph, const Node& node) {
  OBSCURA_TRY(const Shape x, image_operand(graph, node, 1));
  const Shape& weight = input(graph, node, 1).shape;
  if (weight.size() != 2) {
    return fail(node, "its weight '{}' has shape {}; allowed: a matrix", input(graph, node, 1).name, to_string(weight));
  }
  const bool transposed = node.attributes.transpose_b;
  const std::int64_t outputs = weight[transposed ? 0 : 1];
  OBSCURA_TRY_VOID(
      require_constant(graph, node, 1, "weight", transposed ? Shape{outputs, x[0]} : Shape{x[0], outputs}));
  if (node.inputs.size() > 2) OBSCURA_TRY_VOID(require_constant(graph, node, 2, "bias", {outputs}));
  return Shape{outputs};
}

Result<Shape> infer_same(const Graph& graph, const Node& node) {
  return image_operand(graph, node, input(graph, node, 0).shape.size());
}

Result<Shape> infer_elementwise(const Graph& graph, const Node& node) {
  const Value& a = input(graph, node, 0);
  const Value& b = input(graph, node, 1);
  const auto shape = broadcast_shape(a, b);
  if (!shape) {
    return fail(node, "'{}' of shape {}{} and '{}' of shape {}{} do not broadcast to one result per image", a.name,
                to_string(a.shape), a.constant ? " (constant)" : "", b.name, to_string(b.shape),
                b.constant ? " (constant)" : "");
  }
  return *shape;
}

Result<Shape> infer_pow(const Graph& graph, const Node& node) {
  const Value& exponent = input(graph, node, 1);
  if (!exponent.constant || element_count(exponent.shape) != 1) {
    return fail(node, "its exponent '{}' has shape {}{}; allowed: one constant number", exponent.name,
                to_string(exponent.shape), exponent.constant ? "" : " and is computed");
  }
  return infer_same(graph, node);
}

Result<Shape> infer_function(const Graph& graph, const Node& node) {
  const approx::Function& f = node.attributes.function;
  for (const double v : {f.alpha, f.beta, f.gamma, f.bias, f.scale}) {
    if (!std::isfinite(v)) return fail(node, "a parameter of {}; allowed: finite", v);
  }
  if (f.kind == approx::Function::Kind::clip && !(f.low < f.high)) {
    return fail(node, "it clips to [{}, {}]; allowed: a low end below the high end", f.low, f.high);
  }
  return infer_same(graph, node);
}

Result<Shape> infer_reshape(const Graph& graph, const Node& node) {
  const Value& x = input(graph, node, 0);
  OBSCURA_TRY(const Shape shape, image_operand(graph, node, x.shape.size()));
  const Shape& to = node.attributes.shape;
  if (!shape_is_allowed(to) || element_count(to) != element_count(shape)) {
    return fail(node, "it turns {} into {}; allowed: a shape of as many elements", to_string(shape), to_string(to));
  }
  return to;
}

Result<Shape> infer_transpose(const Graph& graph, const Node& node) {
  OBSCURA_TRY(const Shape x, image_operand(graph, node, input(graph, node, 0).shape.size()));
  const auto& order = node.attributes.permutation;
  std::vector<bool> taken(x.size(), false);
  Shape out;
  for (const std::int64_t axis : order) {
    const auto at = static_cast<std::size_t>(axis);
    if (axis < 0 || at >= x.size() || taken[at]) break;
    taken[at] = true;
    out.push_back(x[at]);
  }
  if (order.size() == x.size() && out.size() == x.size()) return out;
  return fail(node, "it orders {} by ({}); allowed: each axis once", to_string(x), fmt::join(order, ", "));
}

Result<Shape> infer_concat(const Graph& graph, const Node& node) {
  const Value& first = input(graph, node, 0);
  Shape out = first.shape;
  const auto axis = static_cast<std::size_t>(node.attributes.axis);
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const Value& x = input(graph, node, i);
    if (x.constant) return fail(node, "its input '{}' is a constant; allowed: values computed from the image", x.name);
    bool fits = axis < out.size() && x.shape.size() == out.size();
    for (std::size_t d = 0; fits && d < out.size(); ++d) fits = d == axis || x.shape[d] == first.shape[d];
    if (!fits) {
      return fail(node, "its inputs '{}' of shape {} and '{}' of shape {} differ beside axis {}", first.name,
                  to_string(first.shape), x.name, to_string(x.shape), axis);
    }
    if (i > 0) out[axis] += x.shape[axis];
  }
  return out;
}

Result<Shape> infer_gather(const Graph& graph, const Node& node) {
  OBSCURA_TRY(Shape x, image_operand(graph, node, input(graph, node, 0).shape.size()));
  const Attributes& a = node.attributes;
  if (a.axis < 0 || a.axis >= static_cast<std::int64_t>(x.size()) || a.indices.empty()) {
    return fail(node, "{} elements of axis {} of {}; allowed: 1 or more, of an axis that there is", a.indices.size(),
                a.axis, to_string(x));
  }
  std::int64_t& size = x[static_cast<std::size_t>(a.axis)];
  for (const std::int64_t index : a.indices) {
    if (index < 0 || index >= size) return fail(node, "element {} of {}; allowed: 0 to {}", index, size, size - 1);
  }
  size = static_cast<std::int64_t>(a.indices.size());
  return x;
}

Result<Shape> infer_slice(const Graph& graph, const Node& node) {
  const Attributes& a = node.attributes;
  OBSCURA_TRY(const Shape x, image_operand(graph, node, input(graph, node, 0).shape.size()));
  if (a.starts.size() != x.size() || a.steps.size() != x.size() || a.sizes.size() != x.size()) {
    return fail(node, "{} starts, {} steps and {} sizes for {}; allowed: one of each an axis", a.starts.size(),
                a.steps.size(), a.sizes.size(), to_string(x));
  }
  for (std::size_t axis = 0; axis < x.size(); ++axis) {
    const bool inside = a.starts[axis] >= 0 && a.steps[axis] >= 1 && a.sizes[axis] >= 1 && a.starts[axis] < x[axis] &&
                        a.sizes[axis] <= (x[axis] - a.starts[axis] - 1) / a.steps[axis] + 1;
    if (!inside) {
      return fail(node,
                  "{} elements from {} in steps of {} of axis {}, which has {}; allowed: at least one, all inside",
                  a.sizes[axis], a.starts[axis], a.steps[axis], axis, x[axis]);
    }
  }
  return a.sizes;
}

Result<Shape> infer_pad(const Graph& graph, const Node& node) {
  OBSCURA_TRY(Shape x, image_operand(graph, node, input(graph, node, 0).shape.size()));
  const Attributes& a = node.attributes;
  if (a.pads_before.size() != x.size() || a.pads_after.size() != x.size()) {
    return fail(node, "{} and {} pads for {}; allowed: one of each an axis", a.pads_before.size(), a.pads_after.size(),
                to_string(x));
  }
  for (std::size_t axis = 0; axis < x.size(); ++axis) {
    for (const std::int64_t pad : {a.pads_before[axis], a.pads_after[axis]}) {
      if (pad < 0 || pad > kMaxSize) return fail(node, "a pad of {}; allowed: 0 to {}", pad, kMaxSize);
      x[axis] += pad;
    }
  }
  return x;
}

Result<Shape> infer_normalization(const Graph& graph, const Node& node) {
  if (!(node.attributes.epsilon >= 0)) {
    return fail(node, "epsilon {}; allowed: 0 or above", node.attributes.epsilon);
  }
  if (input(graph, node, 0).shape.size() < 2) {
    return fail(node, "its input '{}' has shape {}; allowed: channels, and axes to normalise over",
                input(graph, node, 0).name, to_string(input(graph, node, 0).shape));
  }
  return infer_rows(graph, node);
}

Result<Shape> infer_rows(const Graph& graph, const Node& node) {
  OBSCURA_TRY(const Shape x, image_operand(graph, node, input(graph, node, 0).shape.size()));
  if (x.empty()) return fail(node, "its input is one number; allowed: an axis or more");
  return x;
}

Result<Shape> infer_matmul(const Graph& graph, const Node& node) {
  const Value& a = input(graph, node, 0);
  const Value& b = input(graph, node, 1);
  const std::size_t rank = a.shape.size();
  const bool values = !a.constant && !b.constant && rank >= 2 && b.shape.size() == rank;
  if (!values || !std::equal(a.shape.begin(), a.shape.end() - 2, b.shape.begin()) ||
      a.shape[rank - 1] != b.shape[rank - 2]) {
    return fail(node, "it multiplies '{}' of shape {} and '{}' of shape {}; allowed: matrices that fit each other",
                a.name, to_string(a.shape), b.name, to_string(b.shape));
  }
  Shape out = a.shape;
  out.back() = b.shape.back();
  return out;
}

Result<Shape> infer_lrn(const Graph& graph, const Node& node) {
  const Attributes& a = node.attributes;
  const bool ok = a.size >= 1 && a.size <= kMaxSize && std::isfinite(a.alpha) && a.alpha >= 0 &&
                  std::isfinite(a.bias) && a.bias > 0 && std::isfinite(a.beta);
  if (!ok) {
    return fail(node, "size {}, alpha {}, beta {}, bias {}; allowed: size from 1 to {}, alpha from 0, bias above 0",
                a.size, a.alpha, a.beta, a.bias, kMaxSize);
  }
  return image_operand(graph, node, 3);
}

bool shape_is_allowed(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 1 || size > kMaxSize) return false;
    count *= size;
    if (count > kMaxElements) return false;
  }
  return true;
}

Result<void> infer_shape(Graph& graph, const Node& node) {
  const Operator& entry = row(node.op);
  if (node.inputs.size() < entry.min_inputs || node.inputs.size() > entry.max_inputs) {
    return fail(node, "{} inputs; allowed: {} to {}", node.inputs.size(), entry.min_inputs, entry.max_inputs);
  }
  for (const ValueId id : node.inputs) {
    OBSCURA_CHECK(id < graph.values.size(), "node '{}' reads value {} of {}", node.name, id, graph.values.size());
  }
  OBSCURA_TRY(Shape shape, entry.infer(graph, node));
  if (!shape_is_allowed(shape)) {
    return fail(node, "its result of shape {} is too large; allowed: sizes to {}, {} elements", to_string(shape),
                kMaxSize, kMaxElements);
  }
  OBSCURA_CHECK(node.output < graph.values.size(), "node '{}' writes value {}", node.name, node.output);
  graph.values[node.output].shape = std::move(shape);
  return {};
}

Result<void> infer_shapes(Graph& graph) {
  for (const Node& node : graph.nodes) OBSCURA_TRY_VOID(infer_shape(graph, node));
  return {};
}

}  // namespace obscura::nn
