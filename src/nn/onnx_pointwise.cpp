// SPDX-License-Identifier: Apache-2.0
// Arithmetic of elements.
#include <algorithm>
#include <cmath>

#include "nn/broadcast.h"
#include "nn/infer.h"
#include "nn/onnx_operators.h"

namespace obscura::nn {
namespace {

using Kind = approx::Function::Kind;

/// `shape` with ones before it to `rank`, and without the axis of the one image.
Shape aligned(Shape shape, std::size_t rank, bool images) {
  shape.insert(shape.begin(), rank - shape.size(), 1);
  if (images) shape.erase(shape.begin());
  return shape;
}

/// The constant with f applied to each number.
template <class F>
Operand mapped(Operand constant, F f) {
  constant.own.reset();
  for (float& v : constant.constant.data) v = static_cast<float>(f(double{v}));
  return constant;
}

Result<FileValue> reciprocal(NodeImport& node, const FileValue& x) {
  return apply(node, x, approx::default_of(Kind::reciprocal));
}

Result<void> binary(NodeImport& node, Op op) {
  OBSCURA_TRY(const Operand a, operand(node, 0));
  OBSCURA_TRY(const Operand b, operand(node, 1));
  OBSCURA_TRY(FileValue y, combine(node, op, a, b));
  node.define(std::move(y));
  return {};
}

/// Operands that need no reshape, so that x sigmoid(x) stays one x: two values of the result's shape that lie in one
/// shape of the graph too, or one beside a number. Empty: others.
Result<std::vector<ValueId>> in_place(NodeImport& node, const Operand& a, const Operand& b, const Shape& shape) {
  const Operand& lead = a.value ? a : b;
  if (lead.shape() != shape) return std::vector<ValueId>();
  const Shape lying = node.graph_shape(lead.value->id);  // constants that are added move the values
  std::vector<ValueId> inputs;
  for (const Operand* side : {&a, &b}) {
    if (side->value) {
      if (side->shape() != shape || node.graph_shape(side->value->id) != lying) return std::vector<ValueId>();
      inputs.push_back(side->value->id);
      continue;
    }
    if (side->constant.data.size() != 1) return std::vector<ValueId>();
    Tensor number = side->constant;
    if (number.shape.size() > lying.size()) number.shape.clear();
    OBSCURA_TRY(const ValueId id, node.add_constant(".constant", std::move(number), side->own));
    inputs.push_back(id);
  }
  return inputs;
}

/// -x, of a constant or a value.
Result<Operand> negative(NodeImport& node, Operand x) {
  if (!x.value) return mapped(std::move(x), [](double v) { return -v; });
  OBSCURA_TRY(FileValue y, affine(node, *x.value, -1, 0));
  return Operand{std::move(y), {}};
}

/// The larger (smaller) of a and b: b + relu(a - b), b - relu(b - a).
Result<FileValue> extremum(NodeImport& node, const Operand& a, const Operand& b, bool largest) {
  const bool zero =
      !b.value && std::all_of(b.constant.data.begin(), b.constant.data.end(), [](float v) { return v == 0; });
  const approx::Function relu = approx::default_of(Kind::relu);
  const bool fits = a.value && broadcast(a.shape(), b.shape()) == a.shape();
  if (largest && zero && fits) return apply(node, *a.value, relu);
  OBSCURA_TRY(const Operand minus, negative(node, largest ? b : a));
  OBSCURA_TRY(const FileValue difference, combine(node, Op::add, largest ? a : minus, largest ? minus : b));
  OBSCURA_TRY(FileValue above, apply(node, difference, relu));
  if (!largest) {
    OBSCURA_TRY(above, affine(node, above, -1, 0));
  }
  return combine(node, Op::add, {above, {}}, b);
}

/// The elements of a constant, repeated to a shape.
std::vector<float> stretched(const Tensor& constant, const Shape& shape) {
  std::vector<float> out;
  for (const std::uint32_t at : broadcast_index({"", constant.shape, constant}, shape))
    out.push_back(constant.data[at]);
  return out;
}

/// Of two constants.
Result<Operand> product(NodeImport& node, const Tensor& a, const Tensor& b) {
  const auto shape = broadcast(a.shape, b.shape);
  if (!shape || !shape_is_allowed(*shape)) {
    return node.fail(Code::bad_format, "shapes {} and {} do not go together", to_string(a.shape), to_string(b.shape));
  }
  OBSCURA_TRY_VOID(node.charge(node.output_name(), static_cast<std::size_t>(element_count(*shape))));
  Operand out{std::nullopt, {*shape, stretched(a, *shape)}};
  const std::vector<float> factors = stretched(b, *shape);
  for (std::size_t e = 0; e < factors.size(); ++e) out.constant.data[e] *= factors[e];
  return out;
}

}  // namespace

std::optional<Shape> broadcast(const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()), 1);
  for (const Shape* shape : {&a, &b}) {
    for (std::size_t i = 0; i < shape->size(); ++i) {
      const std::int64_t size = (*shape)[i];
      std::int64_t& to = out[out.size() - shape->size() + i];
      if (size != 1 && to != 1 && to != size) return std::nullopt;
      if (size != 1) to = size;
    }
  }
  return out;
}

Result<Operand> operand(NodeImport& node, int i) {
  Operand out;
  if (node.is_constant(i)) {
    OBSCURA_TRY(out.constant, node.tensor(i));
    out.own = i;
    return out;
  }
  OBSCURA_TRY(out.value, node.value(i));
  return out;
}

Result<FileValue> combine(NodeImport& node, Op op, const Operand& a, const Operand& b) {
  const auto shape = broadcast(a.shape(), b.shape());
  if (!shape) {
    return node.fail(Code::bad_format, "shapes {} and {} do not broadcast to one result", to_string(a.shape()),
                     to_string(b.shape()));
  }
  OBSCURA_TRY(std::vector<ValueId> inputs, in_place(node, a, b, *shape));
  if (!inputs.empty()) {
    OBSCURA_TRY(const ValueId y, node.emit(op, std::move(inputs)));
    return FileValue{y, *shape};
  }
  const bool images = shape->size() >= 2 && shape->front() == 1;
  for (const Operand* side : {&a, &b}) {
    const Shape wanted = aligned(side->shape(), shape->size(), images);
    if (side->value) {
      OBSCURA_TRY(const ValueId id, node.in_shape(*side->value, wanted));
      inputs.push_back(id);
    } else {
      OBSCURA_TRY(const ValueId id, node.add_constant(".constant", Tensor{wanted, side->constant.data}, side->own));
      inputs.push_back(id);
    }
  }
  OBSCURA_TRY(const ValueId y, node.emit(op, std::move(inputs)));
  return FileValue{y, *shape};
}

Result<FileValue> affine(NodeImport& node, FileValue x, double factor, double shift) {
  for (const auto& [op, number] : {std::pair(Op::mul, factor), std::pair(Op::add, shift)}) {
    if (number == (op == Op::mul ? 1 : 0)) continue;
    OBSCURA_TRY(const ValueId constant, node.add_constant(".constant", Tensor{{}, {static_cast<float>(number)}}));
    OBSCURA_TRY(x.id, node.emit(op, {x.id, constant}));
  }
  return x;
}

Result<FileValue> apply(NodeImport& node, const FileValue& x, const approx::Function& function) {
  Attributes a;
  a.function = function;
  OBSCURA_TRY(const ValueId y, node.emit(Op::function, {x.id}, a));
  return FileValue{y, x.shape};
}

Result<void> import_add(NodeImport& node) { return binary(node, Op::add); }

Result<void> import_mul(NodeImport& node) { return binary(node, Op::mul); }

// a - b = a + (-b)
Result<void> import_sub(NodeImport& node) {
  OBSCURA_TRY(const Operand a, operand(node, 0));
  OBSCURA_TRY(Operand b, operand(node, 1));
  OBSCURA_TRY(b, negative(node, std::move(b)));
  OBSCURA_TRY(FileValue y, combine(node, Op::add, a, b));
  node.define(std::move(y));
  return {};
}

// a / b = a * (1 / b)
Result<void> import_div(NodeImport& node) {
  OBSCURA_TRY(const Operand a, operand(node, 0));
  OBSCURA_TRY(Operand b, operand(node, 1));
  if (b.value) {
    OBSCURA_TRY(b.value, reciprocal(node, *b.value));
  } else {
    for (const float v : b.constant.data) {
      if (!std::isfinite(1.0F / v)) {
        return node.fail(Code::bad_format, "it divides by {} of '{}'; allowed: numbers with a finite reciprocal", v,
                         node.input_name(1));
      }
    }
    b = mapped(std::move(b), [](double v) { return 1 / v; });
  }
  OBSCURA_TRY(FileValue y, combine(node, Op::mul, a, b));
  node.define(std::move(y));
  return {};
}

Result<void> import_neg(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(FileValue y, affine(node, x, -1, 0));
  node.define(std::move(y));
  return {};
}

Result<void> import_pow(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  if (!node.is_constant(1)) {
    return node.fail(Code::unsupported, "its exponent '{}' is computed; allowed: one constant number",
                     node.input_name(1));
  }
  OBSCURA_TRY(const double exponent, node.number(1, 1));
  OBSCURA_TRY(const ValueId constant, node.add_constant(".exponent", Tensor{{}, {static_cast<float>(exponent)}}, 1));
  OBSCURA_TRY(const ValueId y, node.emit(Op::pow, {x.id, constant}));
  node.define(y, x.shape);
  return {};
}

// Sum and Mean of any number of values, from the left.
Result<void> import_sum(NodeImport& node) {
  OBSCURA_TRY(Operand sum, operand(node, 0));
  int first = 1;
  for (; !sum.value && first < node.input_count(); ++first) {
    OBSCURA_TRY(const Operand next, operand(node, first));
    if (!next.value) return node.fail(Code::unsupported, "it adds constants; allowed: one among values");
    OBSCURA_TRY(sum.value, combine(node, Op::add, sum, next));
  }
  for (int i = first; i < node.input_count(); ++i) {
    OBSCURA_TRY(const Operand next, operand(node, i));
    OBSCURA_TRY(sum.value, combine(node, Op::add, sum, next));
  }
  if (node.operator_name() == "Mean") {
    OBSCURA_TRY(sum.value, affine(node, *sum.value, 1.0 / node.input_count(), 0));
  }
  node.define(std::move(*sum.value));
  return {};
}

// Min and Max of any number of values and constants.
Result<void> import_extremum(NodeImport& node) {
  const bool largest = node.operator_name() == "Max";
  std::vector<Operand> all;
  for (int i = 0; i < node.input_count(); ++i) {
    OBSCURA_TRY(Operand next, operand(node, i));
    all.push_back(std::move(next));
  }
  // A value first, so that constants meet one.
  std::stable_partition(all.begin(), all.end(), [](const Operand& o) { return o.value.has_value(); });
  FileValue y = *all[0].value;
  for (std::size_t i = 1; i < all.size(); ++i) {
    OBSCURA_TRY(y, extremum(node, {y, {}}, all[i], largest));
  }
  node.define(std::move(y));
  return {};
}

// Chosen by constants, the values are masked: c a + (1 - c) b.
Result<void> import_where(NodeImport& node) {
  OBSCURA_TRY(const Tensor condition, node.tensor(0));
  const auto masked = [&](int i, bool chosen) -> Result<Operand> {
    OBSCURA_TRY(Operand side, operand(node, i));
    Operand mask{std::nullopt, condition};
    mask = mapped(std::move(mask), [chosen](double v) { return (v != 0) == chosen ? 1 : 0; });
    if (!side.value) return product(node, mask.constant, side.constant);
    OBSCURA_TRY(FileValue y, combine(node, Op::mul, side, mask));
    return Operand{std::move(y), {}};
  };
  OBSCURA_TRY(const Operand a, masked(1, true));
  OBSCURA_TRY(const Operand b, masked(2, false));
  OBSCURA_TRY(FileValue y, combine(node, Op::add, a, b));
  node.define(std::move(y));
  return {};
}

}  // namespace obscura::nn
