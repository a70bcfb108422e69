// SPDX-License-Identifier: Apache-2.0
#include "train/teacher.h"

#include <algorithm>

#include "approx/function.h"
#include "base/files.h"
#include "base/random.h"
#include "nn/onnx.h"
#include "nn/operators.h"
#include "train/products.h"

namespace obscura::train {
namespace {

using nn::Op;

/// A constant as libtorch wants it beside a batch: one axis more in front where it is spread over a value.
torch::Tensor constant_of(const nn::Tensor& tensor, torch::Device device) {
  return torch::from_blob(const_cast<float*>(tensor.data.data()), tensor.shape, torch::kFloat32).clone().to(device);
}

std::array<std::int64_t, 4> torch_pads(const nn::Attributes& a) { return {a.pads[1], a.pads[3], a.pads[0], a.pads[2]}; }

torch::Tensor convolve(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                       const nn::Attributes& a) {
  if (a.pads[0] == a.pads[2] && a.pads[1] == a.pads[3]) {
    return torch::conv2d(x, weight, bias, a.strides, torch::IntArrayRef({a.pads[0], a.pads[1]}), a.dilations, a.groups);
  }
  const torch::Tensor padded = torch::constant_pad_nd(x, torch_pads(a));
  return torch::conv2d(padded, weight, bias, a.strides, torch::IntArrayRef({0, 0}), a.dilations, a.groups);
}

/// Means of windows of x without padding.
torch::Tensor window_means(const torch::Tensor& x, const nn::Attributes& a) {
  if (a.dilations == std::array<std::int64_t, 2>{1, 1}) return torch::avg_pool2d(x, a.kernel, a.strides);
  const torch::Tensor share = torch::ones({x.size(1), 1, a.kernel[0], a.kernel[1]}, x.options());
  const torch::Tensor sum = torch::conv2d(x, share, {}, a.strides, torch::IntArrayRef({0, 0}), a.dilations, x.size(1));
  return sum / static_cast<double>(a.kernel[0] * a.kernel[1]);
}

torch::Tensor average(const torch::Tensor& x, const nn::Attributes& a) {
  const torch::Tensor mean = window_means(torch::constant_pad_nd(x, torch_pads(a)), a);
  const bool pads = std::any_of(a.pads.begin(), a.pads.end(), [](std::int64_t p) { return p != 0; });
  if (a.count_include_pad || !pads) return mean;
  return mean / window_means(torch::constant_pad_nd(torch::ones_like(x), torch_pads(a)), a);
}

torch::Tensor largest(const torch::Tensor& x, const nn::Attributes& a) {
  return torch::max_pool2d(torch::constant_pad_nd(x, torch_pads(a), -std::numeric_limits<float>::infinity()), a.kernel,
                           a.strides, 0, a.dilations);
}

torch::Tensor dense(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                    const nn::Attributes& a) {
  const torch::Tensor y = dense_product(x.to(torch::kFloat32), a.transpose_b ? weight : weight.t()) * a.alpha;
  return bias.defined() ? y + bias * a.beta : y;
}

torch::Tensor slice(torch::Tensor x, const nn::Attributes& a) {
  for (std::size_t axis = 0; axis < a.starts.size(); ++axis) {
    const std::int64_t end = a.starts[axis] + (a.sizes[axis] - 1) * a.steps[axis] + 1;
    x = x.slice(static_cast<std::int64_t>(axis) + 1, a.starts[axis], end, a.steps[axis]);
  }
  return x;
}

torch::Tensor pad(const torch::Tensor& x, const nn::Attributes& a) {
  std::vector<std::int64_t> pads;  // of the last axis first
  for (std::size_t axis = a.pads_before.size(); axis-- > 0;) {
    pads.insert(pads.end(), {a.pads_before[axis], a.pads_after[axis]});
  }
  return torch::constant_pad_nd(x, pads);
}

torch::Tensor reshape(const torch::Tensor& x, const nn::Attributes& a) {
  std::vector<std::int64_t> shape = {x.size(0)};
  shape.insert(shape.end(), a.shape.begin(), a.shape.end());
  return x.reshape(shape);
}

torch::Tensor transpose(const torch::Tensor& x, const nn::Attributes& a) {
  std::vector<std::int64_t> order = {0};
  for (const std::int64_t axis : a.permutation) order.push_back(axis + 1);
  return x.permute(order);
}

torch::Tensor normalize(const torch::Tensor& x, const nn::Attributes& a) {
  const torch::Tensor rows = x.flatten(2);
  const torch::Tensor centred = rows - rows.mean(2, true);
  return (centred / (centred.square().mean(2, true) + a.epsilon).sqrt()).reshape(x.sizes());
}

torch::Tensor elu(const torch::Tensor& x, double alpha, double scale, double input_scale) {
  return torch::elu(x, alpha, scale, input_scale);
}

torch::Tensor apply_function(const approx::Function& f, const torch::Tensor& x) {
  using Kind = approx::Function::Kind;
  switch (f.kind) {
    case Kind::relu:
      return x.relu();
    case Kind::leaky_relu:
      return torch::leaky_relu(x, f.alpha);
    case Kind::clip:
      return x.clamp(f.low, f.high);
    case Kind::hard_swish:
      return torch::hardswish(x);
    case Kind::thresholded_relu:
      return torch::threshold(x, f.alpha, 0);
    case Kind::elu:
      return elu(x, f.alpha, 1, 1);
    case Kind::selu:
      return elu(x, f.alpha, f.gamma, 1);
    case Kind::celu:
      return elu(x, f.alpha, 1, 1 / f.alpha);
    case Kind::swish:
      return x * (x * f.beta).sigmoid();
    case Kind::gelu:
      return torch::gelu(x);
    case Kind::gelu_tanh:
      return torch::gelu(x, "tanh");
    case Kind::sigmoid:
      return x.sigmoid();
    case Kind::tanh:
      return x.tanh();
    case Kind::softplus:
      return torch::softplus(x);
    case Kind::softsign:
      return x / (1 + x.abs());
    case Kind::mish:
      return torch::mish(x);
    case Kind::erf:
      return x.erf();
    case Kind::exp:
      return x.exp();
    case Kind::log:
      return x.log();
    case Kind::sqrt:
      return x.sqrt();
    case Kind::reciprocal:
      return x.reciprocal();
    case Kind::abs:
      return x.abs();
    case Kind::sin:
      return x.sin();
    case Kind::cos:
      return x.cos();
    case Kind::power:
      return (x * f.scale + f.bias).pow(-f.beta);
  }
  OBSCURA_CHECK(false, "teacher: a function of no kind");
}

torch::Tensor per_channel(const std::vector<double>& numbers, torch::Device device) {
  const auto count = static_cast<std::int64_t>(numbers.size());
  return torch::tensor(numbers, torch::kFloat32).reshape({1, count, 1, 1}).to(device);
}

}  // namespace

Result<Teacher> Teacher::load(const Recipe& recipe, torch::Device device) {
  OBSCURA_CHECK(recipe.teacher.has_value(), "a recipe without a teacher");
  const std::string path = recipe.teacher->model.string();
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, nn::kMaxOnnxBytes));
  Teacher out;
  OBSCURA_TRY(out.graph_, nn::read_onnx(bytes, path));
  const auto digest = base::digest(bytes);
  out.digest_.assign(digest.begin(), digest.end());
  const nn::Shape& input = out.graph_.values[out.graph_.input].shape;
  const nn::Shape& logits = out.graph_.values[out.graph_.output].shape;
  if (input != recipe.data.shape || logits != nn::Shape{recipe.data.classes}) {
    return error(Code::unsupported, "{}: a teacher of {} in {} classes; the recipe has {} in {}", path,
                 nn::to_string(input), nn::element_count(logits), nn::to_string(recipe.data.shape),
                 recipe.data.classes);
  }
  for (const nn::Value& value : out.graph_.values) {
    out.constants_.push_back(value.constant ? constant_of(*value.constant, device) : torch::Tensor());
  }
  for (const nn::Node& node : out.graph_.nodes) {
    if (node.op == Op::lrn) {
      return error(Code::unsupported, "{}: {} is response normalisation, which a teacher cannot have", path,
                   nn::describe(node));
    }
    if (node.op == Op::function) out.activation_shapes_.push_back(out.graph_.values[node.output].shape);
  }
  const TeacherRecipe& own = *recipe.teacher;
  out.mean_ = per_channel(own.mean.empty() ? recipe.data.mean : own.mean, device);
  out.deviation_ = per_channel(own.std.empty() ? recipe.data.std : own.std, device);
  return out;
}

torch::Tensor Teacher::apply(const nn::Node& node, const std::vector<torch::Tensor>& values,
                             bool reduced_precision) const {
  const auto in = [&](std::size_t i) { return i < node.inputs.size() ? values[node.inputs[i]] : torch::Tensor(); };
  const nn::Attributes& a = node.attributes;
  switch (node.op) {
    case Op::conv: {
      const auto number = [&](const torch::Tensor& t) {
        return reduced_precision && t.defined() ? t.to(torch::kBFloat16) : t;
      };
      return convolve(number(in(0)), number(in(1)), number(in(2)), a);
    }
    case Op::batch_normalization:
      return torch::batch_norm(in(0), in(1), in(2), in(3), in(4), false, 0, static_cast<double>(a.epsilon), false);
    case Op::average_pool:
      return average(in(0), a);
    case Op::max_pool:
      return largest(in(0), a);
    case Op::global_average_pool:
      return in(0).mean({2, 3}, true);
    case Op::gemm:
      return dense(in(0), in(1), in(2), a);
    case Op::reshape:
      return reshape(in(0), a);
    case Op::transpose:
      return transpose(in(0), a);
    case Op::gather:
      return in(0).index_select(a.axis + 1, torch::tensor(a.indices, in(0).device()));
    case Op::add:
      return in(0) + in(1);
    case Op::mul:
      return in(0) * in(1);
    case Op::pow:
      return in(0).pow(in(1));
    case Op::concat: {
      std::vector<torch::Tensor> parts;
      for (const nn::ValueId id : node.inputs) parts.push_back(values[id]);
      return torch::cat(parts, a.axis + 1);
    }
    case Op::slice:
      return slice(in(0), a);
    case Op::pad:
      return pad(in(0), a);
    case Op::function:
      return apply_function(a.function, in(0));
    case Op::normalization:
      return normalize(in(0), a);
    case Op::softmax:
      return torch::softmax(in(0), -1);
    case Op::matmul:
      return torch::matmul(in(0), in(1));
    case Op::lrn:
      break;
  }
  OBSCURA_CHECK(false, "teacher: {}", nn::describe(node));
}

Teacher::Output Teacher::run(const torch::Tensor& images, bool reduced_precision) const {
  torch::NoGradGuard no_gradient;
  std::vector<torch::Tensor> values = constants_;
  values[graph_.input] = ((images - mean_) / deviation_).contiguous(torch::MemoryFormat::ChannelsLast);
  Output out;
  for (const nn::Node& node : graph_.nodes) {
    values[node.output] = apply(node, values, reduced_precision);
    if (node.op == Op::function) out.activations.push_back(values[node.output]);
  }
  out.logits = values[graph_.output].to(torch::kFloat32);
  return out;
}

torch::Tensor distillation_loss(const torch::Tensor& student, const torch::Tensor& teacher, const torch::Tensor& labels,
                                const TeacherRecipe& recipe, double label_smoothing) {
  const torch::Tensor own = torch::cross_entropy_loss(student, labels, {}, at::Reduction::Mean, -100, label_smoothing);
  const double t = recipe.temperature;
  const torch::Tensor wanted = torch::log_softmax(teacher.to(torch::kFloat32) / t, 1);
  const torch::Tensor given = torch::log_softmax(student / t, 1);
  const torch::Tensor divergence = (wanted.exp() * (wanted - given)).sum(1).mean();
  return own * (1 - recipe.weight) + divergence * (recipe.weight * t * t);
}

torch::Tensor feature_loss(const std::vector<torch::Tensor>& student, const std::vector<torch::Tensor>& teacher) {
  OBSCURA_CHECK(student.size() == teacher.size() && !student.empty(), "feature_loss: {} activations and {}",
                student.size(), teacher.size());
  torch::Tensor sum = torch::zeros({}, student[0].options().dtype(torch::kFloat32).requires_grad(false));
  for (std::size_t i = 0; i < student.size(); ++i) {
    const torch::Tensor wanted = teacher[i].to(torch::kFloat32);
    sum = sum + (student[i].to(torch::kFloat32) - wanted).square().mean() / (wanted.square().mean() + 1e-6);
  }
  return sum;
}

}  // namespace obscura::train
