// SPDX-License-Identifier: Apache-2.0
// The operators that are read, each one entry of kOperators: its name, the attributes that it may have, and a
// function that turns the node into nodes of the graph. A new operator is an entry and a function here, plus a shape
// rule (infer.cpp) and a kernel (reference.cpp) where no existing Op expresses it.
#include <algorithm>
#include <cmath>

#include "nn/broadcast.h"
#include "nn/infer.h"
#include "nn/onnx_constants.h"
#include "nn/onnx_import.h"

namespace obscura::nn {
namespace {

// Pads of SAME: the output has ceil(input / stride) positions; the odd one goes below (UPPER) or above (LOWER).
Result<void> set_same_pads(const NodeImport& node, Attributes& a, const Shape& x, bool upper) {
  if (x.size() != 3) return {};  // the shape rule will say what is wrong
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t size = x[axis + 1];
    if (a.strides[axis] < 1 || a.kernel[axis] < 1 || a.dilations[axis] < 1 || a.kernel[axis] > kMaxSize ||
        a.strides[axis] > kMaxSize || a.dilations[axis] > kMaxSize) {
      return node.fail(Code::bad_format, "kernel {}, stride {}, dilation {}; allowed: 1 to {}", a.kernel[axis],
                       a.strides[axis], a.dilations[axis], kMaxSize);
    }
    const std::int64_t positions = (size + a.strides[axis] - 1) / a.strides[axis];
    const std::int64_t reach = (a.kernel[axis] - 1) * a.dilations[axis] + 1;
    const std::int64_t total = std::max<std::int64_t>((positions - 1) * a.strides[axis] + reach - size, 0);
    const std::int64_t smaller = total / 2;
    a.pads[axis] = upper ? smaller : total - smaller;
    a.pads[axis + 2] = total - a.pads[axis];
  }
  return {};
}

// strides, dilations, pads and auto_pad of a window whose kernel is known.
Result<void> read_window(const NodeImport& node, Attributes& a, const Shape& x) {
  OBSCURA_TRY_VOID(node.integers("strides", a.strides));
  OBSCURA_TRY_VOID(node.integers("dilations", a.dilations));
  OBSCURA_TRY_VOID(node.integers("pads", a.pads));
  OBSCURA_TRY(const std::string mode, node.text("auto_pad", "NOTSET"));
  if (mode == "NOTSET") return {};
  if (a.pads != std::array<std::int64_t, 4>{}) {
    return node.fail(Code::bad_format, "attribute auto_pad is {} beside pads; allowed: one of them", mode);
  }
  if (mode == "VALID") return {};
  if (mode == "SAME_UPPER" || mode == "SAME_LOWER") return set_same_pads(node, a, x, mode == "SAME_UPPER");
  return node.fail(Code::bad_format, "attribute auto_pad is {}; allowed: NOTSET, VALID, SAME_UPPER, SAME_LOWER", mode);
}

Result<void> import_conv(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  Attributes a;
  const Shape& weight = node.value(inputs[1]).shape;
  if (weight.size() == 4) a.kernel = {weight[2], weight[3]};
  OBSCURA_TRY_VOID(node.integers("kernel_shape", a.kernel));
  OBSCURA_TRY(a.groups, node.integer("group", 1));
  OBSCURA_TRY_VOID(read_window(node, a, node.value(inputs[0]).shape));
  return node.emit(Op::conv, std::move(inputs), a);
}

Result<void> import_batch_normalization(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  Attributes a;
  OBSCURA_TRY_VOID(node.require("training_mode", 0));
  OBSCURA_TRY(a.epsilon, node.real("epsilon", a.epsilon));
  return node.emit(Op::batch_normalization, std::move(inputs), a);
}

Result<void> import_average_pool(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  Attributes a;
  if (node.attribute("kernel_shape") == nullptr) return node.fail(Code::bad_format, "attribute kernel_shape is absent");
  OBSCURA_TRY_VOID(node.integers("kernel_shape", a.kernel));
  OBSCURA_TRY_VOID(node.require("ceil_mode", 0));
  OBSCURA_TRY(const std::int64_t whole, node.integer("count_include_pad", 0));
  a.count_include_pad = whole != 0;
  OBSCURA_TRY_VOID(read_window(node, a, node.value(inputs[0]).shape));
  return node.emit(Op::average_pool, std::move(inputs), a);
}

Result<void> import_global_average_pool(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  return node.emit(Op::global_average_pool, std::move(inputs));
}

// A bias of shape {}, {1}, {out} or {1, out} as {out}.
Result<ValueId> bias_row(NodeImport& node, ValueId bias, std::int64_t outputs) {
  const Value& value = node.value(bias);
  const auto shape = image_shape(value, 1);
  if (!value.constant || !shape || value.shape == Shape{outputs}) return bias;
  const std::vector<float>& data = value.constant->data;
  if (data.size() != 1 && data.size() != static_cast<std::size_t>(outputs)) return bias;
  Tensor row{{outputs}, data};
  row.data.resize(static_cast<std::size_t>(outputs), data[0]);
  return node.derive_constant(bias, ".row", std::move(row));
}

Result<void> import_gemm(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  Attributes a;
  OBSCURA_TRY_VOID(node.require("transA", 0));
  OBSCURA_TRY(const std::int64_t transpose, node.integer("transB", 0));
  a.transpose_b = transpose != 0;
  OBSCURA_TRY(a.alpha, node.real("alpha", 1));
  OBSCURA_TRY(a.beta, node.real("beta", 1));
  const Shape weight = node.value(inputs[1]).shape;
  if (inputs.size() > 2 && weight.size() == 2) {
    OBSCURA_TRY(inputs[2], bias_row(node, inputs[2], weight[a.transpose_b ? 0 : 1]));
  }
  return node.emit(Op::gemm, std::move(inputs), a);
}

Result<void> import_flatten(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  OBSCURA_TRY(const std::int64_t axis, node.integer("axis", 1));
  const auto rank = static_cast<std::int64_t>(node.value(inputs[0]).shape.size()) + 1;
  if (axis != 1 && axis + rank != 1) {
    return node.fail(Code::unsupported, "attribute axis is {}; allowed: 1 (one row per image)", axis);
  }
  return node.emit(Op::flatten, std::move(inputs));
}

// Reshape to {N, features}, with N spelt as 0, -1 or the fixed batch; and one that changes nothing.
Result<void> import_reshape(NodeImport& node) {
  OBSCURA_TRY(const ValueId x, node.input(0));
  OBSCURA_TRY(const onnx::TensorProto* tensor, node.constant(1));
  auto shape = read_integers(*tensor, node.input_name(1), 8);
  if (!shape.ok()) return node.fail(shape.error().code, "{}", shape.error().message);
  OBSCURA_TRY_VOID(node.require("allowzero", 0));
  const Shape from = node.value(x).shape;
  const std::vector<std::int64_t>& to = *shape;
  const std::int64_t features = element_count(from);
  const auto unknown = std::count(to.begin(), to.end(), -1);
  const bool batch_first = !to.empty() && (to[0] == 0 || to[0] == -1 || node.state().batch == to[0]);
  if (batch_first && unknown <= 1) {
    if (to.size() == 2 && (to[1] == features || to[1] == -1 || (to[1] == 0 && from.size() == 1))) {
      return node.emit(Op::flatten, {x});
    }
    bool same = to.size() == from.size() + 1;
    for (std::size_t i = 0; same && i < from.size(); ++i) same = to[i + 1] == from[i] || to[i + 1] == 0;
    if (same) return node.emit(Op::identity, {x});
  }
  return node.fail(Code::unsupported, "it reshapes {} per image to ({}); allowed: (N, {}), with N as 0 or -1",
                   to_string(from), fmt::join(to, ", "), features);
}

Result<void> import_identity(NodeImport& node) {
  if (node.is_constant(0)) {
    OBSCURA_TRY(const onnx::TensorProto* tensor, node.constant(0));
    node.define_constant(tensor);
    return {};
  }
  OBSCURA_TRY(const ValueId x, node.input(0));
  return node.emit(Op::identity, {x});
}

Result<void> import_dropout(NodeImport& node) {
  if (node.has_input(2)) {
    OBSCURA_TRY(const onnx::TensorProto* training, node.constant(2));
    const bool on =
        training->has_raw_data()
            ? std::any_of(training->raw_data().begin(), training->raw_data().end(), [](char c) { return c; })
            : std::any_of(training->int32_data().begin(), training->int32_data().end(), [](int v) { return v; });
    if (on) return node.fail(Code::unsupported, "training_mode is true; allowed: false");
  }
  return import_identity(node);
}

Result<void> import_constant(NodeImport& node) {
  if (const auto* a = node.attribute("value"); a != nullptr && a->type() == onnx::AttributeProto::TENSOR) {
    node.define_constant(&a->t());
    return {};
  }
  onnx::TensorProto tensor;
  if (const auto* number = node.attribute("value_float")) {
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    tensor.add_float_data(number->f());
  } else if (const auto* numbers = node.attribute("value_floats")) {
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    tensor.add_dims(numbers->floats_size());
    *tensor.mutable_float_data() = numbers->floats();
  } else if (const auto* integer = node.attribute("value_int")) {
    tensor.set_data_type(onnx::TensorProto::INT64);
    tensor.add_int64_data(integer->i());
  } else if (const auto* integers = node.attribute("value_ints")) {
    tensor.set_data_type(onnx::TensorProto::INT64);
    tensor.add_dims(integers->ints_size());
    *tensor.mutable_int64_data() = integers->ints();
  } else {
    return node.fail(Code::unsupported, "it has none of value, value_float, value_floats, value_int, value_ints");
  }
  node.define_constant(&node.state().own_constants.emplace_back(std::move(tensor)));
  return {};
}

// A constant with f applied to each element. errors: a result that is not a finite float.
template <class F>
Result<ValueId> map_constant(NodeImport& node, ValueId source, const char* suffix, F f) {
  Tensor tensor = *node.value(source).constant;
  for (float& v : tensor.data) {
    const float mapped = f(v);
    if (!std::isfinite(mapped)) {
      return node.fail(Code::bad_format, "constant '{}' holds {}, which has no finite {}", node.value(source).name, v,
                       suffix + 1);
    }
    v = mapped;
  }
  return node.derive_constant(source, suffix, std::move(tensor));
}

Result<void> require_computed(const NodeImport& node, const std::vector<ValueId>& inputs) {
  if (inputs.size() != 2 || (node.value(inputs[0]).constant && node.value(inputs[1]).constant)) {
    return node.fail(Code::unsupported,
                     "both inputs are constants; allowed: a value computed from the image (fold "
                     "constants when exporting)");
  }
  return {};
}

template <Op op>
Result<void> import_elementwise(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  OBSCURA_TRY_VOID(require_computed(node, inputs));
  return node.emit(op, std::move(inputs));
}

// a - b = a + (-b)
Result<void> import_sub(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  OBSCURA_TRY_VOID(require_computed(node, inputs));
  if (node.value(inputs[1]).constant) {
    OBSCURA_TRY(inputs[1], map_constant(node, inputs[1], ".negative", [](float v) { return -v; }));
  } else {
    OBSCURA_TRY(const ValueId minus, node.derive_constant(inputs[1], ".minus_one", Tensor{{}, {-1.0F}}));
    OBSCURA_TRY(inputs[1], node.emit_before("/negative", Op::mul, {inputs[1], minus}));
  }
  return node.emit(Op::add, std::move(inputs));
}

// a / c = a * (1 / c)
Result<void> import_div(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  OBSCURA_TRY_VOID(require_computed(node, inputs));
  if (!node.value(inputs[1]).constant) {
    return node.fail(Code::unsupported, "its divisor '{}' is computed; allowed: a constant",
                     node.value(inputs[1]).name);
  }
  OBSCURA_TRY(inputs[1], map_constant(node, inputs[1], ".reciprocal", [](float v) { return 1.0F / v; }));
  return node.emit(Op::mul, std::move(inputs));
}

struct Operator {
  const char* name;
  int min_inputs;
  int max_inputs;
  std::vector<const char*> attributes;  ///< any other is an error: it could change the meaning
  Result<void> (*import)(NodeImport&);
};

const std::vector<Operator>& operators() {
  static const std::vector<Operator> kOperators = {
      {"Conv", 2, 3, {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"}, import_conv},
      {"BatchNormalization", 5, 5, {"epsilon", "momentum", "training_mode"}, import_batch_normalization},
      {"AveragePool",
       1,
       1,
       {"auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"},
       import_average_pool},
      {"GlobalAveragePool", 1, 1, {}, import_global_average_pool},
      {"Gemm", 2, 3, {"alpha", "beta", "transA", "transB"}, import_gemm},
      {"MatMul", 2, 2, {}, import_gemm},
      {"Flatten", 1, 1, {"axis"}, import_flatten},
      {"Reshape", 2, 2, {"allowzero"}, import_reshape},
      {"Add", 2, 2, {}, import_elementwise<Op::add>},
      {"Sub", 2, 2, {}, import_sub},
      {"Mul", 2, 2, {}, import_elementwise<Op::mul>},
      {"Div", 2, 2, {}, import_div},
      {"Pow", 2, 2, {}, import_elementwise<Op::pow>},
      {"Identity", 1, 1, {}, import_identity},
      {"Dropout", 1, 3, {"ratio", "seed"}, import_dropout},
      {"Constant", 0, 0, {"value", "value_float", "value_floats", "value_int", "value_ints"}, import_constant},
  };
  return kOperators;
}

// What to do about an operator that people meet often.
const char* hint(const std::string& name) {
  constexpr std::array<const char*, 12> kActivations = {"Relu", "LeakyRelu", "PRelu",     "Elu",  "Sigmoid",     "Tanh",
                                                        "Clip", "Softplus",  "HardSwish", "Gelu", "HardSigmoid", "Erf"};
  if (std::find(kActivations.begin(), kActivations.end(), name) != kActivations.end()) {
    return "; this version runs polynomial activations only: train the network with one (obscura train)";
  }
  if (name == "MaxPool") {
    return "; this version runs average pooling only: train the network with it, and a polynomial activation (obscura "
           "train)";
  }
  if (name == "Softmax" || name == "LogSoftmax") return "; leave it out when exporting: it does not change the label";
  return "";
}

}  // namespace

std::string supported_operators() {
  std::string list;
  for (const Operator& entry : operators()) {
    if (!list.empty()) list += ", ";
    list += entry.name;
  }
  return list;
}

Result<void> import_node(NodeImport& node) {
  const auto& table = operators();
  const auto entry = std::find_if(table.begin(), table.end(),
                                  [&](const Operator& candidate) { return node.operator_name() == candidate.name; });
  if (entry == table.end()) {
    return error(Code::unsupported, "node '{}': operator {} is not supported; supported: {}{}", node.name(),
                 node.operator_name(), supported_operators(), hint(node.operator_name()));
  }
  OBSCURA_TRY_VOID(node.check_form(entry->min_inputs, entry->max_inputs, entry->attributes));
  return entry->import(node);
}

}  // namespace obscura::nn
