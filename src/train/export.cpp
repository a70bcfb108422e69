// SPDX-License-Identifier: Apache-2.0
#include "approx/function.h"
#include "train/network.h"

namespace obscura::train {
namespace {

nn::Tensor to_floats(const torch::Tensor& tensor) {
  const torch::Tensor flat = tensor.detach().to(torch::kCPU, torch::kFloat32).contiguous();
  const float* data = flat.data_ptr<float>();
  return {flat.sizes().vec(), std::vector<float>(data, data + flat.numel())};
}

/// Appends node after node; `last_` is the value that the next one reads.
class GraphBuilder {
 public:
  GraphBuilder(const std::string& name, nn::Shape input) {
    graph_.name = name;
    graph_.input = last_ = value("image", std::move(input));
  }

  void step(const Step& step, const NetworkImpl::Parts& parts) {
    switch (step.kind) {
      case StepKind::conv:
        return convolution(step.name, parts.conv, step.layer.stride, step.layer.padding);
      case StepKind::batch_norm:
        return normalization(step.name, parts.norm);
      case StepKind::dense:
        return dense(step.name, parts.dense);
      case StepKind::activation:
        return activation(step.name, parts.activation);
      case StepKind::average_pool:
      case StepKind::max_pool: {
        nn::Attributes attributes;
        attributes.kernel = {step.layer.kernel, step.layer.kernel};
        attributes.strides = {step.layer.stride, step.layer.stride};
        node(step.kind == StepKind::max_pool ? nn::Op::max_pool : nn::Op::average_pool, step.name, {last_}, attributes);
        return;
      }
      case StepKind::global_average_pool:
        node(nn::Op::global_average_pool, step.name, {last_});
        return;
      case StepKind::flatten: {
        nn::Attributes attributes;
        attributes.shape = step.out;
        node(nn::Op::reshape, step.name, {last_}, attributes);
        return;
      }
      case StepKind::branch:
        kept_ = last_;
        return;
      case StepKind::join:
        return join(step, parts);
    }
  }

  nn::Graph take() {
    graph_.output = last_;
    graph_.values[last_].name = "logits";
    const Result<void> fits = nn::infer_shapes(graph_);
    OBSCURA_CHECK(fits.ok(), "export_network: {}", fits.error().message);
    return std::move(graph_);
  }

 private:
  void convolution(const std::string& name, const torch::nn::Conv2d& layer, std::int64_t stride, std::int64_t padding) {
    nn::Attributes attributes;
    attributes.kernel = {layer->weight.size(2), layer->weight.size(3)};
    attributes.strides = {stride, stride};
    attributes.pads = {padding, padding, padding, padding};
    node(nn::Op::conv, name, weighted(name, layer->weight, layer->bias), attributes);
  }

  void normalization(const std::string& name, const torch::nn::BatchNorm2d& layer) {
    nn::Attributes attributes;
    attributes.epsilon = static_cast<float>(layer->options.eps());
    node(nn::Op::batch_normalization, name,
         {last_, constant(name + ".scale", layer->weight), constant(name + ".bias", layer->bias),
          constant(name + ".mean", layer->running_mean), constant(name + ".variance", layer->running_var)},
         attributes);
  }

  void dense(const std::string& name, const torch::nn::Linear& layer) {
    nn::Attributes attributes;
    attributes.transpose_b = true;
    node(nn::Op::gemm, name, weighted(name, layer->weight, layer->bias), attributes);
  }

  /// x^2; (c2 x + c1) x + c0; (c4 x^2 + c3 x + c2) x^2 + (c1 x + c0).
  void activation(const std::string& name, const Activation& layer) {
    const nn::ValueId x = last_;
    if (layer->recipe.kind == ActivationKind::relu) {
      nn::Attributes attributes;
      attributes.function = approx::default_of(approx::Function::Kind::relu);
      node(nn::Op::function, name, {x}, attributes);
      return;
    }
    if (layer->recipe.kind == ActivationKind::square) {
      node(nn::Op::mul, name, {x, x});
      return;
    }
    const torch::Tensor coefficients = layer->polynomial();
    const auto c = [&](std::int64_t power) {
      return constant(fmt::format("{}.c{}", name, power), coefficients[power]);
    };
    if (coefficients.size(0) == 3) {
      node(nn::Op::mul, name + ".bend", {x, c(2)});
      node(nn::Op::add, name + ".slope", {last_, c(1)});
      node(nn::Op::mul, name + ".product", {last_, x});
      node(nn::Op::add, name, {last_, c(0)});
      return;
    }
    const nn::ValueId square = node(nn::Op::mul, name + ".square", {x, x});
    nn::ValueId inner = node(nn::Op::mul, name + ".quartic", {square, c(4)});
    if (coefficients[3].count_nonzero().item<std::int64_t>() > 0) {
      const nn::ValueId cubic = node(nn::Op::mul, name + ".cubic", {x, c(3)});
      inner = node(nn::Op::add, name + ".odd", {inner, cubic});
    }
    node(nn::Op::add, name + ".inner", {inner, c(2)});
    const nn::ValueId upper = node(nn::Op::mul, name + ".upper", {last_, square});
    node(nn::Op::mul, name + ".slope", {x, c(1)});
    node(nn::Op::add, name + ".linear", {last_, c(0)});
    node(nn::Op::add, name, {upper, last_});
  }

  void join(const Step& step, const NetworkImpl::Parts& parts) {
    const nn::ValueId body = last_;
    last_ = kept_;
    if (parts.conv) {
      convolution(step.name + "_conv", parts.conv, step.layer.stride, 0);
      normalization(step.name + "_norm", parts.norm);
    } else if (step.kept != step.out) {
      nn::Attributes slice;
      slice.starts = {0, 0, 0};
      slice.steps = {1, step.layer.stride, step.layer.stride};
      slice.sizes = {step.kept[0], step.out[1], step.out[2]};
      node(nn::Op::slice, step.name + "_slice", {last_}, slice);
      nn::Attributes pad;
      const std::int64_t more = step.out[0] - step.kept[0];
      pad.pads_before = {more / 2, 0, 0};
      pad.pads_after = {more - more / 2, 0, 0};
      node(nn::Op::pad, step.name + "_pad", {last_}, pad);
    }
    node(nn::Op::add, step.name, {body, last_});
  }

  nn::ValueId value(const std::string& name, nn::Shape shape) {
    graph_.values.push_back({name, std::move(shape), std::nullopt});
    return static_cast<nn::ValueId>(graph_.values.size() - 1);
  }

  nn::ValueId constant(const std::string& name, const torch::Tensor& tensor) {
    nn::Tensor floats = to_floats(tensor);
    const nn::ValueId id = value(name, floats.shape);
    graph_.values[id].constant = std::move(floats);
    return id;
  }

  std::vector<nn::ValueId> weighted(const std::string& name, const torch::Tensor& weight, const torch::Tensor& bias) {
    std::vector<nn::ValueId> inputs = {last_, constant(name + ".weight", weight)};
    if (bias.defined()) inputs.push_back(constant(name + ".bias", bias));
    return inputs;
  }

  nn::ValueId node(nn::Op op, const std::string& name, std::vector<nn::ValueId> inputs,
                   nn::Attributes attributes = {}) {
    last_ = value(name + ".out", {});
    graph_.nodes.push_back({op, name, std::move(inputs), last_, attributes});
    return last_;
  }

  nn::Graph graph_;
  nn::ValueId last_ = 0;
  nn::ValueId kept_ = 0;
};

}  // namespace

nn::Graph export_network(const Network& network, const std::string& name) {
  GraphBuilder builder(name, network->input);
  for (std::size_t i = 0; i < network->steps.size(); ++i) builder.step(network->steps[i], network->parts[i]);
  return builder.take();
}

}  // namespace obscura::train
