// SPDX-License-Identifier: Apache-2.0
// Windows, pools, and reductions over whole axes.
#include <algorithm>

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
  for (const std::int64_t pad : {a.pads[axis], a.pads[axis + 2]}) {
    if (pad < 0 || pad > kMaxSize) return node.fail(Code::bad_format, "a pad of {}; allowed: 0 to {}", pad, kMaxSize);
  }
  return {};
}

// Pads of SAME: the output has ceil(input / stride) positions; the odd one goes below (UPPER) or above (LOWER).
Result<void> set_same_pads(const NodeImport& node, Attributes& a, const Shape& image, bool upper) {
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t size = image[axis + 1];
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

/// A list of one number a spatial axis; of one axis it is the second of two.
Result<void> read_pair(const NodeImport& node, const char* name, std::array<std::int64_t, 2>& out,
                       std::size_t spatial) {
  OBSCURA_TRY(const auto listed, node.integers(name));
  if (!listed) return {};
  if (listed->size() != spatial) {
    return node.fail(Code::unsupported, "attribute {} has {} numbers; allowed: {}", name, listed->size(), spatial);
  }
  if (spatial == 2) out[0] = (*listed)[0];
  out[1] = listed->back();
  return {};
}

// ceil_mode: windows that reach over the end count too, as long as they start inside or in the padding before; that
// is the same as more padding after. The result is how much more.
Result<std::array<std::int64_t, 2>> missing_at_the_end(const NodeImport& node, const Attributes& a,
                                                       const Shape& image) {
  std::array<std::int64_t, 2> missing{};
  for (std::size_t axis = 0; axis < 2; ++axis) {
    OBSCURA_TRY_VOID(check_size(node, a, axis));
    const std::int64_t reach = (a.kernel[axis] - 1) * a.dilations[axis] + 1;
    const std::int64_t before = image[axis + 1] + a.pads[axis];
    const std::int64_t room = before + a.pads[axis + 2] - reach;
    if (room < 0) continue;  // the shape rule will say so
    std::int64_t positions = (room + a.strides[axis] - 1) / a.strides[axis] + 1;
    if ((positions - 1) * a.strides[axis] >= before) --positions;
    missing[axis] = std::max<std::int64_t>((positions - 1) * a.strides[axis] - room, 0);
  }
  return missing;
}

struct Pool {
  ValueId image = 0;
  Attributes attributes;
  std::size_t spatial = 2;
};

/// All of a pool but what ceil_mode adds.
Result<Pool> read_pool(NodeImport& node, const FileValue& x) {
  Pool pool;
  OBSCURA_TRY(pool.image, as_image(node, x));
  pool.spatial = x.shape.size() - 2;
  if (node.attribute("kernel_shape") == nullptr) return node.fail(Code::bad_format, "attribute kernel_shape is absent");
  OBSCURA_TRY_VOID(read_window(node, pool.attributes, node.graph_shape(pool.image), pool.spatial));
  OBSCURA_TRY(const std::int64_t whole, node.integer("count_include_pad", 0));
  pool.attributes.count_include_pad = whole != 0;
  return pool;
}

Result<FileValue> emit_pool(NodeImport& node, Op op, Pool pool) {
  OBSCURA_TRY(const std::int64_t ceiling, node.integer("ceil_mode", 0));
  Attributes& a = pool.attributes;
  std::array<std::int64_t, 2> missing{};
  if (ceiling != 0) {
    OBSCURA_TRY(missing, missing_at_the_end(node, a, node.graph_shape(pool.image)));
  }
  if (a.count_include_pad && missing != std::array<std::int64_t, 2>{}) {
    // What reaches beyond the padding is not counted, but the padding is: it becomes zeros of the image.
    Attributes zeros;
    zeros.pads_before = {0, a.pads[0], a.pads[1]};
    zeros.pads_after = {0, a.pads[2], a.pads[3]};
    OBSCURA_TRY(pool.image, node.emit(Op::pad, {pool.image}, zeros));
    a.pads = {0, 0, 0, 0};
    a.count_include_pad = false;
  }
  a.pads[2] += missing[0];
  a.pads[3] += missing[1];
  OBSCURA_TRY(const ValueId y, node.emit(op, {pool.image}, a));
  return FileValue{y, spatial_shape(node.graph_shape(y), pool.spatial)};
}

/// x {1, C, spatial...}: of its last axes a whole pool.
Result<FileValue> pool_all(NodeImport& node, const FileValue& x, Reduction how) {
  std::vector<std::size_t> axes;
  for (std::size_t d = 2; d < x.shape.size(); ++d) axes.push_back(d);
  if (axes.empty()) {
    return node.fail(Code::unsupported, "its input '{}' has shape {}; allowed: {{N, channels, height, width}}",
                     node.input_name(0), to_string(x.shape));
  }
  return reduce(node, x, axes, how);
}

}  // namespace

Result<ValueId> as_image(NodeImport& node, const FileValue& x) {
  const std::size_t rank = x.shape.size();
  if (rank > 4) {
    return node.fail(Code::unsupported,
                     "its input '{}' has shape {}, with {} axes of space; allowed: pictures {{N, channels, height, "
                     "width}} or rows {{N, channels, length}} (convolutions over volumes are not supported)",
                     node.input_name(0), to_string(x.shape), rank - 2);
  }
  if (rank < 3 || x.shape[0] != 1) {
    return node.fail(Code::unsupported,
                     "its input '{}' has shape {} for one image; allowed: {{1, channels, height, width}} or {{1, "
                     "channels, length}}",
                     node.input_name(0), to_string(x.shape));
  }
  return node.in_shape(x, rank == 4 ? per_image(x.shape) : Shape{x.shape[1], 1, x.shape[2]});
}

Shape spatial_shape(const Shape& image, std::size_t spatial) {
  if (spatial == 1) return {1, image[0], image[2]};
  return {1, image[0], image[1], image[2]};
}

Result<void> read_window(const NodeImport& node, Attributes& a, const Shape& image, std::size_t spatial) {
  OBSCURA_TRY_VOID(read_pair(node, "kernel_shape", a.kernel, spatial));
  OBSCURA_TRY_VOID(read_pair(node, "strides", a.strides, spatial));
  OBSCURA_TRY_VOID(read_pair(node, "dilations", a.dilations, spatial));
  OBSCURA_TRY(const auto pads, node.integers("pads"));
  if (pads) {
    if (pads->size() != 2 * spatial) {
      return node.fail(Code::unsupported, "attribute pads has {} numbers; allowed: {}", pads->size(), 2 * spatial);
    }
    if (spatial == 2) std::copy(pads->begin(), pads->end(), a.pads.begin());
    if (spatial == 1) a.pads = {0, (*pads)[0], 0, (*pads)[1]};
  }
  OBSCURA_TRY(const std::string mode, node.text("auto_pad", "NOTSET"));
  if (mode == "NOTSET" || mode.empty()) return {};
  if (a.pads != std::array<std::int64_t, 4>{}) {
    return node.fail(Code::bad_format, "attribute auto_pad is {} beside pads; allowed: one of them", mode);
  }
  if (mode == "VALID") return {};
  if (mode == "SAME_UPPER" || mode == "SAME_LOWER") return set_same_pads(node, a, image, mode == "SAME_UPPER");
  return node.fail(Code::bad_format, "attribute auto_pad is {}; allowed: NOTSET, VALID, SAME_UPPER, SAME_LOWER", mode);
}

Result<FileValue> average_pool(NodeImport& node, const FileValue& x) {
  OBSCURA_TRY(Pool pool, read_pool(node, x));
  return emit_pool(node, Op::average_pool, std::move(pool));
}

Result<FileValue> max_pool(NodeImport& node, const FileValue& x) {
  OBSCURA_TRY(Pool pool, read_pool(node, x));
  return emit_pool(node, Op::max_pool, std::move(pool));
}

Result<void> import_average_pool(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(FileValue y, average_pool(node, x));
  node.define(std::move(y));
  return {};
}

Result<void> import_max_pool(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(FileValue y, max_pool(node, x));
  node.define(std::move(y));
  return {};
}

Result<FileValue> global_average_pool(NodeImport& node, const FileValue& x) {
  return pool_all(node, x, Reduction::mean);
}

Result<void> import_global_average_pool(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(FileValue y, global_average_pool(node, x));
  node.define(std::move(y));
  return {};
}

Result<void> import_global_max_pool(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(FileValue y, pool_all(node, x, Reduction::max));
  node.define(std::move(y));
  return {};
}

// What is kept becomes channels, what is reduced one plane: a pool of it all. The result has the file's rank, with 1 in
// the place of each axis.
Result<FileValue> reduce(NodeImport& node, const FileValue& x, const std::vector<std::size_t>& axes, Reduction how) {
  Shape out = x.shape;
  std::vector<std::int64_t> order;
  std::int64_t kept = 1;
  for (std::size_t d = 0; d < x.shape.size(); ++d) {
    if (std::find(axes.begin(), axes.end(), d) != axes.end()) continue;
    order.push_back(static_cast<std::int64_t>(d));
    kept *= x.shape[d];
  }
  std::int64_t reduced = 1;
  for (const std::size_t d : axes) {
    order.push_back(static_cast<std::int64_t>(d));
    reduced *= x.shape[d];
    out[d] = 1;
  }
  FileValue y = x;
  if (!std::is_sorted(order.begin(), order.end())) {
    OBSCURA_TRY(y, transposed(node, x, order));
  }
  // A plane stays as it is where it is one.
  const bool plane = x.shape.size() == 4 && axes == std::vector<std::size_t>{2, 3} && x.shape[0] == 1;
  if (how == Reduction::min) {
    OBSCURA_TRY(y, affine(node, y, -1, 0));
  }
  OBSCURA_TRY(ValueId id, node.in_shape(y, plane ? per_image(x.shape) : Shape{kept, 1, reduced}));
  if (how == Reduction::mean || how == Reduction::sum) {
    OBSCURA_TRY(id, node.emit(Op::global_average_pool, {id}));
  } else {
    Attributes a;
    a.kernel = {node.graph_shape(id)[1], node.graph_shape(id)[2]};
    OBSCURA_TRY(id, node.emit(Op::max_pool, {id}, a));
  }
  FileValue result{id, out};
  if (how == Reduction::sum) return affine(node, result, static_cast<double>(reduced), 0);
  if (how == Reduction::min) return affine(node, result, -1, 0);
  return result;
}

Result<void> import_reduce(NodeImport& node) {
  OBSCURA_TRY(FileValue x, node.value(0));
  OBSCURA_TRY(const auto listed, node.axes(1));
  OBSCURA_TRY(const std::int64_t keep, node.integer("keepdims", 1));
  OBSCURA_TRY(const std::int64_t empty_is_none, node.integer("noop_with_empty_axes", 0));
  const std::string& name = node.operator_name();
  const bool none = !listed || listed->empty();
  if (none && empty_is_none != 0) {
    node.define(std::move(x));
    return {};
  }
  std::vector<bool> taken(x.shape.size(), none);
  for (const std::int64_t axis : listed.value_or(std::vector<std::int64_t>())) {
    OBSCURA_TRY(const std::size_t resolved, resolve_axis(node, axis, x.shape.size()));
    taken[resolved] = true;
  }
  std::vector<std::size_t> axes;
  for (std::size_t d = 0; d < taken.size(); ++d) {
    if (taken[d]) axes.push_back(d);
  }
  if (name == "ReduceSumSquare" || name == "ReduceL2") {
    OBSCURA_TRY(x, combine(node, Op::mul, {x, {}}, {x, {}}));
  }
  if (name == "ReduceLogSumExp") {
    OBSCURA_TRY(x, apply(node, x, approx::default_of(approx::Function::Kind::exp)));
  }
  const Reduction how = name == "ReduceMean"  ? Reduction::mean
                        : name == "ReduceMax" ? Reduction::max
                        : name == "ReduceMin" ? Reduction::min
                                              : Reduction::sum;
  OBSCURA_TRY(FileValue y, reduce(node, x, axes, how));
  if (name == "ReduceL2") {
    OBSCURA_TRY(y, apply(node, y, approx::default_of(approx::Function::Kind::sqrt)));
  }
  if (name == "ReduceLogSumExp") {
    OBSCURA_TRY(y, apply(node, y, approx::default_of(approx::Function::Kind::log)));
  }
  if (keep == 0) {
    Shape dropped;
    for (std::size_t d = 0; d < taken.size(); ++d) {
      if (!taken[d]) dropped.push_back(y.shape[d]);
    }
    y.shape = dropped;
  }
  node.define(std::move(y));
  return {};
}

}  // namespace obscura::nn
