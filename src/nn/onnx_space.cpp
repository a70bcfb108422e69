// SPDX-License-Identifier: Apache-2.0
// Operators that frame, repeat or regroup the elements of an image.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "nn/infer.h"
#include "nn/onnx_operators.h"

namespace obscura::nn {
namespace {

/// Pads of every axis as the file sees it: all before, then all after.
Result<std::vector<std::int64_t>> read_pads(NodeImport& node, std::size_t rank) {
  OBSCURA_TRY(const auto listed, node.list("pads", 1));
  std::vector<std::size_t> places(rank);
  std::iota(places.begin(), places.end(), 0);
  if (node.has_input(3)) {
    OBSCURA_TRY(const auto axes, node.integer_list(3));
    places.clear();
    for (const std::int64_t axis : axes) {
      OBSCURA_TRY(const std::size_t resolved, resolve_axis(node, axis, rank));
      places.push_back(resolved);
    }
  }
  if (!listed || listed->size() != 2 * places.size()) {
    return node.fail(Code::bad_format, "it has {} pads; allowed: {}, before and after each axis",
                     listed ? listed->size() : 0, 2 * places.size());
  }
  std::vector<std::int64_t> pads(2 * rank, 0);
  for (std::size_t i = 0; i < places.size(); ++i) {
    pads[places[i]] = (*listed)[i];
    pads[places[i] + rank] = (*listed)[i + places.size()];
  }
  for (const std::int64_t pad : pads) {
    if (pad < -kMaxSize || pad > kMaxSize) {
      return node.fail(Code::bad_format, "a pad of {}; allowed: {} to {}", pad, -kMaxSize, kMaxSize);
    }
  }
  return pads;
}

/// The coordinate of the image that a padded coordinate mirrors or repeats.
std::int64_t mirrored(std::int64_t at, std::int64_t size, const std::string& mode) {
  if (mode == "edge") return std::clamp<std::int64_t>(at, 0, size - 1);
  if (mode == "wrap") return ((at % size) + size) % size;
  if (size == 1) return 0;
  const std::int64_t period = 2 * (size - 1);
  at = ((at % period) + period) % period;
  return at < size ? at : period - at;
}

/// x framed by numbers that are not 0: zeros, and a constant that has them at the border.
Result<FileValue> filled(NodeImport& node, const FileValue& padded, const Shape& inner,
                         const std::vector<std::int64_t>& pads, double filling) {
  constexpr std::int64_t kMaxFrame = 1 << 22;
  Tensor frame{padded.shape, {}};
  const std::int64_t count = element_count(padded.shape);
  if (count > kMaxFrame) {
    return node.fail(Code::unsupported, "it pads to {} elements with {}; allowed: {}, or with 0", count, filling,
                     kMaxFrame);
  }
  for (std::int64_t e = 0; e < count; ++e) {
    std::int64_t rest = e;
    bool inside = true;
    for (std::size_t d = inner.size(); d-- > 0;) {
      const std::int64_t at = rest % padded.shape[d] - pads[d];
      rest /= padded.shape[d];
      inside = inside && at >= 0 && at < inner[d];
    }
    frame.data.push_back(inside ? 0.0F : static_cast<float>(filling));
  }
  return combine(node, Op::add, {padded, {}}, {std::nullopt, std::move(frame)});
}

Result<FileValue> padded_by_zeros(NodeImport& node, const FileValue& x, const std::vector<std::int64_t>& pads) {
  const std::size_t rank = x.shape.size();
  OBSCURA_TRY(const Axes at, with_axes(node, x));
  Attributes a;
  Shape out = x.shape;
  for (std::size_t d = 0; d < rank; ++d) {
    out[d] += pads[d] + pads[d + rank];
    if (d < at.shift) {
      if (pads[d] == 0 && pads[d + rank] == 0) continue;
      return node.fail(Code::unsupported, "it pads the images themselves by {} and {}; allowed: 0", pads[d],
                       pads[d + rank]);
    }
    a.pads_before.push_back(pads[d]);
    a.pads_after.push_back(pads[d + rank]);
  }
  OBSCURA_TRY(const ValueId y, node.emit(Op::pad, {at.id}, a));
  return FileValue{y, out};
}

/// Is there an i-th input, and not a list of nothing, as exporters write for one that is absent?
Result<bool> has_numbers(NodeImport& node, int i) {
  if (!node.has_input(i)) return false;
  OBSCURA_TRY(const Shape shape, node.file_shape(i));
  return element_count(shape) > 0;
}

/// The axes that Resize's factors are for.
Result<std::vector<std::size_t>> resized_axes(const NodeImport& node, std::size_t rank) {
  std::vector<std::size_t> axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  OBSCURA_TRY(const auto listed, node.integers("axes"));
  if (!listed) return axes;
  axes.clear();
  for (const std::int64_t axis : *listed) {
    OBSCURA_TRY(const std::size_t resolved, resolve_axis(node, axis, rank));
    axes.push_back(resolved);
  }
  return axes;
}

/// How often each axis is repeated by Resize or Upsample: whole factors.
Result<std::vector<std::int64_t>> resize_factors(NodeImport& node, const Shape& shape) {
  std::vector<double> factors;
  OBSCURA_TRY(const std::vector<std::size_t> axes, resized_axes(node, shape.size()));
  const bool old = node.operator_name() == "Upsample" || node.opset() < 11;
  const int scales = old ? 1 : 2;
  OBSCURA_TRY(const bool given, has_numbers(node, scales));
  if (const auto* a = node.attribute("scales")) {
    factors.assign(a->floats().begin(), a->floats().end());
  } else if (given) {
    OBSCURA_TRY(const Tensor numbers, node.tensor(scales));
    factors.assign(numbers.data.begin(), numbers.data.end());
  } else if (node.has_input(3)) {
    OBSCURA_TRY(const auto sizes, node.integer_list(3));
    for (std::size_t i = 0; i < sizes.size() && i < axes.size(); ++i) {
      factors.push_back(static_cast<double>(sizes[i]) / static_cast<double>(shape[axes[i]]));
    }
  }
  if (factors.size() != axes.size()) {
    return node.fail(Code::unsupported, "it has {} factors for {} axes of {}; allowed: one an axis", factors.size(),
                     axes.size(), to_string(shape));
  }
  std::vector<std::int64_t> whole(shape.size(), 1);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const double f = factors[i];
    if (!(f >= 1 && f <= static_cast<double>(kMaxSize)) || f != std::floor(f)) {
      return node.fail(Code::unsupported, "it resizes an axis {} times; allowed: whole factors from 1", f);
    }
    whole[axes[i]] = static_cast<std::int64_t>(f);
  }
  return whole;
}

/// Where pixel i of the output lies among those of the input.
double coordinate(const std::string& way, double i, double factor) {
  if (way == "asymmetric") return i / factor;
  if (way == "tf_half_pixel_for_nn") return (i + 0.5) / factor;
  return (i + 0.5) / factor - 0.5;
}

double rounded(const std::string& rounding, double at) {
  if (rounding == "floor") return std::floor(at);
  if (rounding == "ceil") return std::ceil(at);
  return rounding == "round_prefer_ceil" ? std::floor(at + 0.5) : std::ceil(at - 0.5);
}

Result<FileValue> blocks(NodeImport& node, bool to_space) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(const std::int64_t block, node.integer("blocksize", 0));
  OBSCURA_TRY(const std::string mode, node.text("mode", "DCR"));
  const bool fits = x.shape.size() == 4 && block >= 1 && block <= kMaxSize && x.shape[0] == 1 &&
                    (to_space ? x.shape[1] % (block * block) == 0 : x.shape[2] % block == 0 && x.shape[3] % block == 0);
  if (!fits) {
    return node.fail(Code::bad_format, "blocks of {} of {}; allowed: blocks that divide {{1, channels, height, width}}",
                     block, to_string(x.shape));
  }
  const std::int64_t c = x.shape[1], h = x.shape[2], w = x.shape[3];
  if (!to_space) {
    OBSCURA_TRY(const FileValue y, transposed(node, {x.id, {c, h / block, block, w / block, block}}, {2, 4, 0, 1, 3}));
    return FileValue{y.id, {1, c * block * block, h / block, w / block}, x.quantized};
  }
  const std::int64_t left = c / (block * block);
  const bool depth_first = mode == "DCR";
  const Shape apart = depth_first ? Shape{block, block, left, h, w} : Shape{left, block, block, h, w};
  const std::vector<std::int64_t> order =
      depth_first ? std::vector<std::int64_t>{2, 3, 0, 4, 1} : std::vector<std::int64_t>{0, 3, 1, 4, 2};
  OBSCURA_TRY(const FileValue y, transposed(node, {x.id, apart}, order));
  return FileValue{y.id, {1, left, h * block, w * block}, x.quantized};
}

}  // namespace

Result<void> import_pad(NodeImport& node) {
  OBSCURA_TRY(FileValue x, node.value(0));
  OBSCURA_TRY(const std::string mode, node.text("mode", "constant"));
  const std::size_t rank = x.shape.size();
  OBSCURA_TRY(std::vector<std::int64_t> pads, read_pads(node, rank));
  // Negative pads take away.
  std::vector<AxisRange> kept(rank);
  bool cut = false;
  for (std::size_t d = 0; d < rank; ++d) {
    std::int64_t& before = pads[d];
    std::int64_t& after = pads[d + rank];
    kept[d].start = std::max<std::int64_t>(-before, 0);
    kept[d].size = x.shape[d] - kept[d].start - std::max<std::int64_t>(-after, 0);
    cut = cut || kept[d].size != x.shape[d];
    before = std::max<std::int64_t>(before, 0);
    after = std::max<std::int64_t>(after, 0);
  }
  const bool none = std::all_of(pads.begin(), pads.end(), [](std::int64_t pad) { return pad == 0; });
  if (cut) {
    OBSCURA_TRY(x, sliced(node, x, kept));
  }
  if (none) {
    node.define(std::move(x));
    return {};
  }
  if (mode == "reflect" || mode == "edge" || mode == "wrap") {
    for (std::size_t d = 0; d < rank; ++d) {
      if (pads[d] + pads[d + rank] == 0) continue;
      std::vector<std::int64_t> indices;
      for (std::int64_t at = -pads[d]; at < x.shape[d] + pads[d + rank]; ++at) {
        indices.push_back(mirrored(at, x.shape[d], mode));
      }
      OBSCURA_TRY(x, gathered(node, x, d, std::move(indices)));
    }
    node.define(std::move(x));
    return {};
  }
  if (mode != "constant") {
    return node.fail(Code::unsupported, "attribute mode is {}; allowed: constant, reflect, edge, wrap", mode);
  }
  OBSCURA_TRY(const float attribute, node.real("value", 0));
  OBSCURA_TRY(const double filling, node.number(2, attribute));
  OBSCURA_TRY(FileValue y, padded_by_zeros(node, x, pads));
  if (filling != 0) {
    OBSCURA_TRY(y, filled(node, y, x.shape, pads, filling));
  }
  node.define(std::move(y));
  return {};
}

// Axes of one element are repeated.
Result<void> import_expand(NodeImport& node) {
  OBSCURA_TRY(FileValue x, node.value(0));
  OBSCURA_TRY(Shape to, node.integer_list(1));
  if (node.fixed_batch() > 1 && !to.empty() && to[0] == node.fixed_batch() && to.size() >= x.shape.size()) to[0] = 1;
  const std::size_t rank = std::max(to.size(), x.shape.size());
  to.insert(to.begin(), rank - to.size(), 1);
  x.shape.insert(x.shape.begin(), rank - x.shape.size(), 1);
  for (std::size_t d = 0; d < rank; ++d) {
    if (to[d] == 1 || to[d] == x.shape[d]) continue;
    if (x.shape[d] != 1 || to[d] < 1 || to[d] > kMaxSize) {
      return node.fail(Code::bad_format, "{} does not stretch to {}", to_string(x.shape), to_string(to));
    }
    OBSCURA_TRY(x, gathered(node, x, d, std::vector<std::int64_t>(static_cast<std::size_t>(to[d]), 0)));
  }
  node.define(std::move(x));
  return {};
}

Result<void> import_tile(NodeImport& node) {
  OBSCURA_TRY(FileValue x, node.value(0));
  OBSCURA_TRY(const auto repeats, node.integer_list(1));
  if (repeats.size() != x.shape.size()) {
    return node.fail(Code::bad_format, "{} repeats for {}; allowed: one an axis", repeats.size(), to_string(x.shape));
  }
  for (std::size_t d = 0; d < repeats.size(); ++d) {
    if (repeats[d] == 1) continue;
    if (repeats[d] < 1 || repeats[d] > kMaxSize / x.shape[d]) {
      return node.fail(Code::bad_format, "{} repeats of an axis of {}; allowed: 1 to {}", repeats[d], x.shape[d],
                       kMaxSize / x.shape[d]);
    }
    std::vector<std::int64_t> indices;
    for (std::int64_t i = 0; i < repeats[d] * x.shape[d]; ++i) indices.push_back(i % x.shape[d]);
    OBSCURA_TRY(x, gathered(node, x, d, std::move(indices)));
  }
  node.define(std::move(x));
  return {};
}

// The nearest pixel is a choice of pixels for each axis.
Result<void> import_resize(NodeImport& node) {
  OBSCURA_TRY(FileValue x, node.value(0));
  OBSCURA_TRY(const std::string mode, node.text("mode", "nearest"));
  OBSCURA_TRY(const std::string way, node.text("coordinate_transformation_mode", "half_pixel"));
  OBSCURA_TRY(const std::string rounding, node.text("nearest_mode", "round_prefer_floor"));
  OBSCURA_TRY(const std::vector<std::int64_t> factors, resize_factors(node, x.shape));
  const bool old = node.operator_name() == "Upsample" || node.opset() < 11;
  const bool known =
      way == "half_pixel" || way == "pytorch_half_pixel" || way == "asymmetric" || way == "tf_half_pixel_for_nn";
  for (std::size_t d = 0; d < factors.size(); ++d) {
    if (factors[d] == 1) continue;
    if (mode != "nearest" || !known) {
      return node.fail(Code::unsupported,
                       "mode {} with coordinates {}; allowed: nearest with half_pixel, tf_half_pixel_for_nn or "
                       "asymmetric",
                       mode, way);
    }
    if (factors[d] > kMaxSize / x.shape[d]) return node.fail(Code::bad_format, "a size beyond {}", kMaxSize);
    std::vector<std::int64_t> indices;
    for (std::int64_t i = 0; i < factors[d] * x.shape[d]; ++i) {
      const double at = old ? static_cast<double>(i) / static_cast<double>(factors[d])
                            : coordinate(way, static_cast<double>(i), static_cast<double>(factors[d]));
      const auto nearest = static_cast<std::int64_t>(rounded(old ? "floor" : rounding, at));
      indices.push_back(std::clamp<std::int64_t>(nearest, 0, x.shape[d] - 1));
    }
    OBSCURA_TRY(x, gathered(node, x, d, std::move(indices)));
  }
  node.define(std::move(x));
  return {};
}

Result<void> import_depth_to_space(NodeImport& node) {
  OBSCURA_TRY(FileValue y, blocks(node, true));
  node.define(std::move(y));
  return {};
}

Result<void> import_space_to_depth(NodeImport& node) {
  OBSCURA_TRY(FileValue y, blocks(node, false));
  node.define(std::move(y));
  return {};
}

}  // namespace obscura::nn
