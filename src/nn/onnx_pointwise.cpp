// SPDX-License-Identifier: Apache-2.0
// Arithmetic of elements, activations, and the softmax at the end.
#include <algorithm>
#include <cmath>

#include "nn/onnx_operators.h"

namespace obscura::nn {
namespace {

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

// A factor of one number beside x.
Result<ValueId> number(NodeImport& node, ValueId x, const char* suffix, float value) {
  return node.derive_constant(x, suffix, Tensor{{}, {value}});
}

}  // namespace

Result<void> import_add(NodeImport& node) { return import_function<Op::add>(node); }

Result<void> import_mul(NodeImport& node) { return import_function<Op::mul>(node); }

Result<void> import_pow(NodeImport& node) { return import_function<Op::pow>(node); }

// a - b = a + (-b)
Result<void> import_sub(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  if (node.value(inputs[1]).constant) {
    OBSCURA_TRY(inputs[1], map_constant(node, inputs[1], ".negative", [](float v) { return -v; }));
  } else {
    OBSCURA_TRY(const ValueId minus, number(node, inputs[1], ".minus_one", -1));
    OBSCURA_TRY(inputs[1], node.emit_before("/negative", Op::mul, {inputs[1], minus}));
  }
  return node.emit(Op::add, std::move(inputs));
}

// a / c = a * (1 / c)
Result<void> import_div(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  if (!node.value(inputs[1]).constant) {
    return node.fail(Code::unsupported, "its divisor '{}' is computed; allowed: a constant",
                     node.value(inputs[1]).name);
  }
  OBSCURA_TRY(inputs[1], map_constant(node, inputs[1], ".reciprocal", [](float v) { return 1.0F / v; }));
  return node.emit(Op::mul, std::move(inputs));
}

Result<void> import_neg(NodeImport& node) {
  OBSCURA_TRY(const ValueId x, node.input(0));
  OBSCURA_TRY(const ValueId minus, number(node, x, ".minus_one", -1));
  return node.emit(Op::mul, {x, minus});
}

// Of any number of values, from the left.
Result<void> import_sum(NodeImport& node) {
  OBSCURA_TRY(const auto inputs, node.inputs());
  if (inputs.size() == 1) return node.emit(Op::identity, inputs);
  ValueId sum = inputs[0];
  for (std::size_t i = 1; i + 1 < inputs.size(); ++i) {
    OBSCURA_TRY(sum, node.emit_before("/sum", Op::add, {sum, inputs[i]}));
  }
  return node.emit(Op::add, {sum, inputs.back()});
}

Result<void> import_leaky_relu(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  Attributes a;
  OBSCURA_TRY(a.alpha, node.real("alpha", 0.01F));
  return node.emit(Op::leaky_relu, std::move(inputs), a);
}

// With one slope for all channels it is a leaky ReLU.
Result<void> import_prelu(NodeImport& node) {
  OBSCURA_TRY(const ValueId x, node.input(0));
  OBSCURA_TRY(const Constant slope, node.constant(1));
  const bool one = !slope.reals.empty() && std::all_of(slope.reals.begin(), slope.reals.end(),
                                                       [&](float v) { return v == slope.reals.front(); });
  if (!one) {
    return node.fail(Code::unsupported, "its slope '{}' of shape {} has different numbers; allowed: one slope for all",
                     node.input_name(1), to_string(slope.shape));
  }
  Attributes a;
  a.alpha = slope.reals.front();
  return node.emit(Op::leaky_relu, {x}, a);
}

Result<void> import_gelu(NodeImport& node) {
  OBSCURA_TRY(const std::string form, node.text("approximate", "none"));
  if (form != "none") {
    return node.fail(Code::unsupported, "attribute approximate is {}; allowed: none (the form with erf)", form);
  }
  return import_function<Op::gelu>(node);
}

// The softmax of logits, or its logarithm, rises with each logit: the label is the same without it.
Result<void> import_softmax(NodeImport& node) {
  OBSCURA_TRY(const ValueId x, node.input(0));
  const Shape& shape = node.value(x).shape;
  const bool row = !shape.empty() && std::all_of(shape.begin() + 1, shape.end(), [](auto size) { return size == 1; });
  constexpr std::int64_t kLastAxisByDefault = 13;  // from this operator set on
  OBSCURA_TRY(const std::int64_t axis, node.integer("axis", node.opset() < kLastAxisByDefault ? 1 : -1));
  OBSCURA_TRY(const std::size_t resolved, resolve_axis(node, axis, shape.size() + 1));
  if (!row || resolved != 1) {
    return node.fail(Code::unsupported, "it is over axis {} of {} per image; allowed: one row of logits, axis 1", axis,
                     to_string(shape));
  }
  if (!node.gives_the_output_only()) {
    return node.fail(Code::unsupported,
                     "other nodes read its output '{}'; allowed: as the last node, where it is left out",
                     node.output_name());
  }
  node.define_alias(x);
  return {};
}

}  // namespace obscura::nn
