// SPDX-License-Identifier: Apache-2.0
// Quantised operators as the real-valued ones that they stand for: integers are the reals that they mean, and rounding
// is left out. Of saturation what matters is kept: a lower end that means 0 is how a quantised network spells a ReLU.
// The other ends were set where calibration saw no value.
#include <algorithm>

#include "nn/onnx_operators.h"
#include "nn/operators.h"

namespace obscura::nn {
namespace {

/// Whether a value is at least 0 whatever the image, as far as a look at what made it says: then a ReLU of it is left
/// out.
bool known_positive(const Graph& graph, ValueId id) {
  using Kind = approx::Function::Kind;
  constexpr std::size_t kLooks = 64;
  std::size_t looks = 0;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend() && looks < kLooks; ++node, ++looks) {
    if (node->output != id) continue;
    const approx::Function& f = node->attributes.function;
    if (node->op == Op::function) {
      return f.kind == Kind::relu || f.kind == Kind::sigmoid || (f.kind == Kind::clip && f.low >= 0);
    }
    if (node->op == Op::softmax) return true;
    const bool passes = (row(node->op).role == Role::move && node->op != Op::concat) || node->op == Op::max_pool ||
                        node->op == Op::average_pool || node->op == Op::global_average_pool;
    if (!passes) return false;
    id = node->inputs[0];
  }
  return id == graph.input;  // pixels
}

/// Scale and zero point that inputs `scale` and `scale + 1` give.
Result<Quantization> quantization(NodeImport& node, int scale) {
  Quantization out;
  OBSCURA_TRY(out.scale, node.number(scale, 1));
  OBSCURA_TRY(out.zero, node.number(scale + 1, 0));
  if (out.scale > 0) return out;
  return node.fail(Code::bad_format, "scale {}; allowed: above 0", out.scale);
}

/// The least integer of the type of a zero point.
Result<double> least_integer(NodeImport& node, int zero) {
  if (!node.has_input(zero) || !node.is_constant(zero)) return 0.0;
  const KnownConstant& known = node.state().constants.at(node.input_name(zero));
  if (known.tensor == nullptr) return 0.0;
  switch (known.tensor->data_type()) {
    case onnx::TensorProto::INT8:
      return -128.0;
    case onnx::TensorProto::INT16:
      return -32768.0;
    default:
      return 0.0;
  }
}

/// x as what inputs `scale` and `scale + 1` would quantise.
Result<FileValue> saturated(NodeImport& node, FileValue x, int scale) {
  OBSCURA_TRY(const Quantization to, quantization(node, scale));
  OBSCURA_TRY(const double least, least_integer(node, scale + 1));
  if (to.zero == least && !known_positive(node.state().graph, x.id)) {
    OBSCURA_TRY(x, apply(node, x, approx::default_of(approx::Function::Kind::relu)));
  }
  x.quantized = to;
  return x;
}

/// The reals that a quantised value means to a reader who takes its scale and zero point from inputs `scale` and
/// `scale + 1`.
Result<FileValue> meant(NodeImport& node, FileValue x, const Quantization& as) {
  if (!x.quantized || *x.quantized == as) return x;
  const Quantization own = *x.quantized;
  x.quantized.reset();
  // integer = x / own.scale + own.zero
  return affine(node, x, as.scale / own.scale, (own.zero - as.zero) * as.scale);
}

Result<FileValue> meant(NodeImport& node, int i, int scale) {
  OBSCURA_TRY(const FileValue x, node.value(i));
  OBSCURA_TRY(const Quantization as, quantization(node, scale));
  return meant(node, x, as);
}

/// (integers - zero) * scale, one scale in all or one along an axis.
Result<Tensor> dequantized(NodeImport& node, int i, int scale, std::int64_t axis) {
  OBSCURA_TRY(Tensor x, node.tensor(i));
  OBSCURA_TRY(const Tensor scales, node.tensor(scale));
  Tensor zeros{{}, {0}};
  if (node.has_input(scale + 1)) {
    OBSCURA_TRY(zeros, node.tensor(scale + 1));
  }
  std::int64_t inner = 1, along = 1;
  if (scales.data.size() > 1) {
    OBSCURA_TRY(const std::size_t at, resolve_axis(node, axis, x.shape.size()));
    along = x.shape[at];
    for (std::size_t d = at + 1; d < x.shape.size(); ++d) inner *= x.shape[d];
  }
  const auto fits = [&](const Tensor& t) {
    return t.data.size() == 1 || static_cast<std::int64_t>(t.data.size()) == along;
  };
  if (!fits(scales) || !fits(zeros)) {
    return node.fail(Code::unsupported, "{} scales and {} zero points for {}; allowed: one, or one along an axis",
                     scales.data.size(), zeros.data.size(), to_string(x.shape));
  }
  for (std::size_t e = 0; e < x.data.size(); ++e) {
    const auto c = static_cast<std::size_t>(static_cast<std::int64_t>(e) / inner % along);
    const double zero = zeros.data[zeros.data.size() == 1 ? 0 : c];
    x.data[e] = static_cast<float>((x.data[e] - zero) * scales.data[scales.data.size() == 1 ? 0 : c]);
  }
  return x;
}

/// A bias in integers, whose scale is that of the input times that of each weight.
Result<std::optional<Tensor>> bias(NodeImport& node, int i, double input_scale, int weight_scale) {
  if (!node.has_input(i)) return std::optional<Tensor>();
  OBSCURA_TRY(Tensor b, node.tensor(i));
  OBSCURA_TRY(const Tensor scales, node.tensor(weight_scale));
  if (scales.data.size() != 1 && scales.data.size() != b.data.size()) {
    return node.fail(Code::bad_format, "{} scales for {} biases", scales.data.size(), b.data.size());
  }
  for (std::size_t c = 0; c < b.data.size(); ++c) {
    b.data[c] = static_cast<float>(b.data[c] * input_scale * scales.data[scales.data.size() == 1 ? 0 : c]);
  }
  return std::optional(std::move(b));
}

/// An integer weight less its zero point.
Result<Tensor> centred(NodeImport& node, int i, int zero) {
  OBSCURA_TRY(Tensor w, node.tensor(i));
  OBSCURA_TRY(const double by, node.number(zero, 0));
  for (float& v : w.data) v = static_cast<float>(v - by);
  return w;
}

Result<void> define_saturated(NodeImport& node, FileValue y, int scale) {
  OBSCURA_TRY(y, saturated(node, std::move(y), scale));
  node.define(std::move(y));
  return {};
}

/// An operand of a quantised sum or product: a value, or a constant as the reals that it means.
Result<Operand> quantized_operand(NodeImport& node, int i) {
  Operand out;
  if (node.is_constant(i)) {
    OBSCURA_TRY(out.constant, dequantized(node, i, i + 1, 0));
    return out;
  }
  OBSCURA_TRY(out.value, meant(node, i, i + 1));
  return out;
}

/// A pool of x, whose channels may stand last.
Result<FileValue> quantized_pool(NodeImport& node, FileValue x) {
  OBSCURA_TRY(const std::int64_t last, node.integer("channels_last", 0));
  const auto rank = static_cast<std::int64_t>(x.shape.size());
  std::vector<std::int64_t> first = {0, rank - 1};
  std::vector<std::int64_t> back = {0};
  for (std::int64_t axis = 1; axis < rank - 1; ++axis) first.push_back(axis), back.push_back(axis + 1);
  back.push_back(1);
  const bool turned = last != 0 && rank > 2;
  if (turned) {
    OBSCURA_TRY(x, transposed(node, x, first));
  }
  const bool all = node.operator_name() == "QLinearGlobalAveragePool";
  OBSCURA_TRY(FileValue y, all ? global_average_pool(node, x) : average_pool(node, x));
  return turned ? transposed(node, y, back) : Result<FileValue>(std::move(y));
}

}  // namespace

Result<void> import_quantize(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  return define_saturated(node, x, 1);
}

Result<void> import_dequantize(NodeImport& node) {
  OBSCURA_TRY(FileValue x, meant(node, 0, 1));
  x.quantized.reset();
  node.define(std::move(x));
  return {};
}

Result<void> fold_dequantize(NodeImport& node) {
  OBSCURA_TRY(const std::int64_t axis, node.integer("axis", 1));
  OBSCURA_TRY(Tensor x, dequantized(node, 0, 1, axis));
  Constant out;
  out.shape = std::move(x.shape);
  out.reals = std::move(x.data);
  return node.define_constant(std::move(out));
}

// Scale and zero point would come from each image: with scale 1 and zero 0 the integers are the reals themselves.
Result<void> import_dynamic_quantize(NodeImport& node) {
  OBSCURA_TRY(FileValue x, node.value(0));
  if (node.output_count() != 3) {
    return node.fail(Code::bad_format, "it has {} outputs; allowed: 3", node.output_count());
  }
  Constant scale, zero;
  scale.reals = {1};
  zero.is_integer = true;
  zero.integers = {0};
  OBSCURA_TRY_VOID(node.define_constant(std::move(scale), 1));
  OBSCURA_TRY_VOID(node.define_constant(std::move(zero), 2));
  x.quantized = Quantization{};
  node.define(std::move(x));
  return {};
}

// x, its scale and zero, w, its scale and zero, those of y, bias.
Result<void> import_quantized_conv(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, meant(node, 0, 1));
  OBSCURA_TRY(const Quantization from, quantization(node, 1));
  OBSCURA_TRY(Tensor weight, dequantized(node, 3, 4, 0));
  OBSCURA_TRY(const auto row, bias(node, 8, from.scale, 4));
  OBSCURA_TRY(FileValue y, convolve(node, x, std::move(weight), row, Numbers::computed));
  return define_saturated(node, std::move(y), 6);
}

// x, w, their zeros: sums of (x - zero)(w - zero), in units of both scales.
Result<void> import_conv_integer(NodeImport& node) {
  OBSCURA_TRY(FileValue x, node.value(0));
  Quantization as = x.quantized.value_or(Quantization{});
  as.scale = 1;
  OBSCURA_TRY(as.zero, node.number(2, 0));
  OBSCURA_TRY(x, meant(node, x, as));
  OBSCURA_TRY(Tensor weight, centred(node, 1, 3));
  OBSCURA_TRY(FileValue y, convolve(node, x, std::move(weight), std::nullopt, Numbers::computed));
  y.quantized.reset();
  node.define(std::move(y));
  return {};
}

// a, its scale and zero, b, its scale and zero, those of y.
Result<void> import_quantized_matmul(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, meant(node, 0, 1));
  OBSCURA_TRY(Tensor weight, dequantized(node, 3, 4, 1));
  OBSCURA_TRY(FileValue y, dense(node, x, std::move(weight), false, std::nullopt, Numbers::computed));
  return define_saturated(node, std::move(y), 6);
}

Result<void> import_matmul_integer(NodeImport& node) {
  OBSCURA_TRY(FileValue x, node.value(0));
  Quantization as;
  OBSCURA_TRY(as.zero, node.number(2, 0));
  OBSCURA_TRY(x, meant(node, x, as));
  OBSCURA_TRY(Tensor weight, centred(node, 1, 3));
  OBSCURA_TRY(FileValue y, dense(node, x, std::move(weight), false, std::nullopt, Numbers::computed));
  y.quantized.reset();
  node.define(std::move(y));
  return {};
}

// a, its scale and zero, b, its scale and zero, bias, those of y, if there are.
Result<void> import_quantized_gemm(NodeImport& node) {
  OBSCURA_TRY_VOID(node.require("transA", 0));
  OBSCURA_TRY(const std::int64_t transpose, node.integer("transB", 0));
  OBSCURA_TRY(const float alpha, node.real("alpha", 1));
  OBSCURA_TRY(const FileValue x, meant(node, 0, 1));
  OBSCURA_TRY(const Quantization from, quantization(node, 1));
  OBSCURA_TRY(Tensor weight, dequantized(node, 3, 4, transpose != 0 ? 0 : 1));
  OBSCURA_TRY(auto row, bias(node, 6, from.scale, 4));
  for (float& v : weight.data) v *= alpha;
  if (row) {
    for (float& v : row->data) v *= alpha;
  }
  OBSCURA_TRY(FileValue y, dense(node, x, std::move(weight), transpose != 0, row, Numbers::computed));
  if (node.has_input(7)) return define_saturated(node, std::move(y), 7);
  node.define(std::move(y));
  return {};
}

// a, its scale and zero, b, its scale and zero, those of y.
Result<void> import_quantized_binary(NodeImport& node) {
  OBSCURA_TRY(const Operand a, quantized_operand(node, 0));
  OBSCURA_TRY(const Operand b, quantized_operand(node, 3));
  OBSCURA_TRY(FileValue y, combine(node, node.operator_name() == "QLinearMul" ? Op::mul : Op::add, a, b));
  return define_saturated(node, std::move(y), 6);
}

// x, its scale and zero, those of y.
Result<void> import_quantized_unary(NodeImport& node) {
  using Kind = approx::Function::Kind;
  const std::string& name = node.operator_name();
  OBSCURA_TRY(const FileValue x, meant(node, 0, 1));
  FileValue y;
  if (name == "QLinearAveragePool" || name == "QLinearGlobalAveragePool") {
    OBSCURA_TRY(y, quantized_pool(node, x));
  } else if (name == "QLinearSoftmax") {
    OBSCURA_TRY(y, softmax(node, x));
  } else if (name == "QLinearSigmoid") {
    OBSCURA_TRY(y, apply(node, x, approx::default_of(Kind::sigmoid)));
  } else {
    approx::Function leaky = approx::default_of(Kind::leaky_relu);
    OBSCURA_TRY(leaky.alpha, node.real("alpha", 0.01F));
    OBSCURA_TRY(y, apply(node, x, leaky));
  }
  return define_saturated(node, std::move(y), 3);
}

// Those of y, then each part with its scale and zero.
Result<void> import_quantized_concat(NodeImport& node) {
  OBSCURA_TRY(const std::int64_t axis, node.integer("axis", 1));
  std::vector<ValueId> parts;
  Shape out;
  std::size_t along = 0;
  for (int i = 2; i + 2 < node.input_count(); i += 3) {
    OBSCURA_TRY(const FileValue x, meant(node, i, i + 1));
    OBSCURA_TRY(along, resolve_axis(node, axis, x.shape.size()));
    OBSCURA_TRY(const ValueId part, node.in_shape(x, per_image(x.shape)));
    parts.push_back(part);
    if (!out.empty()) out[along] += x.shape[along];
    if (out.empty()) out = x.shape;
  }
  if (parts.size() < 2 || along == 0) return node.fail(Code::unsupported, "{} parts along axis {}", parts.size(), axis);
  Attributes a;
  a.axis = static_cast<std::int64_t>(along) - 1;
  OBSCURA_TRY(const ValueId y, node.emit(Op::concat, std::move(parts), a));
  return define_saturated(node, FileValue{y, out}, 0);
}

}  // namespace obscura::nn
