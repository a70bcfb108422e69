// SPDX-License-Identifier: Apache-2.0
// Layers with weights or windows.
#include <algorithm>

#include "nn/broadcast.h"
#include "nn/infer.h"
#include "nn/onnx_operators.h"

namespace obscura::nn {
namespace {

Result<void> check_size(const NodeImport& node, const Attributes& a, std::size_t axis) {
  for (const std::int64_t v : {a.kernel[axis], a.strides[axis], a.dilations[axis]}) {
    if (v >= 1 && v <= kMaxSize) continue;
    return node.fail(Code::bad_format, "kernel {}, stride {}, dilation {}; allowed: 1 to {}", a.kernel[axis],
                     a.strides[axis], a.dilations[axis], kMaxSize);
  }
  return {};
}

// Pads of SAME: the output has ceil(input / stride) positions; the odd one goes below (UPPER) or above (LOWER).
Result<void> set_same_pads(const NodeImport& node, Attributes& a, const Shape& x, bool upper) {
  if (x.size() != 3) return {};  // the shape rule will say what is wrong
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t size = x[axis + 1];
    OBSCURA_TRY_VOID(check_size(node, a, axis));
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

// ceil_mode: windows that reach over the end count too, as long as they start inside or in the padding before; that
// is the same as more padding after.
Result<void> extend_to_ceiling(const NodeImport& node, Attributes& a, const Shape& x) {
  if (x.size() != 3) return {};  // the shape rule will say what is wrong
  for (std::size_t axis = 0; axis < 2; ++axis) {
    OBSCURA_TRY_VOID(check_size(node, a, axis));
    for (const std::int64_t pad : {a.pads[axis], a.pads[axis + 2]}) {
      if (pad < 0 || pad > kMaxSize) return node.fail(Code::bad_format, "a pad of {}; allowed: 0 to {}", pad, kMaxSize);
    }
    const std::int64_t reach = (a.kernel[axis] - 1) * a.dilations[axis] + 1;
    const std::int64_t before = x[axis + 1] + a.pads[axis];
    const std::int64_t room = before + a.pads[axis + 2] - reach;
    if (room < 0) continue;  // the shape rule will say so
    std::int64_t positions = (room + a.strides[axis] - 1) / a.strides[axis] + 1;
    if ((positions - 1) * a.strides[axis] >= before) --positions;
    const std::int64_t missing = (positions - 1) * a.strides[axis] - room;
    if (missing <= 0) continue;
    if (a.count_include_pad) {
      return node.fail(
          Code::unsupported,
          "ceil_mode 1 with count_include_pad 1 and a last window beyond the padding; allowed: one of them");
    }
    a.pads[axis + 2] += missing;
  }
  return {};
}

// All attributes of a pool.
Result<Attributes> read_pool(const NodeImport& node, const Shape& x) {
  Attributes a;
  if (node.attribute("kernel_shape") == nullptr) return node.fail(Code::bad_format, "attribute kernel_shape is absent");
  OBSCURA_TRY_VOID(node.integers("kernel_shape", a.kernel));
  OBSCURA_TRY(const std::int64_t whole, node.integer("count_include_pad", 0));
  a.count_include_pad = whole != 0;
  OBSCURA_TRY_VOID(read_window(node, a, x));
  OBSCURA_TRY(const std::int64_t ceiling, node.integer("ceil_mode", 0));
  if (ceiling != 0) OBSCURA_TRY_VOID(extend_to_ceiling(node, a, x));
  return a;
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

}  // namespace

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
  OBSCURA_TRY(Attributes a, read_pool(node, node.value(inputs[0]).shape));
  return node.emit(Op::average_pool, std::move(inputs), a);
}

Result<void> import_max_pool(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  OBSCURA_TRY(Attributes a, read_pool(node, node.value(inputs[0]).shape));
  return node.emit(Op::max_pool, std::move(inputs), a);
}

// The largest of a whole map.
Result<void> import_global_max_pool(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  const Shape& x = node.value(inputs[0]).shape;
  Attributes a;
  if (x.size() == 3) a.kernel = {x[1], x[2]};
  return node.emit(Op::max_pool, std::move(inputs), a);
}

Result<void> import_global_average_pool(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  return node.emit(Op::global_average_pool, std::move(inputs));
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

Result<void> import_lrn(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  Attributes a;
  if (node.attribute("size") == nullptr) return node.fail(Code::bad_format, "attribute size is absent");
  OBSCURA_TRY(a.size, node.integer("size", 1));
  OBSCURA_TRY(a.alpha, node.real("alpha", 1e-4F));
  OBSCURA_TRY(a.beta, node.real("beta", 0.75F));
  OBSCURA_TRY(a.bias, node.real("bias", 1));
  return node.emit(Op::lrn, std::move(inputs), a);
}

// The mean over height and width is a global average pool; without keepdims, a row of it.
Result<void> import_reduce_mean(NodeImport& node) {
  OBSCURA_TRY(const ValueId x, node.input(0));
  OBSCURA_TRY(const auto listed, node.axes(1));
  OBSCURA_TRY(const std::int64_t keep, node.integer("keepdims", 1));
  const std::size_t rank = node.value(x).shape.size() + 1;
  std::vector<std::size_t> axes;
  for (const std::int64_t axis : listed.value_or(std::vector<std::int64_t>())) {
    OBSCURA_TRY(const std::size_t resolved, resolve_axis(node, axis, rank));
    axes.push_back(resolved);
  }
  std::sort(axes.begin(), axes.end());
  if (rank != 4 || axes != std::vector<std::size_t>{2, 3}) {
    return node.fail(Code::unsupported,
                     "it takes the mean of {} per image over axes ({}); allowed: height and width (2, 3)",
                     to_string(node.value(x).shape), fmt::join(axes, ", "));
  }
  if (keep != 0) return node.emit(Op::global_average_pool, {x});
  OBSCURA_TRY(const ValueId mean, node.emit_before("/mean", Op::global_average_pool, {x}));
  return node.emit(Op::flatten, {mean});
}

}  // namespace obscura::nn
