// SPDX-License-Identifier: Apache-2.0
// Operators that move elements, as far as they keep one image {C, H, W} or one row of features.
#include <algorithm>

#include "nn/onnx_operators.h"

namespace obscura::nn {
namespace {

/// Emits what keeps the elements in their order and gives `to`. errors: `to` is neither the same shape nor one row.
Result<void> emit_same_order(NodeImport& node, ValueId x, const Shape& to) {
  const Shape& from = node.value(x).shape;
  if (to == from) return node.emit(Op::identity, {x});
  if (to.size() == 1) return node.emit(Op::flatten, {x});
  return node.fail(Code::unsupported, "it turns {} per image into {}; allowed: ({}) or the same shape", to_string(from),
                   to_string(to), element_count(from));
}

/// The sizes of one image that Reshape asks for; nothing where its first size does not stand for the images, or the
/// others do not fit.
std::optional<Shape> reshaped(const NodeImport& node, const Shape& from, const std::vector<std::int64_t>& to) {
  const std::int64_t elements = element_count(from);
  const bool images_first =
      !to.empty() && (to[0] == 0 || to[0] == -1 || to[0] == kFreeBatch || to[0] == node.fixed_batch());
  if (!images_first || std::count(to.begin(), to.end(), -1) > 1) return std::nullopt;
  Shape out(to.begin() + 1, to.end());
  std::int64_t known = 1;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] == 0 && i < from.size()) out[i] = from[i];
    if (out[i] == -1) continue;
    if (out[i] < 1 || out[i] > elements || __builtin_mul_overflow(known, out[i], &known)) return std::nullopt;
  }
  const auto open = std::find(out.begin(), out.end(), -1);
  if (open != out.end() ? elements % known != 0 : elements != known) return std::nullopt;
  if (open != out.end()) *open = elements / known;
  return out;
}

Result<void> require_image(const NodeImport& node, ValueId x) {
  const Shape& shape = node.value(x).shape;
  if (shape.size() == 3) return {};
  return node.fail(Code::unsupported, "its input '{}' has shape {} per image; allowed: channels x height x width",
                   node.value(x).name, to_string(shape));
}

}  // namespace

Result<std::size_t> resolve_axis(const NodeImport& node, std::int64_t axis, std::size_t rank) {
  const auto axes = static_cast<std::int64_t>(rank);
  if (axis < -axes || axis >= axes) {
    return node.fail(Code::bad_format, "axis {}; allowed: {} to {}", axis, -axes, axes - 1);
  }
  return static_cast<std::size_t>(axis < 0 ? axis + axes : axis);
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

Result<void> import_reshape(NodeImport& node) {
  OBSCURA_TRY(const ValueId x, node.input(0));
  OBSCURA_TRY(const std::vector<std::int64_t> to, node.integer_list(1));
  OBSCURA_TRY_VOID(node.require("allowzero", 0));
  const Shape from = node.value(x).shape;
  if (const auto shape = reshaped(node, from, to)) {
    // A row stays a row where it is spelt as one: {features} and (N, features) mean a flatten even of a row.
    if (shape->size() == 1) return node.emit(Op::flatten, {x});
    if (*shape == from) return node.emit(Op::identity, {x});
  }
  std::string shown;
  for (const std::int64_t size : to) {
    shown += fmt::format("{}{}", shown.empty() ? "" : ", ", size == kFreeBatch ? "N" : std::to_string(size));
  }
  return node.fail(Code::unsupported,
                   "it reshapes {} per image to ({}); allowed: (N, {}), with N as 0 or -1 (export with the number of "
                   "images left free)",
                   to_string(from), shown, element_count(from));
}

Result<void> import_squeeze(NodeImport& node) {
  OBSCURA_TRY(const ValueId x, node.input(0));
  OBSCURA_TRY(const auto axes, node.axes(1));
  const Shape from = node.value(x).shape;
  if (!axes) return node.fail(Code::unsupported, "it names no axes, so that the images may be one; allowed: axes");
  std::vector<bool> dropped(from.size() + 1, false);
  for (const std::int64_t axis : *axes) {
    OBSCURA_TRY(const std::size_t resolved, resolve_axis(node, axis, from.size() + 1));
    if (resolved == 0 || from[resolved - 1] != 1) {
      return node.fail(Code::unsupported, "it drops axis {} of (N, {}); allowed: axes of size 1", axis,
                       to_string(from));
    }
    dropped[resolved] = true;
  }
  Shape to;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (!dropped[i + 1]) to.push_back(from[i]);
  }
  return emit_same_order(node, x, to);
}

Result<void> import_unsqueeze(NodeImport& node) {
  OBSCURA_TRY(const ValueId x, node.input(0));
  OBSCURA_TRY(const auto axes, node.axes(1));
  if (axes && axes->empty()) return node.emit(Op::identity, {x});
  return node.fail(Code::unsupported, "it adds axes to {} per image; allowed: constants",
                   to_string(node.value(x).shape));
}

Result<void> import_transpose(NodeImport& node) {
  OBSCURA_TRY(const ValueId x, node.input(0));
  const Shape from = node.value(x).shape;
  std::vector<std::int64_t> order(from.size() + 1);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(order.size() - 1 - i);
  OBSCURA_TRY_VOID(node.integers("perm", order));
  std::vector<std::int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i] == static_cast<std::int64_t>(i)) continue;
    return node.fail(Code::bad_format, "attribute perm is ({}); allowed: each axis once", fmt::join(order, ", "));
  }
  Shape to;
  Shape moved;  // the axes of more than one element, in their new order
  for (std::size_t i = 1; i < order.size() && order[0] == 0; ++i) {
    to.push_back(from[static_cast<std::size_t>(order[i] - 1)]);
    if (to.back() != 1) moved.push_back(order[i]);
  }
  const bool channels_first = order == std::vector<std::int64_t>{0, 3, 1, 2};
  if (channels_first && node.is_only_reader_of_the_image(x)) {
    node.set_image_shape(to);
    node.define_alias(x);
    return {};
  }
  if (order[0] == 0 && std::is_sorted(moved.begin(), moved.end())) {
    return emit_same_order(node, x, moved.size() <= 1 && to != from ? Shape{element_count(from)} : to);
  }
  return node.fail(Code::unsupported,
                   "it reorders {} per image by ({}); allowed: orders that move no element, or an image from channels "
                   "last to channels first (0, 3, 1, 2) before all else",
                   to_string(from), fmt::join(order, ", "));
}

Result<void> import_concat(NodeImport& node) {
  OBSCURA_TRY(auto inputs, node.inputs());
  OBSCURA_TRY(const std::int64_t axis, node.integer("axis", 1));
  OBSCURA_TRY(const std::size_t resolved, resolve_axis(node, axis, node.value(inputs[0]).shape.size() + 1));
  if (resolved != 1) return node.fail(Code::unsupported, "attribute axis is {}; allowed: 1 (channels)", axis);
  if (inputs.size() == 1) return node.emit(Op::identity, std::move(inputs));
  return node.emit(Op::concat, std::move(inputs));
}

Result<void> import_slice(NodeImport& node) {
  OBSCURA_TRY(const ValueId x, node.input(0));
  const Shape from = node.value(x).shape;
  Shape whole = {kFreeBatch};
  whole.insert(whole.end(), from.begin(), from.end());
  OBSCURA_TRY(const auto ranges, slice_ranges(node, whole));
  Attributes a;
  bool all = true;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const AxisRange& range = ranges[i + 1];
    if (range.size < 1 || range.step < 1) {
      return node.fail(Code::unsupported,
                       "it takes {} elements in steps of {} of axis {}; allowed: 1 or more, forwards", range.size,
                       range.step, i + 1);
    }
    all = all && range.size == from[i];
    if (from.size() != 3) continue;
    a.starts[i] = range.start;
    a.steps[i] = range.size == 1 ? 1 : range.step;
    a.sizes[i] = range.size;
  }
  if (all) return node.emit(Op::identity, {x});
  OBSCURA_TRY_VOID(require_image(node, x));
  return node.emit(Op::slice, {x}, a);
}

namespace {

/// Pads of every axis as the file sees it: all before, then all after.
Result<std::vector<std::int64_t>> read_pads(NodeImport& node, std::size_t rank) {
  std::vector<std::int64_t> listed;
  if (const auto* a = node.attribute("pads")) {
    listed.assign(a->ints().begin(), a->ints().end());
  } else {
    OBSCURA_TRY(listed, node.integer_list(1));
  }
  std::vector<std::size_t> places(rank);
  for (std::size_t i = 0; i < rank; ++i) places[i] = i;
  if (node.has_input(3)) {
    OBSCURA_TRY(const auto axes, node.integer_list(3));
    places.clear();
    for (const std::int64_t axis : axes) {
      OBSCURA_TRY(const std::size_t resolved, resolve_axis(node, axis, rank));
      places.push_back(resolved);
    }
  }
  if (listed.size() != 2 * places.size()) {
    return node.fail(Code::bad_format, "it has {} pads; allowed: {}, before and after each axis", listed.size(),
                     2 * places.size());
  }
  std::vector<std::int64_t> pads(2 * rank, 0);
  for (std::size_t i = 0; i < places.size(); ++i) {
    pads[places[i]] = listed[i];
    pads[places[i] + rank] = listed[i + places.size()];
  }
  return pads;
}

Result<void> require_zero_padding(NodeImport& node) {
  OBSCURA_TRY(const std::string mode, node.text("mode", "constant"));
  if (mode != "constant") {
    return node.fail(Code::unsupported, "attribute mode is {}; allowed: constant (zeros)", mode);
  }
  OBSCURA_TRY(float filling, node.real("value", 0));
  if (node.has_input(2)) {
    OBSCURA_TRY(const Constant given, node.constant(2));
    if (given.count() != 1) return node.fail(Code::bad_format, "it pads with {} numbers; allowed: 1", given.count());
    filling = given.is_integer ? static_cast<float>(given.integers[0]) : given.reals[0];
  }
  if (filling != 0) return node.fail(Code::unsupported, "it pads with {}; allowed: 0", filling);
  return {};
}

}  // namespace

Result<void> import_pad(NodeImport& node) {
  OBSCURA_TRY(const ValueId x, node.input(0));
  OBSCURA_TRY_VOID(require_zero_padding(node));
  const std::size_t rank = node.value(x).shape.size() + 1;
  OBSCURA_TRY(const std::vector<std::int64_t> pads, read_pads(node, rank));
  if (std::all_of(pads.begin(), pads.end(), [](std::int64_t pad) { return pad == 0; })) {
    return node.emit(Op::identity, {x});
  }
  OBSCURA_TRY_VOID(require_image(node, x));
  if (pads[0] != 0 || pads[rank] != 0) {
    return node.fail(Code::unsupported, "it pads the images themselves by {} and {}; allowed: 0", pads[0], pads[rank]);
  }
  Attributes a;
  for (std::size_t i = 0; i < 3; ++i) {
    a.pads_before[i] = pads[i + 1];
    a.pads_after[i] = pads[i + 1 + rank];
  }
  return node.emit(Op::pad, {x}, a);
}

Result<void> import_identity(NodeImport& node) {
  OBSCURA_TRY(const ValueId x, node.input(0));
  return node.emit(Op::identity, {x});
}

Result<void> import_dropout(NodeImport& node) {
  if (node.has_input(2)) {
    OBSCURA_TRY(const Constant training, node.constant(2));
    const auto& flags = training.integers;
    if (std::any_of(flags.begin(), flags.end(), [](std::int64_t flag) { return flag != 0; })) {
      return node.fail(Code::unsupported, "training_mode is true; allowed: false");
    }
  }
  return node.is_constant(0) ? fold_identity(node) : import_identity(node);
}

Result<void> import_cast(NodeImport& node) {
  OBSCURA_TRY(const std::int64_t to, node.integer("to", 0));
  if (to != onnx::TensorProto::FLOAT && to != onnx::TensorProto::DOUBLE) {
    const std::string type = onnx::TensorProto::DataType_IsValid(static_cast<int>(to))
                                 ? onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(to))
                                 : std::to_string(to);
    return node.fail(Code::unsupported, "it turns '{}', computed from the image, into {}; allowed: FLOAT, DOUBLE",
                     node.input_name(0), type);
  }
  return import_identity(node);
}

}  // namespace obscura::nn
