// SPDX-License-Identifier: Apache-2.0
// Operators that move elements. Those that keep the elements' order change the shape of the file alone.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "nn/infer.h"
#include "nn/onnx_operators.h"

namespace obscura::nn {
namespace {

/// The sizes that Reshape asks for, 0 and -1 resolved. A fixed number of images that stands first means one image.
std::optional<Shape> reshaped(const NodeImport& node, const Shape& from, Shape to, bool zero_is_zero) {
  const std::int64_t elements = element_count(from);
  const auto resolve = [&](Shape shape) -> std::optional<Shape> {
    std::int64_t known = 1;
    if (std::count(shape.begin(), shape.end(), -1) > 1) return std::nullopt;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] == 0 && !zero_is_zero && i < from.size()) shape[i] = from[i];
      if (shape[i] == -1) continue;
      if (shape[i] < 1 || shape[i] > kMaxElements || __builtin_mul_overflow(known, shape[i], &known)) {
        return std::nullopt;
      }
    }
    const auto open = std::find(shape.begin(), shape.end(), -1);
    if (open != shape.end() ? elements % known != 0 : elements != known) return std::nullopt;
    if (open != shape.end()) *open = elements / known;
    return shape;
  };
  if (node.fixed_batch() > 1 && !to.empty() && to[0] == node.fixed_batch()) {
    Shape one = to;
    one[0] = 1;
    if (const auto shape = resolve(one)) return shape;
  }
  return resolve(std::move(to));
}

struct JoinedPart {
  Operand operand;
  std::int64_t size = 0;  ///< along the axis
};

/// The values among parts, each with zeros in the place of the constants beside it.
Result<std::vector<ValueId>> values_between_zeros(NodeImport& node, const std::vector<JoinedPart>& parts,
                                                  std::size_t along, std::size_t shift) {
  std::vector<ValueId> values;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].operand.value) continue;
    const FileValue& x = *parts[i].operand.value;
    const Shape shape(x.shape.begin() + static_cast<std::ptrdiff_t>(shift), x.shape.end());
    OBSCURA_TRY(ValueId id, node.in_shape(x, shape));
    Attributes a;
    a.pads_before.assign(shape.size(), 0);
    a.pads_after.assign(shape.size(), 0);
    if (values.empty()) {
      for (std::size_t k = 0; k < i; ++k) a.pads_before[along - shift] += parts[k].size;
    }
    for (std::size_t k = i + 1; k < parts.size() && !parts[k].operand.value; ++k) {
      a.pads_after[along - shift] += parts[k].size;
    }
    if (a.pads_before[along - shift] + a.pads_after[along - shift] > 0) {
      OBSCURA_TRY(id, node.emit(Op::pad, {id}, std::move(a)));
    }
    values.push_back(id);
  }
  return values;
}

/// The numbers of the constants in their places, and zeros in those of values.
Tensor joined_numbers(const std::vector<JoinedPart>& parts, const Shape& out, std::size_t along) {
  Tensor all{out, {}};
  std::size_t inner = 1;
  for (std::size_t d = along + 1; d < out.size(); ++d) inner *= static_cast<std::size_t>(out[d]);
  const std::size_t blocks = static_cast<std::size_t>(element_count(out) / out[along]) / inner;
  for (std::size_t block = 0; block < blocks; ++block) {
    for (const JoinedPart& part : parts) {
      const std::size_t count = static_cast<std::size_t>(part.size) * inner;
      if (part.operand.value) {
        all.data.resize(all.data.size() + count, 0);
        continue;
      }
      const auto first = part.operand.constant.data.begin() + static_cast<std::ptrdiff_t>(block * count);
      all.data.insert(all.data.end(), first, first + static_cast<std::ptrdiff_t>(count));
    }
  }
  return all;
}

}  // namespace

Result<Axes> with_axes(NodeImport& node, const FileValue& x) {
  const Shape shape = per_image(x.shape);
  OBSCURA_TRY(const ValueId id, node.in_shape(x, shape));
  return Axes{id, x.shape.size() - shape.size()};
}

Result<FileValue> gathered(NodeImport& node, const FileValue& x, std::size_t axis, std::vector<std::int64_t> indices) {
  Shape out = x.shape;
  out[axis] = static_cast<std::int64_t>(indices.size());
  // The axis of the one image, where it is repeated, stands in the graph's shape too.
  const Shape shape = axis == 0 ? x.shape : per_image(x.shape);
  OBSCURA_TRY(const ValueId id, node.in_shape(x, shape));
  Attributes a;
  a.axis = static_cast<std::int64_t>(axis + shape.size() - x.shape.size());
  a.indices = std::move(indices);
  // As many as a file may list, so that it can be written.
  if (a.indices.size() > kMaxIntegers) {
    return node.fail(Code::unsupported, "{} elements of an axis; allowed: {}", a.indices.size(), kMaxIntegers);
  }
  OBSCURA_TRY_VOID(node.charge(node.output_name(), 4 * a.indices.size()));
  OBSCURA_TRY(const ValueId y, node.emit(Op::gather, {id}, std::move(a)));
  return FileValue{y, out, x.quantized};
}

Result<FileValue> sliced(NodeImport& node, const FileValue& x, const std::vector<AxisRange>& ranges) {
  OBSCURA_TRY(const Axes at, with_axes(node, x));
  Shape out = x.shape;
  Attributes a;
  bool all = true;
  for (std::size_t d = 0; d < x.shape.size(); ++d) {
    const AxisRange& range = ranges[d];
    if (range.size < 1) {
      return node.fail(Code::unsupported, "it takes no element of axis {}, which has {}; allowed: 1 or more", d,
                       x.shape[d]);
    }
    all = all && (range.step < 0 || (range.size == x.shape[d] && range.step == 1));
    out[d] = range.size;
    if (d < at.shift) continue;
    a.starts.push_back(range.start);
    a.steps.push_back(range.size == 1 ? 1 : range.step);
    a.sizes.push_back(range.size);
  }
  // Backwards it is a choice of elements, axis by axis.
  FileValue chosen{at.id, x.shape};
  for (std::size_t d = 0; d < ranges.size(); ++d) {
    if (ranges[d].step > 0 || d < at.shift) continue;
    std::vector<std::int64_t> indices;
    for (std::int64_t i = 0; i < ranges[d].size; ++i) indices.push_back(ranges[d].start + i * ranges[d].step);
    OBSCURA_TRY(chosen, gathered(node, chosen, d, std::move(indices)));
    a.starts[d - at.shift] = 0;
    a.steps[d - at.shift] = 1;
  }
  FileValue y{chosen.id, out, x.quantized};
  if (!all) {
    OBSCURA_TRY(y.id, node.emit(Op::slice, {y.id}, a));
  }
  return y;
}

Result<std::size_t> resolve_axis(const NodeImport& node, std::int64_t axis, std::size_t rank) {
  const auto axes = static_cast<std::int64_t>(rank);
  if (axis < -axes || axis >= axes) {
    return node.fail(Code::bad_format, "axis {}; allowed: {} to {}", axis, -axes, axes - 1);
  }
  return static_cast<std::size_t>(axis < 0 ? axis + axes : axis);
}

Result<std::vector<std::int64_t>> permutation(const NodeImport& node, std::size_t rank) {
  OBSCURA_TRY(auto order, node.integers("perm"));
  if (!order) {
    order.emplace();
    for (std::size_t i = rank; i-- > 0;) order->push_back(static_cast<std::int64_t>(i));
  }
  std::vector<std::int64_t> sorted = *order;
  std::sort(sorted.begin(), sorted.end());
  bool each = sorted.size() == rank;
  for (std::size_t i = 0; each && i < rank; ++i) each = sorted[i] == static_cast<std::int64_t>(i);
  if (each) return std::move(*order);
  return node.fail(Code::bad_format, "attribute perm is ({}) for {} axes; allowed: each axis once",
                   fmt::join(*order, ", "), rank);
}

Result<Shape> squeezed(NodeImport& node, const Shape& shape) {
  OBSCURA_TRY(const auto axes, node.axes(1));
  std::vector<bool> dropped(shape.size(), false);
  for (std::size_t i = 0; i < shape.size() && !axes; ++i) dropped[i] = shape[i] == 1;
  for (const std::int64_t axis : axes.value_or(std::vector<std::int64_t>())) {
    OBSCURA_TRY(const std::size_t resolved, resolve_axis(node, axis, shape.size()));
    if (shape[resolved] != 1) {
      return node.fail(Code::bad_format, "it drops axis {} of {}; allowed: axes of size 1", axis, to_string(shape));
    }
    dropped[resolved] = true;
  }
  Shape to;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (!dropped[i]) to.push_back(shape[i]);
  }
  return to;
}

Result<Shape> unsqueezed(NodeImport& node, const Shape& shape) {
  OBSCURA_TRY(const auto axes, node.axes(1));
  if (!axes) return node.fail(Code::bad_format, "it names no axes");
  const std::size_t rank = shape.size() + axes->size();
  std::vector<bool> added(rank, false);
  for (const std::int64_t axis : *axes) {
    OBSCURA_TRY(const std::size_t resolved, resolve_axis(node, axis, rank));
    if (added[resolved]) return node.fail(Code::bad_format, "axis {} appears twice", axis);
    added[resolved] = true;
  }
  Shape to;
  auto next = shape.begin();
  for (std::size_t i = 0; i < rank; ++i) to.push_back(added[i] ? 1 : *next++);
  return to;
}

Result<FileValue> transposed(NodeImport& node, const FileValue& x, const std::vector<std::int64_t>& order) {
  Shape out;
  std::vector<std::int64_t> moved;  // the axes of more than one element, in their new order
  for (const std::int64_t axis : order) {
    out.push_back(x.shape[static_cast<std::size_t>(axis)]);
    if (out.back() != 1) moved.push_back(axis);
  }
  if (std::is_sorted(moved.begin(), moved.end())) return FileValue{x.id, out, x.quantized};
  const bool images = order.size() >= 2 && order[0] == 0 && x.shape[0] == 1;
  Attributes a;
  for (std::size_t d = images ? 1 : 0; d < order.size(); ++d) a.permutation.push_back(order[d] - (images ? 1 : 0));
  OBSCURA_TRY(const ValueId id, node.in_shape(x, images ? per_image(x.shape) : x.shape));
  OBSCURA_TRY(const ValueId y, node.emit(Op::transpose, {id}, a));
  return FileValue{y, out, x.quantized};
}

Result<void> import_flatten(NodeImport& node) {
  OBSCURA_TRY(FileValue x, node.value(0));
  OBSCURA_TRY(const std::int64_t axis, node.integer("axis", 1));
  const auto rank = static_cast<std::int64_t>(x.shape.size());
  if (axis < -rank || axis > rank) return node.fail(Code::bad_format, "axis {}; allowed: {} to {}", axis, -rank, rank);
  const auto split = x.shape.begin() + (axis < 0 ? axis + rank : axis);
  const std::int64_t rows = element_count(Shape(x.shape.begin(), split));
  x.shape = {rows, element_count(x.shape) / rows};
  node.define(std::move(x));
  return {};
}

Result<void> import_reshape(NodeImport& node) {
  OBSCURA_TRY(FileValue x, node.value(0));
  OBSCURA_TRY(const auto to, node.list("shape", 1));
  OBSCURA_TRY(const std::int64_t zero_is_zero, node.integer("allowzero", 0));
  if (!to) return node.fail(Code::bad_format, "it names no shape");
  const auto shape = reshaped(node, x.shape, *to, zero_is_zero != 0);
  if (!shape) {
    return node.fail(Code::unsupported,
                     "it reshapes {} of one image to ({}); allowed: as many elements (export with the number of images "
                     "left free, or 1)",
                     to_string(x.shape), fmt::join(*to, ", "));
  }
  x.shape = *shape;
  node.define(std::move(x));
  return {};
}

Result<void> import_squeeze(NodeImport& node) {
  OBSCURA_TRY(FileValue x, node.value(0));
  OBSCURA_TRY(x.shape, squeezed(node, x.shape));
  node.define(std::move(x));
  return {};
}

Result<void> import_unsqueeze(NodeImport& node) {
  OBSCURA_TRY(FileValue x, node.value(0));
  OBSCURA_TRY(x.shape, unsqueezed(node, x.shape));
  node.define(std::move(x));
  return {};
}

Result<void> import_identity(NodeImport& node) {
  OBSCURA_TRY(FileValue x, node.value(0));
  node.define(std::move(x));
  return {};
}

Result<void> import_dropout(NodeImport& node) {
  OBSCURA_TRY(const double training, node.number(2, 0));
  if (training != 0) return node.fail(Code::unsupported, "training_mode is true; allowed: false");
  return node.is_constant(0) ? fold_identity(node) : import_identity(node);
}

Result<void> import_cast(NodeImport& node) {
  OBSCURA_TRY(FileValue x, node.value(0));
  OBSCURA_TRY(const std::int64_t to, node.integer("to", 0));
  using Proto = onnx::TensorProto;
  const bool real = to == Proto::FLOAT || to == Proto::DOUBLE || to == Proto::FLOAT16 || to == Proto::BFLOAT16;
  if (!real && !node.state().argmax) {
    return node.fail(
        Code::unsupported, "it turns '{}', computed from the image, into {}; allowed: floats", node.input_name(0),
        Proto::DataType_IsValid(static_cast<int>(to)) ? Proto::DataType_Name(static_cast<Proto::DataType>(to))
                                                      : std::to_string(to));
  }
  node.define(std::move(x));
  return {};
}

Result<void> import_transpose(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(const std::vector<std::int64_t> order, permutation(node, x.shape.size()));
  OBSCURA_TRY(FileValue y, transposed(node, x, order));
  node.define(std::move(y));
  return {};
}

// A constant part is zeros beside a value, and its numbers are added when all are joined.
Result<void> import_concat(NodeImport& node) {
  OBSCURA_TRY(const std::int64_t axis, node.integer("axis", 1));
  OBSCURA_TRY(Shape out, node.file_shape(0));
  OBSCURA_TRY(const std::size_t along, resolve_axis(node, axis, out.size()));
  const std::size_t shift = out.size() - per_image(out).size();
  if (along < shift) return node.fail(Code::unsupported, "it joins images; allowed: axes from 1");
  std::vector<JoinedPart> parts;
  for (int i = 0; i < node.input_count(); ++i) {
    OBSCURA_TRY(Operand part, operand(node, i));
    Shape beside = part.shape();
    const std::int64_t size = along < beside.size() ? beside[along] : 0;
    if (i > 0 && beside.size() == out.size()) beside[along] = out[along];
    if (beside != out) {
      return node.fail(Code::bad_format, "its inputs '{}' and '{}' of shapes {} and {} differ beside axis {}",
                       node.input_name(0), node.input_name(i), to_string(out), to_string(part.shape()), along);
    }
    if (i > 0) out[along] += size;
    parts.push_back({std::move(part), size});
  }
  OBSCURA_TRY(const std::vector<ValueId> values, values_between_zeros(node, parts, along, shift));
  FileValue y{values[0], out};
  if (values.size() > 1) {
    Attributes a;
    a.axis = static_cast<std::int64_t>(along - shift);
    OBSCURA_TRY(y.id, node.emit(Op::concat, values, a));
  }
  if (std::any_of(parts.begin(), parts.end(), [](const JoinedPart& part) { return !part.operand.value; })) {
    OBSCURA_TRY(y, combine(node, Op::add, {y, {}}, {std::nullopt, joined_numbers(parts, out, along)}));
  }
  node.define(std::move(y));
  return {};
}

Result<void> import_slice(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(const auto ranges, slice_ranges(node, x.shape));
  OBSCURA_TRY(FileValue y, sliced(node, x, ranges));
  node.define(std::move(y));
  return {};
}

Result<void> import_split(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(const std::int64_t axis, node.integer("axis", 0));
  OBSCURA_TRY(const std::size_t along, resolve_axis(node, axis, x.shape.size()));
  OBSCURA_TRY(auto sizes, node.list("split", 1));
  const int parts = node.output_count();
  if (!sizes) {
    const std::int64_t each = (x.shape[along] + parts - 1) / parts;
    sizes.emplace(static_cast<std::size_t>(parts), each);
    sizes->back() = x.shape[along] - each * (parts - 1);
  }
  std::int64_t start = 0;
  for (int i = 0; i < parts && static_cast<std::size_t>(i) < sizes->size(); ++i) {
    std::vector<AxisRange> ranges(x.shape.size());
    for (std::size_t d = 0; d < ranges.size(); ++d) ranges[d].size = x.shape[d];
    const std::int64_t size = (*sizes)[static_cast<std::size_t>(i)];
    if (size < 1 || size > x.shape[along] - start) {
      return node.fail(Code::bad_format, "parts of {} of an axis of {}", fmt::join(*sizes, ", "), x.shape[along]);
    }
    ranges[along].start = start;
    ranges[along].size = size;
    start += size;
    OBSCURA_TRY(FileValue part, sliced(node, x, ranges));
    node.define(std::move(part), i);
  }
  return {};
}

Result<void> import_gather(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(const Constant indices, node.constant(1));
  OBSCURA_TRY(const std::int64_t axis, node.integer("axis", 0));
  OBSCURA_TRY(const std::size_t along, resolve_axis(node, axis, x.shape.size()));
  const std::int64_t size = x.shape[along];
  std::vector<std::int64_t> places;
  for (const std::int64_t index : indices.integers) {
    if (index < -size || index >= size) {
      return node.fail(Code::bad_format, "index {} of an axis of {}; allowed: {} to {}", index, size, -size, size - 1);
    }
    places.push_back(index < 0 ? index + size : index);
  }
  if (places.empty()) return node.fail(Code::bad_format, "its indices '{}' are no integers", node.input_name(1));
  OBSCURA_TRY(FileValue y, gathered(node, x, along, std::move(places)));
  const auto at = y.shape.begin() + static_cast<std::ptrdiff_t>(along);
  y.shape.insert(y.shape.erase(at), indices.shape.begin(), indices.shape.end());
  node.define(std::move(y));
  return {};
}

}  // namespace obscura::nn
