// SPDX-License-Identifier: Apache-2.0
// Layers with weights, and normalisations.
#include <algorithm>

#include "nn/infer.h"
#include "nn/onnx_operators.h"

namespace obscura::nn {
namespace {

Result<std::optional<Tensor>> optional_tensor(NodeImport& node, int i) {
  if (!node.has_input(i)) return std::optional<Tensor>();
  OBSCURA_TRY(Tensor read, node.tensor(i));
  return std::optional(std::move(read));
}

/// A bias of one number, {out}, {1, out}, ... as {out}.
Result<Tensor> bias_row(const NodeImport& node, Tensor bias, std::int64_t outputs) {
  if (bias.data.size() == 1) bias.data.resize(static_cast<std::size_t>(outputs), bias.data[0]);
  if (static_cast<std::int64_t>(bias.data.size()) == outputs) return Tensor{{outputs}, std::move(bias.data)};
  return node.fail(Code::bad_format, "its bias has shape {}; allowed: {} numbers, or one", to_string(bias.shape),
                   outputs);
}

std::optional<int> own(Numbers numbers, int i) { return numbers == Numbers::own ? std::optional(i) : std::nullopt; }

/// Kernels of {in, out / groups, h, w} as those of a convolution, {out, in / groups, h, w}, turned around.
Tensor turned(const Tensor& weight, std::int64_t groups) {
  const std::int64_t in = weight.shape[0] / groups;
  const std::int64_t out = weight.shape[1];
  const std::int64_t area = element_count(weight.shape) / (weight.shape[0] * out);
  Tensor result;
  result.shape = weight.shape;
  result.shape[0] = out * groups;
  result.shape[1] = in;
  result.data.resize(weight.data.size());
  for (std::int64_t g = 0; g < groups; ++g) {
    for (std::int64_t i = 0; i < in; ++i) {
      for (std::int64_t o = 0; o < out; ++o) {
        for (std::int64_t k = 0; k < area; ++k) {
          const std::int64_t from = ((g * in + i) * out + o) * area + k;
          const std::int64_t to = ((g * out + o) * in + i) * area + area - 1 - k;
          result.data[static_cast<std::size_t>(to)] = weight.data[static_cast<std::size_t>(from)];
        }
      }
    }
  }
  return result;
}

/// Every pixel followed by stride - 1 zeros along both axes, without those after the last: {C, (H - 1) s + 1, ...}.
Result<ValueId> spread(NodeImport& node, ValueId x, const std::array<std::int64_t, 2>& strides) {
  const Shape shape = node.graph_shape(x);
  if (strides == std::array<std::int64_t, 2>{1, 1}) return x;
  Attributes apart;
  apart.shape = {shape[0], shape[1], 1, shape[2], 1};
  OBSCURA_TRY(ValueId y, node.emit(Op::reshape, {x}, apart));
  Attributes zeros;
  zeros.pads_before = {0, 0, 0, 0, 0};
  zeros.pads_after = {0, 0, strides[0] - 1, 0, strides[1] - 1};
  OBSCURA_TRY(y, node.emit(Op::pad, {y}, zeros));
  Attributes whole;
  whole.shape = {shape[0], shape[1] * strides[0], shape[2] * strides[1]};
  OBSCURA_TRY(y, node.emit(Op::reshape, {y}, whole));
  Attributes cut;
  cut.starts = {0, 0, 0};
  cut.steps = {1, 1, 1};
  cut.sizes = {shape[0], (shape[1] - 1) * strides[0] + 1, (shape[2] - 1) * strides[1] + 1};
  return node.emit(Op::slice, {y}, cut);
}

/// What a transposed convolution pads its spread input by: kernel reach - 1 - pads, and output_padding after.
Result<std::array<std::int64_t, 4>> transposed_pads(const NodeImport& node, const Attributes& a, const Shape& image,
                                                    std::size_t spatial) {
  OBSCURA_TRY(const auto extra, node.integers("output_padding"));
  OBSCURA_TRY(const auto wanted, node.integers("output_shape"));
  OBSCURA_TRY(const std::string mode, node.text("auto_pad", "NOTSET"));
  std::array<std::int64_t, 4> pads{};
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::size_t listed = axis + spatial - 2;  // place among the file's spatial axes; of one axis, the second
    const bool own = spatial == 2 || axis == 1;
    const std::int64_t more = own && extra && listed < extra->size() ? (*extra)[listed] : 0;
    const std::int64_t reach = (a.kernel[axis] - 1) * a.dilations[axis];
    std::int64_t before = a.pads[axis];
    std::int64_t after = a.pads[axis + 2];
    const std::int64_t whole = (image[axis + 1] - 1) * a.strides[axis] + more + reach + 1;
    const bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
    if (own && (same || wanted)) {
      const std::int64_t size =
          wanted ? (*wanted)[wanted->size() - spatial + listed] : image[axis + 1] * a.strides[axis];
      const std::int64_t total = std::max<std::int64_t>(whole - size, 0);
      before = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
      after = total - before;
    }
    pads[axis] = reach - before;
    pads[axis + 2] = reach - after + more;
  }
  for (const std::int64_t pad : pads) {
    if (pad < -kMaxSize || pad > kMaxSize) return node.fail(Code::bad_format, "pads beyond {}", kMaxSize);
  }
  return pads;
}

/// x with zeros around it, or without its border where a pad is negative.
Result<ValueId> framed(NodeImport& node, ValueId x, const std::array<std::int64_t, 4>& pads) {
  const Shape shape = node.graph_shape(x);
  const auto cut = [&](std::size_t i) { return std::max<std::int64_t>(-pads[i], 0); };
  const auto add = [&](std::size_t i) { return std::max<std::int64_t>(pads[i], 0); };
  if (cut(0) + cut(1) + cut(2) + cut(3) > 0) {
    Attributes slice;
    slice.starts = {0, cut(0), cut(1)};
    slice.steps = {1, 1, 1};
    slice.sizes = {shape[0], shape[1] - cut(0) - cut(2), shape[2] - cut(1) - cut(3)};
    OBSCURA_TRY(x, node.emit(Op::slice, {x}, slice));
  }
  if (add(0) + add(1) + add(2) + add(3) == 0) return x;
  Attributes zeros;
  zeros.pads_before = {0, add(0), add(1)};
  zeros.pads_after = {0, add(2), add(3)};
  return node.emit(Op::pad, {x}, zeros);
}

Result<FileValue> with_scale_and_bias(NodeImport& node, FileValue x, const std::optional<Tensor>& scale,
                                      const std::optional<Tensor>& bias) {
  const auto none = [](const Tensor& t, float neutral) {
    return std::all_of(t.data.begin(), t.data.end(), [neutral](float v) { return v == neutral; });
  };
  if (scale && !none(*scale, 1)) {
    OBSCURA_TRY(x, combine(node, Op::mul, {x, {}}, {std::nullopt, *scale}));
  }
  if (bias && !none(*bias, 0)) {
    OBSCURA_TRY(x, combine(node, Op::add, {x, {}}, {std::nullopt, *bias}));
  }
  return x;
}

/// The normalisation of x seen as `groups` rows.
Result<FileValue> normalized(NodeImport& node, const FileValue& x, std::int64_t groups, float epsilon) {
  const Shape& lying = node.graph_shape(x.id);
  const bool fits = lying.size() >= 2 && lying[0] == groups;
  OBSCURA_TRY(const ValueId rows, node.in_shape(x, fits ? lying : Shape{groups, element_count(x.shape) / groups}));
  Attributes a;
  a.epsilon = epsilon;
  OBSCURA_TRY(const ValueId even, node.emit(Op::normalization, {rows}, a));
  return FileValue{even, x.shape};
}

/// One number a channel, as the file broadcasts it over {1, C, ...}.
Result<std::optional<Tensor>> a_channel(NodeImport& node, int i, const Shape& x) {
  OBSCURA_TRY(auto read, optional_tensor(node, i));
  if (!read) return read;
  if (x.size() < 2 || static_cast<std::int64_t>(read->data.size()) != x[1]) {
    return node.fail(Code::bad_format, "input {} '{}' has shape {}, its input {}; allowed: one number per channel", i,
                     node.input_name(i), to_string(read->shape), to_string(x));
  }
  read->shape.assign(x.size() - 1, 1);
  read->shape[0] = x[1];
  return read;
}

}  // namespace

Result<FileValue> convolve(NodeImport& node, const FileValue& x, Tensor weight, const std::optional<Tensor>& bias,
                           Numbers numbers) {
  OBSCURA_TRY(const ValueId image, as_image(node, x));
  const std::size_t spatial = x.shape.size() - 2;
  if (weight.shape.size() != spatial + 2) {
    return node.fail(Code::bad_format, "its weight has shape {}; allowed: {} sizes", to_string(weight.shape),
                     spatial + 2);
  }
  if (spatial == 1) weight.shape.insert(weight.shape.begin() + 2, 1);
  Attributes a;
  a.kernel = {weight.shape[2], weight.shape[3]};
  OBSCURA_TRY(a.groups, node.integer("group", 1));
  OBSCURA_TRY_VOID(read_window(node, a, node.graph_shape(image), spatial));
  const std::int64_t outputs = weight.shape[0];
  OBSCURA_TRY(const ValueId kernels, node.add_constant(".weight", std::move(weight), own(numbers, 1)));
  std::vector<ValueId> inputs = {image, kernels};
  if (bias) {
    OBSCURA_TRY(Tensor row, bias_row(node, *bias, outputs));
    OBSCURA_TRY(const ValueId shift, node.add_constant(".bias", std::move(row), own(numbers, 2)));
    inputs.push_back(shift);
  }
  OBSCURA_TRY(const ValueId y, node.emit(Op::conv, std::move(inputs), a));
  return FileValue{y, spatial_shape(node.graph_shape(y), spatial)};
}

Result<void> import_conv(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(Tensor weight, node.tensor(1));
  OBSCURA_TRY(const auto bias, optional_tensor(node, 2));
  OBSCURA_TRY(FileValue y, convolve(node, x, std::move(weight), bias, Numbers::own));
  node.define(std::move(y));
  return {};
}

// The convolution of the turned kernels over x with zeros between its pixels.
Result<void> import_conv_transpose(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(Tensor weight, node.tensor(1));
  OBSCURA_TRY(const auto bias, optional_tensor(node, 2));
  OBSCURA_TRY(ValueId image, as_image(node, x));
  const std::size_t spatial = x.shape.size() - 2;
  OBSCURA_TRY(const std::int64_t groups, node.integer("group", 1));
  const bool fits = weight.shape.size() == spatial + 2 && groups >= 1 && weight.shape[0] % groups == 0 &&
                    weight.shape[0] == x.shape[1];
  if (!fits) {
    return node.fail(Code::bad_format, "its weight has shape {} in {} groups for an input of {}",
                     to_string(weight.shape), groups, to_string(x.shape));
  }
  if (spatial == 1) weight.shape.insert(weight.shape.begin() + 2, 1);
  Attributes a;
  a.kernel = {weight.shape[2], weight.shape[3]};
  OBSCURA_TRY_VOID(read_window(node, a, node.graph_shape(image), spatial));
  OBSCURA_TRY(const auto pads, transposed_pads(node, a, node.graph_shape(image), spatial));
  OBSCURA_TRY(image, spread(node, image, a.strides));
  OBSCURA_TRY(image, framed(node, image, pads));
  a.strides = {1, 1};
  a.pads = {0, 0, 0, 0};
  a.groups = groups;
  Tensor kernels = turned(weight, groups);
  const std::int64_t outputs = kernels.shape[0];
  OBSCURA_TRY(const ValueId constant, node.add_constant(".weight", std::move(kernels)));
  std::vector<ValueId> inputs = {image, constant};
  if (bias) {
    OBSCURA_TRY(Tensor row, bias_row(node, *bias, outputs));
    OBSCURA_TRY(const ValueId shift, node.add_constant(".bias", std::move(row)));
    inputs.push_back(shift);
  }
  OBSCURA_TRY(const ValueId y, node.emit(Op::conv, std::move(inputs), a));
  node.define(y, spatial_shape(node.graph_shape(y), spatial));
  return {};
}

Result<void> import_batch_normalization(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY_VOID(node.require("training_mode", 0));
  OBSCURA_TRY_VOID(node.require("spatial", 1));
  Attributes a;
  OBSCURA_TRY(a.epsilon, node.real("epsilon", a.epsilon));
  const bool row = x.shape.size() == 2 && x.shape[0] == 1;
  ValueId image = x.id;
  if (row) {
    OBSCURA_TRY(image, node.in_shape(x, {x.shape[1]}));
  } else {
    OBSCURA_TRY(image, as_image(node, x));
  }
  std::vector<ValueId> inputs = {image};
  for (int i = 1; i < 5; ++i) {
    OBSCURA_TRY(const ValueId parameter, node.constant_value(i));
    inputs.push_back(parameter);
  }
  OBSCURA_TRY(const ValueId y, node.emit(Op::batch_normalization, std::move(inputs), a));
  node.define(y, x.shape);
  return {};
}

Result<FileValue> dense(NodeImport& node, const FileValue& x, Tensor weight, bool transposed_weight,
                        const std::optional<Tensor>& bias, Numbers numbers) {
  if (weight.shape.size() != 2 || x.shape.empty()) {
    return node.fail(Code::bad_format, "its weight has shape {} for an input of {}; allowed: a matrix",
                     to_string(weight.shape), to_string(x.shape));
  }
  const std::int64_t inputs = weight.shape[transposed_weight ? 1 : 0];
  const std::int64_t outputs = weight.shape[transposed_weight ? 0 : 1];
  if (x.shape.back() != inputs) {
    return node.fail(Code::bad_format, "its input '{}' has shape {}, its weight {}: {} numbers meet {}",
                     node.input_name(0), to_string(x.shape), to_string(weight.shape), x.shape.back(), inputs);
  }
  Shape out = x.shape;
  out.back() = outputs;
  const std::int64_t rows = element_count(x.shape) / inputs;
  Attributes a;
  a.transpose_b = transposed_weight;
  std::vector<ValueId> operands;
  if (rows == 1) {
    OBSCURA_TRY(const ValueId row, node.in_shape(x, {inputs}));
    OBSCURA_TRY(const ValueId matrix, node.add_constant(".weight", std::move(weight), own(numbers, 1)));
    operands = {row, matrix};
  } else {
    // The same for every row: a convolution of 1 x 1 over rows side by side.
    OBSCURA_TRY(FileValue columns, transposed(node, {x.id, {rows, inputs}}, {1, 0}));
    OBSCURA_TRY(const ValueId image, node.in_shape(columns, {inputs, rows, 1}));
    Tensor kernels{{outputs, inputs, 1, 1}, weight.data};
    for (std::int64_t o = 0; o < outputs && !transposed_weight; ++o) {
      for (std::int64_t i = 0; i < inputs; ++i) kernels.data[o * inputs + i] = weight.data[i * outputs + o];
    }
    OBSCURA_TRY(const ValueId matrix, node.add_constant(".weight", std::move(kernels)));
    operands = {image, matrix};
  }
  if (bias) {
    OBSCURA_TRY(Tensor row, bias_row(node, *bias, outputs));
    OBSCURA_TRY(const ValueId shift, node.add_constant(".bias", std::move(row), own(numbers, 2)));
    operands.push_back(shift);
  }
  if (rows == 1) {
    OBSCURA_TRY(const ValueId y, node.emit(Op::gemm, std::move(operands), a));
    return FileValue{y, out};
  }
  OBSCURA_TRY(const ValueId y, node.emit(Op::conv, std::move(operands), Attributes{}));
  OBSCURA_TRY(FileValue back, transposed(node, {y, {outputs, rows}}, {1, 0}));
  back.shape = out;
  return back;
}

Result<void> import_gemm(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY_VOID(node.require("transA", 0));
  OBSCURA_TRY(const std::int64_t transpose, node.integer("transB", 0));
  OBSCURA_TRY(const float alpha, node.real("alpha", 1));
  OBSCURA_TRY(const float beta, node.real("beta", 1));
  OBSCURA_TRY(Tensor weight, node.tensor(1));
  OBSCURA_TRY(auto bias, optional_tensor(node, 2));
  for (float& v : weight.data) v *= alpha;
  if (bias) {
    for (float& v : bias->data) v *= beta;
  }
  const Numbers numbers = alpha == 1 && beta == 1 ? Numbers::own : Numbers::computed;
  OBSCURA_TRY(FileValue y, dense(node, x, std::move(weight), transpose != 0, bias, numbers));
  node.define(std::move(y));
  return {};
}

// A constant on the right is a dense layer of each row, on the left one of each column.
Result<void> import_matmul(NodeImport& node) {
  if (node.is_constant(1)) {
    OBSCURA_TRY(const FileValue x, node.value(0));
    OBSCURA_TRY(Tensor weight, node.tensor(1));
    // Leading sizes of 1 say nothing.
    while (weight.shape.size() > 2 && weight.shape.front() == 1) weight.shape.erase(weight.shape.begin());
    const bool vector = weight.shape.size() == 1;
    if (vector) weight.shape.push_back(1);
    OBSCURA_TRY(FileValue y, dense(node, x, std::move(weight), false, std::nullopt, Numbers::own));
    if (vector) y.shape.pop_back();
    node.define(std::move(y));
    return {};
  }
  OBSCURA_TRY(const FileValue b, node.value(1));
  const std::size_t rank = b.shape.size();
  if (node.is_constant(0)) {
    OBSCURA_TRY(Tensor weight, node.tensor(0));
    if (rank < 2 || element_count(b.shape) != b.shape[rank - 2] * b.shape[rank - 1]) {
      return node.fail(Code::unsupported, "it multiplies a constant by {}; allowed: by one matrix", to_string(b.shape));
    }
    OBSCURA_TRY(const FileValue columns, transposed(node, {b.id, {b.shape[rank - 2], b.shape[rank - 1]}}, {1, 0}));
    OBSCURA_TRY(const FileValue product,
                dense(node, columns, std::move(weight), true, std::nullopt, Numbers::computed));
    OBSCURA_TRY(FileValue y, transposed(node, product, {1, 0}));
    y.shape.insert(y.shape.begin(), rank - 2, 1);
    node.define(std::move(y));
    return {};
  }
  OBSCURA_TRY(const FileValue a, node.value(0));
  if (a.shape.size() < 2 || rank < 2) {
    return node.fail(Code::unsupported, "it multiplies values of shapes {} and {}; allowed: matrices",
                     to_string(a.shape), to_string(b.shape));
  }
  // The axis of the one image stays in the file's shape.
  const bool images = a.shape.size() == rank && rank > 2 && a.shape[0] == 1 && b.shape[0] == 1;
  OBSCURA_TRY(const ValueId left, node.in_shape(a, images ? per_image(a.shape) : a.shape));
  OBSCURA_TRY(const ValueId right, node.in_shape(b, images ? per_image(b.shape) : b.shape));
  OBSCURA_TRY(const ValueId y, node.emit(Op::matmul, {left, right}));
  Shape out = node.graph_shape(y);
  if (images) out.insert(out.begin(), 1);
  node.define(y, std::move(out));
  return {};
}

Result<void> import_lrn(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  Attributes a;
  if (node.attribute("size") == nullptr) return node.fail(Code::bad_format, "attribute size is absent");
  OBSCURA_TRY(a.size, node.integer("size", 1));
  OBSCURA_TRY(a.alpha, node.real("alpha", 1e-4F));
  OBSCURA_TRY(a.beta, node.real("beta", 0.75F));
  OBSCURA_TRY(a.bias, node.real("bias", 1));
  OBSCURA_TRY(const ValueId image, as_image(node, x));
  OBSCURA_TRY(const ValueId y, node.emit(Op::lrn, {image}, a));
  node.define(y, x.shape);
  return {};
}

Result<void> import_instance_normalization(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(const float epsilon, node.real("epsilon", 1e-5F));
  OBSCURA_TRY(const auto scale, a_channel(node, 1, x.shape));
  OBSCURA_TRY(const auto bias, a_channel(node, 2, x.shape));
  OBSCURA_TRY(FileValue y, normalized(node, x, x.shape[1], epsilon));
  OBSCURA_TRY(y, with_scale_and_bias(node, std::move(y), scale, bias));
  node.define(std::move(y));
  return {};
}

Result<void> import_layer_normalization(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(const float epsilon, node.real("epsilon", 1e-5F));
  OBSCURA_TRY(const std::int64_t axis, node.integer("axis", -1));
  OBSCURA_TRY(const std::size_t first, resolve_axis(node, axis, x.shape.size()));
  OBSCURA_TRY(const auto scale, optional_tensor(node, 1));
  OBSCURA_TRY(const auto bias, optional_tensor(node, 2));
  const auto split = x.shape.begin() + static_cast<std::ptrdiff_t>(first);
  OBSCURA_TRY(FileValue y, normalized(node, x, element_count(Shape(x.shape.begin(), split)), epsilon));
  OBSCURA_TRY(y, with_scale_and_bias(node, std::move(y), scale, bias));
  node.define(std::move(y));
  return {};
}

// Scale and bias are one a channel, since operator set 21; one a group before that.
Result<void> import_group_normalization(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(const float epsilon, node.real("epsilon", 1e-5F));
  OBSCURA_TRY(const std::int64_t groups, node.integer("num_groups", 1));
  const std::int64_t channels = x.shape.size() < 2 ? 1 : x.shape[1];
  if (groups < 1 || channels % groups != 0) {
    return node.fail(Code::bad_format, "{} groups of {} channels; allowed: a divisor", groups, channels);
  }
  const auto parameter = [&](int i) -> Result<std::optional<Tensor>> {
    OBSCURA_TRY(auto read, optional_tensor(node, i));
    if (!read || static_cast<std::int64_t>(read->data.size()) != groups) return a_channel(node, i, x.shape);
    Tensor each{Shape(x.shape.size() - 1, 1), {}};
    each.shape[0] = channels;
    for (std::int64_t c = 0; c < channels; ++c) each.data.push_back(read->data[c / (channels / groups)]);
    return std::optional(std::move(each));
  };
  OBSCURA_TRY(const auto scale, parameter(1));
  OBSCURA_TRY(const auto bias, parameter(2));
  OBSCURA_TRY(FileValue y, normalized(node, x, groups, epsilon));
  OBSCURA_TRY(y, with_scale_and_bias(node, std::move(y), scale, bias));
  node.define(std::move(y));
  return {};
}

// Over the images and the pixels, by default: one image's channels, each by itself.
Result<void> import_mean_variance_normalization(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(const auto listed, node.integers("axes"));
  std::vector<std::size_t> axes;
  for (const std::int64_t axis : listed.value_or(std::vector<std::int64_t>{0, 2, 3})) {
    OBSCURA_TRY(const std::size_t resolved, resolve_axis(node, axis, x.shape.size()));
    axes.push_back(resolved);
  }
  std::int64_t groups = 1;
  bool trailing = true;  // the others stand before all of these
  for (std::size_t d = 0; d < x.shape.size(); ++d) {
    const bool taken = std::find(axes.begin(), axes.end(), d) != axes.end() || x.shape[d] == 1;
    if (taken) continue;
    trailing =
        trailing && element_count(Shape(x.shape.begin(), x.shape.begin() + static_cast<std::ptrdiff_t>(d))) == groups;
    groups *= x.shape[d];
  }
  if (!trailing) {
    return node.fail(Code::unsupported, "it normalises {} over axes ({}); allowed: the last ones", to_string(x.shape),
                     fmt::join(axes, ", "));
  }
  constexpr float kEpsilon = 1e-9F;
  OBSCURA_TRY(FileValue y, normalized(node, x, groups, kEpsilon * kEpsilon));
  node.define(std::move(y));
  return {};
}

}  // namespace obscura::nn
