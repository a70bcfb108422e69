// SPDX-License-Identifier: Apache-2.0
#include "train/network.h"

#include <algorithm>

#include "train/products.h"

namespace obscura::train {
namespace {

/// Every stride-th pixel, then channels of zeros half before and half behind (He et al. 2015, option A).
torch::Tensor padded(const torch::Tensor& x, const Step& step) {
  const torch::Tensor kept = x.slice(2, 0, INT64_MAX, step.layer.stride).slice(3, 0, INT64_MAX, step.layer.stride);
  const std::int64_t more = step.out[0] - step.kept[0];
  return torch::constant_pad_nd(kept, {0, 0, 0, 0, more / 2, more - more / 2});
}

torch::Tensor convolve(torch::nn::Conv2d& conv, const torch::Tensor& x, std::int64_t stride, std::int64_t padding,
                       bool reduced) {
  if (!reduced) return conv->forward(x);
  const auto half = [](const torch::Tensor& t) { return t.defined() ? t.to(torch::kBFloat16) : t; };
  return torch::conv2d(half(x), half(conv->weight), half(conv->bias), stride, padding);
}

torch::Tensor dense(const torch::nn::Linear& layer, const torch::Tensor& x) {
  return dense_product(x.to(torch::kFloat32), layer->weight, layer->bias);
}

}  // namespace

double share_at(const ActivationRecipe& activation, double epoch) {
  const auto [begin, end] = activation.blend;
  if (epoch >= end) return 1;
  return epoch <= begin ? 0 : (epoch - begin) / (end - begin);
}

NetworkImpl::NetworkImpl(std::vector<Step> expanded, nn::Shape shape)
    : steps(std::move(expanded)), input(std::move(shape)) {
  for (const Step& step : steps) parts.push_back(make(step));
  for (torch::Tensor& parameter : parameters()) {
    // Convolutions on the CPU save themselves a reordering of every tensor.
    if (parameter.dim() == 4 && parameter.size(2) * parameter.size(3) > 1 && parameter.size(0) > 0) {
      parameter.set_data(parameter.contiguous(torch::MemoryFormat::ChannelsLast));
    }
  }
}

NetworkImpl::Parts NetworkImpl::make(const Step& step) {
  const LayerRecipe& layer = step.layer;
  Parts out;
  switch (step.kind) {
    case StepKind::conv:
      out.conv = torch::nn::Conv2d(torch::nn::Conv2dOptions(step.in[0], step.out[0], layer.kernel)
                                       .stride(layer.stride)
                                       .padding(layer.padding)
                                       .bias(layer.bias));
      register_module(step.name, out.conv);
      out.conv->weight.set_requires_grad(!layer.fixed);
      break;
    case StepKind::batch_norm:
      out.norm =
          torch::nn::BatchNorm2d(torch::nn::BatchNorm2dOptions(step.in[0]).eps(layer.epsilon).momentum(layer.momentum));
      register_module(step.name, out.norm);
      break;
    case StepKind::dense:
      out.dense = torch::nn::Linear(torch::nn::LinearOptions(step.in[0], step.out[0]).bias(layer.bias));
      register_module(step.name, out.dense);
      break;
    case StepKind::activation:
      out.activation = Activation(layer.activation, step.in);
      register_module(step.name, out.activation);
      break;
    case StepKind::join:
      if (step.kept == step.out || layer.shortcut == Shortcut::pad) break;
      out.conv =
          torch::nn::Conv2d(torch::nn::Conv2dOptions(step.kept[0], step.out[0], 1).stride(layer.stride).bias(false));
      out.norm = torch::nn::BatchNorm2d(torch::nn::BatchNorm2dOptions(step.out[0]).eps(layer.epsilon));
      register_module(step.name + "_conv", out.conv);
      register_module(step.name + "_norm", out.norm);
      break;
    default:
      break;
  }
  return out;
}

NetworkImpl::Output NetworkImpl::forward(const torch::Tensor& images, const Options& options) {
  Output out;
  torch::Tensor x = images.contiguous(torch::MemoryFormat::ChannelsLast);
  torch::Tensor kept;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    Parts& part = parts[i];
    switch (step.kind) {
      case StepKind::conv:
        x = convolve(part.conv, x, step.layer.stride, step.layer.padding, options.reduced_precision);
        break;
      case StepKind::batch_norm:
        x = part.norm->forward(x);
        break;
      case StepKind::dense:
        x = dense(part.dense, x);
        break;
      case StepKind::average_pool:
        x = torch::avg_pool2d(x, step.layer.kernel, step.layer.stride);
        break;
      case StepKind::max_pool:
        x = torch::max_pool2d(x, step.layer.kernel, step.layer.stride);
        break;
      case StepKind::global_average_pool:
        x = x.mean({2, 3}, true);
        break;
      case StepKind::flatten:
        x = x.flatten(1);
        break;
      case StepKind::branch:
        kept = x;
        break;
      case StepKind::join:
        if (part.conv)
          kept = part.norm->forward(convolve(part.conv, kept, step.layer.stride, 0, options.reduced_precision));
        if (!part.conv && step.kept != step.out) kept = padded(kept, step);
        x = x + kept;
        break;
      case StepKind::activation: {
        if (options.measure) out.largest.push_back(x.abs().max().item<double>());
        const auto [y, penalty] = part.activation->forward(x, share_at(step.layer.activation, options.epoch));
        x = y;
        if (penalty.defined()) out.penalty = out.penalty.defined() ? out.penalty + penalty : penalty;
        if (options.keep_activations) out.activations.push_back(x);
        break;
      }
    }
  }
  out.logits = x.to(torch::kFloat32);
  return out;
}

void NetworkImpl::fix_statistics() {
  for (Parts& part : parts) {
    if (part.norm) part.norm->eval();
    // Others have no statistics, and what holds their arguments while training is to go on.
    if (part.activation && part.activation->recipe.kind == ActivationKind::hermite) part.activation->eval();
  }
}

std::vector<NetworkImpl::Trained> NetworkImpl::trained() const {
  std::vector<Trained> out;
  for (const Parts& part : parts) {
    const auto add = [&](const torch::Tensor& tensor, Role role, double rate = 1) {
      if (tensor.defined()) out.push_back({tensor, role, rate});
    };
    if (part.conv) {
      if (part.conv->weight.requires_grad()) add(part.conv->weight, Role::weight);
      add(part.conv->bias, Role::bias);
    }
    if (part.norm) {
      add(part.norm->weight, Role::gain);
      add(part.norm->bias, Role::bias);
    }
    if (part.dense) {
      add(part.dense->weight, Role::weight);
      add(part.dense->bias, Role::bias);
    }
    if (part.activation) {
      for (const torch::Tensor& tensor : part.activation->parameters()) {
        add(tensor, Role::coefficients, part.activation->recipe.rate);
      }
    }
  }
  return out;
}

std::vector<torch::Tensor> state_of(const Network& network) {
  std::vector<torch::Tensor> state = network->parameters();
  for (const torch::Tensor& buffer : network->buffers()) {
    if (buffer.is_floating_point()) state.push_back(buffer);
  }
  return state;
}

}  // namespace obscura::train
