// SPDX-License-Identifier: Apache-2.0
// Nodes of constants that move elements: shapes and axes that exporters compute in the file, and weights that they
// transpose or reshape. Each result is the elements of one constant at a list of places.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "nn/infer.h"
#include "nn/onnx_operators.h"

namespace obscura::nn {
namespace {

/// Elements of a constant that is made out of less: a small file may not ask for much.
constexpr std::int64_t kMaxMade = 1 << 20;

/// Row-major strides.
std::vector<std::int64_t> strides_of(const Shape& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

/// The elements of `from` at start + sum of coordinate * stride, for all coordinates of `shape` in order.
Constant pick(const Constant& from, const Shape& shape, std::int64_t start, const std::vector<std::int64_t>& strides) {
  Constant out;
  out.shape = shape;
  out.is_integer = from.is_integer;
  const std::int64_t count = element_count(shape);
  std::vector<std::int64_t> at(shape.size(), 0);
  std::int64_t place = start;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<std::size_t>(place);
    if (from.is_integer) {
      out.integers.push_back(from.integers[index]);
    } else {
      out.reals.push_back(from.reals[index]);
    }
    for (std::size_t d = shape.size(); d-- > 0;) {
      place += strides[d];
      if (++at[d] < shape[d]) break;
      place -= strides[d] * shape[d];
      at[d] = 0;
    }
  }
  return out;
}

/// Bounds what a node asks for before it is there. `limit` is for floats.
Result<void> check_sizes(const NodeImport& node, const Shape& shape, bool is_integer, std::int64_t limit) {
  if (is_integer) limit = static_cast<std::int64_t>(kMaxIntegers);
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || size > kMaxSize)
      return node.fail(Code::bad_format, "a size of {}; allowed: 0 to {}", size, kMaxSize);
    count = std::min(count * size, kMaxElements + 1);
  }
  if (shape.size() <= kMaxConstantRank && count <= limit) return {};
  return node.fail(Code::unsupported, "it gives {} or more {} of {} sizes; allowed: {} of up to {} sizes", count,
                   is_integer ? "integers" : "floats", shape.size(), limit, kMaxConstantRank);
}

/// The same elements in another shape of as many.
Result<void> define_reshaped(NodeImport& node, Constant constant, Shape shape) {
  OBSCURA_TRY_VOID(check_sizes(node, shape, constant.is_integer, kMaxElements));
  if (element_count(shape) != static_cast<std::int64_t>(constant.count())) {
    return node.fail(Code::bad_format, "it gives {} elements the shape {}; allowed: as many", constant.count(),
                     to_string(shape));
  }
  constant.shape = std::move(shape);
  return node.define_constant(std::move(constant));
}

}  // namespace

Result<void> import_constant(NodeImport& node) {
  if (const auto* a = node.attribute("value"); a != nullptr && a->type() == onnx::AttributeProto::TENSOR) {
    node.define_constant(&a->t());
    return {};
  }
  Constant out;
  if (const auto* number = node.attribute("value_float")) {
    out.reals = {number->f()};
  } else if (const auto* numbers = node.attribute("value_floats")) {
    out.shape = {numbers->floats_size()};
    out.reals.assign(numbers->floats().begin(), numbers->floats().end());
  } else if (const auto* integer = node.attribute("value_int")) {
    out.is_integer = true;
    out.integers = {integer->i()};
  } else if (const auto* integers = node.attribute("value_ints")) {
    out.is_integer = true;
    out.shape = {integers->ints_size()};
    out.integers.assign(integers->ints().begin(), integers->ints().end());
  } else {
    return node.fail(Code::unsupported, "it has none of value, value_float, value_floats, value_int, value_ints");
  }
  OBSCURA_TRY_VOID(check_sizes(node, out.shape, out.is_integer, kMaxElements));
  return node.define_constant(std::move(out));
}

Result<void> import_shape(NodeImport& node) {
  OBSCURA_TRY(const Shape shape, node.file_shape(0));
  const auto rank = static_cast<std::int64_t>(shape.size());
  OBSCURA_TRY(std::int64_t start, node.integer("start", 0));
  OBSCURA_TRY(std::int64_t end, node.integer("end", rank));
  start = std::clamp<std::int64_t>(start < 0 ? start + rank : start, 0, rank);
  end = std::clamp<std::int64_t>(end < 0 ? end + rank : end, start, rank);
  Constant out;
  out.is_integer = true;
  out.integers.assign(shape.begin() + start, shape.begin() + end);
  out.shape = {end - start};
  return node.define_constant(std::move(out));
}

Result<void> import_size(NodeImport& node) {
  OBSCURA_TRY(const Shape shape, node.file_shape(0));
  Constant out;
  out.is_integer = true;
  out.integers = {element_count(shape)};
  return node.define_constant(std::move(out));
}

Result<void> fold_constant_of_shape(NodeImport& node) {
  OBSCURA_TRY(const Shape shape, node.integer_list(0));
  Constant value;
  value.reals = {0};
  if (const auto* a = node.attribute("value")) {
    auto read = read_constant(a->t(), "value");
    if (!read.ok()) return node.fail(read.error().code, "{}", read.error().message);
    value = std::move(read).value();
  }
  if (value.count() != 1)
    return node.fail(Code::bad_format, "attribute value has {} numbers; allowed: 1", value.count());
  OBSCURA_TRY_VOID(check_sizes(node, shape, value.is_integer, kMaxMade));
  return node.define_constant(pick(value, shape, 0, std::vector<std::int64_t>(shape.size(), 0)));
}

Result<void> fold_identity(NodeImport& node) {
  OBSCURA_TRY(Constant x, node.constant(0));
  return node.define_constant(std::move(x));
}

Result<void> fold_cast(NodeImport& node) {
  OBSCURA_TRY(Constant x, node.constant(0));
  OBSCURA_TRY(const std::int64_t to, node.integer("to", 0));
  using Proto = onnx::TensorProto;
  const bool real = to == Proto::FLOAT || to == Proto::DOUBLE || to == Proto::FLOAT16 || to == Proto::BFLOAT16;
  const bool to_integer = !real;
  if (to_integer && to != Proto::INT64 && to != Proto::INT32 && to != Proto::BOOL) {
    return node.fail(Code::unsupported, "attribute to is {}; allowed: floats, INT32, INT64, BOOL", to);
  }
  Constant out;
  out.shape = x.shape;
  out.is_integer = to_integer;
  if (to_integer) OBSCURA_TRY_VOID(check_sizes(node, x.shape, true, 0));
  constexpr float kLargest = 9.0e18F;
  for (const float v : x.reals) {
    if (!to_integer) break;
    if (!(v > -kLargest && v < kLargest)) return node.fail(Code::bad_format, "{} is not an integer of 64 bits", v);
    out.integers.push_back(static_cast<std::int64_t>(v));
  }
  for (const std::int64_t v : x.integers) {
    if (to_integer) continue;
    out.reals.push_back(static_cast<float>(v));
  }
  if (to_integer && x.is_integer) out.integers = std::move(x.integers);
  if (!to_integer && !x.is_integer) out.reals = std::move(x.reals);
  if (to == onnx::TensorProto::BOOL) {
    for (std::int64_t& v : out.integers) v = v != 0 ? 1 : 0;
  }
  return node.define_constant(std::move(out));
}

Result<void> fold_reshape(NodeImport& node) {
  OBSCURA_TRY(Constant x, node.constant(0));
  OBSCURA_TRY(const auto listed, node.list("shape", 1));
  if (!listed) return node.fail(Code::bad_format, "it names no shape");
  Shape shape = *listed;
  OBSCURA_TRY(const std::int64_t zero_is_zero, node.integer("allowzero", 0));
  const auto count = static_cast<std::int64_t>(x.count());
  std::int64_t known = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && zero_is_zero == 0 && i < x.shape.size()) shape[i] = x.shape[i];
    if (shape[i] == -1) continue;
    if (shape[i] < 0 || shape[i] > kMaxSize || __builtin_mul_overflow(known, shape[i], &known)) {
      return node.fail(Code::bad_format, "a size of {}; allowed: -1 to {}", shape[i], kMaxSize);
    }
  }
  const auto open = std::find(shape.begin(), shape.end(), -1);
  if (open != shape.end() && known > 0) *open = count / known;
  return define_reshaped(node, std::move(x), std::move(shape));
}

Result<void> fold_squeeze(NodeImport& node) {
  OBSCURA_TRY(Constant x, node.constant(0));
  OBSCURA_TRY(Shape shape, squeezed(node, x.shape));
  return define_reshaped(node, std::move(x), std::move(shape));
}

Result<void> fold_unsqueeze(NodeImport& node) {
  OBSCURA_TRY(Constant x, node.constant(0));
  OBSCURA_TRY(Shape shape, unsqueezed(node, x.shape));
  return define_reshaped(node, std::move(x), std::move(shape));
}

Result<void> fold_transpose(NodeImport& node) {
  OBSCURA_TRY(const Constant x, node.constant(0));
  const std::size_t rank = x.shape.size();
  OBSCURA_TRY(const std::vector<std::int64_t> order, permutation(node, rank));
  const auto strides = strides_of(x.shape);
  Shape shape;
  std::vector<std::int64_t> moved;
  for (const std::int64_t axis : order) {
    shape.push_back(x.shape[static_cast<std::size_t>(axis)]);
    moved.push_back(strides[static_cast<std::size_t>(axis)]);
  }
  return node.define_constant(pick(x, shape, 0, moved));
}

Result<void> fold_concat(NodeImport& node) {
  std::vector<Constant> parts;
  for (int i = 0; i < node.input_count(); ++i) {
    OBSCURA_TRY(Constant part, node.constant(i));
    parts.push_back(std::move(part));
  }
  Constant out;
  out.shape = parts[0].shape;
  out.is_integer = parts[0].is_integer;
  OBSCURA_TRY(const std::int64_t axis, node.integer("axis", 0));
  OBSCURA_TRY(const std::size_t along, resolve_axis(node, axis, out.shape.size()));
  for (std::size_t i = 1; i < parts.size(); ++i) {
    Shape same = parts[i].shape;
    if (same.size() == out.shape.size()) same[along] = out.shape[along];
    if (same != out.shape || parts[i].is_integer != out.is_integer) {
      return node.fail(Code::bad_format, "input {} of shape {} does not continue {} along axis {}", i,
                       to_string(parts[i].shape), to_string(out.shape), axis);
    }
    out.shape[along] += parts[i].shape[along];
  }
  OBSCURA_TRY_VOID(check_sizes(node, out.shape, out.is_integer, kMaxElements));
  std::erase_if(parts, [](const Constant& part) { return part.count() == 0; });
  // For each place of the axes before, a block of each part.
  std::int64_t blocks = parts.empty() ? 0 : 1;
  for (std::size_t i = 0; i < along; ++i) blocks *= out.shape[i];
  for (std::int64_t block = 0; block < blocks; ++block) {
    for (const Constant& part : parts) {
      const auto size = static_cast<std::ptrdiff_t>(part.count()) / blocks;
      const auto copy = [&](const auto& from, auto& to) {
        to.insert(to.end(), from.begin() + block * size, from.begin() + (block + 1) * size);
      };
      out.is_integer ? copy(part.integers, out.integers) : copy(part.reals, out.reals);
    }
  }
  return node.define_constant(std::move(out));
}

Result<std::vector<AxisRange>> slice_ranges(NodeImport& node, const Shape& shape) {
  OBSCURA_TRY(const auto from, node.list("starts", 1));
  OBSCURA_TRY(const auto to, node.list("ends", 2));
  OBSCURA_TRY(const auto which, node.axes(3));
  OBSCURA_TRY(const auto apart, node.list("steps", 4));
  if (!from || !to) return node.fail(Code::bad_format, "it names no starts or no ends");
  const std::vector<std::int64_t>& starts = *from;
  const std::vector<std::int64_t>& ends = *to;
  std::vector<std::int64_t> axes(starts.size());
  std::iota(axes.begin(), axes.end(), 0);
  if (which) axes = *which;
  const std::vector<std::int64_t> steps = apart.value_or(std::vector<std::int64_t>(starts.size(), 1));
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size()) {
    return node.fail(Code::bad_format, "it has {} starts, {} ends, {} axes and {} steps; allowed: as many of each",
                     starts.size(), ends.size(), axes.size(), steps.size());
  }
  std::vector<AxisRange> ranges(shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) ranges[i].size = shape[i];
  std::vector<bool> taken(shape.size(), false);
  for (std::size_t i = 0; i < starts.size(); ++i) {
    OBSCURA_TRY(const std::size_t axis, resolve_axis(node, axes[i], shape.size()));
    if (taken[axis] || steps[i] == 0) {
      return node.fail(Code::bad_format, "axis {} in steps of {}; allowed: each axis once, not 0", axes[i], steps[i]);
    }
    taken[axis] = true;
    const std::int64_t size = shape[axis];
    const auto from_front = [&](std::int64_t at) { return at < 0 ? at + size : at; };
    // Steps beyond any size give the same as the largest.
    const std::int64_t step = std::clamp<std::int64_t>(steps[i], -4 * kMaxElements, 4 * kMaxElements);
    const std::int64_t lowest = step > 0 ? 0 : -1;
    const std::int64_t highest = step > 0 ? size : size - 1;
    AxisRange& range = ranges[axis];
    range.start = std::clamp(from_front(starts[i]), std::int64_t{0}, std::max<std::int64_t>(highest, 0));
    const std::int64_t end = std::clamp(from_front(ends[i]), lowest, std::max(lowest, highest));
    const std::int64_t span = step > 0 ? end - range.start : range.start - end;
    range.step = step;
    range.size = size == 0 || span <= 0 ? 0 : (span - 1) / std::abs(step) + 1;
  }
  return ranges;
}

Result<void> fold_slice(NodeImport& node) {
  OBSCURA_TRY(const Constant x, node.constant(0));
  OBSCURA_TRY(const auto ranges, slice_ranges(node, x.shape));
  const auto strides = strides_of(x.shape);
  Shape shape;
  std::vector<std::int64_t> stepped;
  std::int64_t start = 0;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    shape.push_back(ranges[i].size);
    stepped.push_back(ranges[i].step * strides[i]);
    start += ranges[i].start * strides[i];
  }
  return node.define_constant(pick(x, shape, start, stepped));
}

// Blocks of x along an axis, one for each index.
Result<void> fold_gather(NodeImport& node) {
  OBSCURA_TRY(const Constant x, node.constant(0));
  OBSCURA_TRY(const Constant indices, node.constant(1));
  OBSCURA_TRY(const std::int64_t axis, node.integer("axis", 0));
  OBSCURA_TRY(const std::size_t along, resolve_axis(node, axis, x.shape.size()));
  if (!indices.is_integer) return node.fail(Code::bad_format, "its indices '{}' are floats", node.input_name(1));
  Shape shape(x.shape.begin(), x.shape.begin() + static_cast<std::ptrdiff_t>(along));
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), x.shape.begin() + static_cast<std::ptrdiff_t>(along) + 1, x.shape.end());
  OBSCURA_TRY_VOID(check_sizes(node, shape, x.is_integer, kMaxMade));
  const std::int64_t size = x.shape[along];
  for (const std::int64_t index : indices.integers) {
    if (index >= -size && index < size) continue;
    return node.fail(Code::bad_format, "index {} of an axis of {}; allowed: {} to {}", index, size, -size, size - 1);
  }
  Constant out;
  out.shape = shape;
  out.is_integer = x.is_integer;
  const auto inner = static_cast<std::ptrdiff_t>(strides_of(x.shape)[along]);
  const std::ptrdiff_t outer = element_count(shape) == 0 ? 0 : static_cast<std::ptrdiff_t>(x.count()) / (inner * size);
  for (std::ptrdiff_t block = 0; block < outer; ++block) {
    for (const std::int64_t index : indices.integers) {
      const std::ptrdiff_t first = (block * size + (index < 0 ? index + size : index)) * inner;
      const auto copy = [&](const auto& from, auto& to) {
        to.insert(to.end(), from.begin() + first, from.begin() + first + inner);
      };
      x.is_integer ? copy(x.integers, out.integers) : copy(x.reals, out.reals);
    }
  }
  return node.define_constant(std::move(out));
}

Result<void> fold_expand(NodeImport& node) {
  OBSCURA_TRY(const Constant x, node.constant(0));
  OBSCURA_TRY(Shape shape, node.integer_list(1));
  if (shape.size() < x.shape.size()) shape.insert(shape.begin(), x.shape.size() - shape.size(), 1);
  OBSCURA_TRY_VOID(check_sizes(node, shape, x.is_integer, kMaxMade));
  const auto strides = strides_of(x.shape);
  std::vector<std::int64_t> stretched(shape.size(), 0);
  for (std::size_t i = 0; i < x.shape.size(); ++i) {
    const std::size_t at = shape.size() - x.shape.size() + i;
    if (x.shape[i] != 1 && shape[at] != 1 && shape[at] != x.shape[i]) {
      return node.fail(Code::bad_format, "{} does not stretch to {}", to_string(x.shape), to_string(shape));
    }
    if (x.shape[i] == 1) continue;
    shape[at] = x.shape[i];
    stretched[at] = strides[i];
  }
  OBSCURA_TRY_VOID(check_sizes(node, shape, x.is_integer, kMaxMade));
  return node.define_constant(pick(x, shape, 0, stretched));
}

Result<void> fold_range(NodeImport& node) {
  OBSCURA_TRY(const Constant start, node.constant(0));
  OBSCURA_TRY(const double first, node.number(0, 0));
  OBSCURA_TRY(const double limit, node.number(1, 0));
  OBSCURA_TRY(const double step, node.number(2, 1));
  const double count = step == 0 ? 0 : std::max(std::ceil((limit - first) / step), 0.0);
  constexpr double kLargest = 9e18;  // of integers of 64 bits
  const bool inside = std::abs(first) <= kLargest && std::abs(limit) <= kLargest && std::abs(step) <= kLargest;
  if (!(count <= static_cast<double>(kMaxIntegers)) || (start.is_integer && !inside)) {
    return node.fail(Code::unsupported, "it counts from {} to {} by {}; allowed: {} numbers up to {}", first, limit,
                     step, kMaxIntegers, kLargest);
  }
  Constant out;
  out.is_integer = start.is_integer;
  for (int i = 0; i < static_cast<int>(count); ++i) {
    const double v = first + i * step;
    out.is_integer ? out.integers.push_back(static_cast<std::int64_t>(v)) : out.reals.push_back(static_cast<float>(v));
  }
  out.shape = {static_cast<std::int64_t>(out.count())};
  return node.define_constant(std::move(out));
}

}  // namespace obscura::nn
