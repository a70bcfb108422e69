// SPDX-License-Identifier: Apache-2.0
#include "train/network.h"

namespace obscura::train {
namespace {

nn::Tensor to_floats(const torch::Tensor& tensor) {
  const torch::Tensor flat = tensor.detach().to(torch::kFloat32).contiguous();
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

  void convolution(const std::string& name, const torch::nn::Conv2d& layer) {
    nn::Attributes attributes;
    attributes.kernel = {layer->weight.size(2), layer->weight.size(3)};
    attributes.strides = {2, 2};
    node(nn::Op::conv, name, {last_, constant(name + ".weight", layer->weight), constant(name + ".bias", layer->bias)},
         attributes);
  }

  void normalization(const std::string& name, const torch::nn::BatchNorm2d& layer) {
    nn::Attributes attributes;
    attributes.epsilon = static_cast<float>(layer->options.eps());
    node(nn::Op::batch_normalization, name,
         {last_, constant(name + ".scale", layer->weight), constant(name + ".bias", layer->bias),
          constant(name + ".mean", layer->running_mean), constant(name + ".variance", layer->running_var)},
         attributes);
  }

  /// x^2, or (a4 x^2 + a2) x^2 + (a1 x + a0).
  void activation(const std::string& name, const std::vector<double>& coefficients) {
    const nn::ValueId x = last_;
    const nn::ValueId square = node(nn::Op::mul, name + ".square", {x, x});
    if (coefficients.size() == 3) return;
    const auto scalar = [&](std::size_t power) {
      return constant(fmt::format("{}.a{}", name, power),
                      torch::full({1}, coefficients[power], torch::TensorOptions(torch::kFloat32)));
    };
    node(nn::Op::mul, name + ".quartic", {square, scalar(4)});
    node(nn::Op::add, name + ".inner", {last_, scalar(2)});
    const nn::ValueId even = node(nn::Op::mul, name + ".even", {last_, square});
    node(nn::Op::mul, name + ".slope", {x, scalar(1)});
    node(nn::Op::add, name + ".linear", {last_, scalar(0)});
    node(nn::Op::add, name, {even, last_});
  }

  void dense(const std::string& name, const torch::nn::Linear& layer) {
    node(nn::Op::flatten, "flatten", {last_});
    nn::Attributes attributes;
    attributes.transpose_b = true;
    node(nn::Op::gemm, name, {last_, constant(name + ".weight", layer->weight), constant(name + ".bias", layer->bias)},
         attributes);
  }

  nn::Graph take() {
    graph_.output = last_;
    graph_.values[last_].name = "logits";
    const Result<void> fits = nn::infer_shapes(graph_);
    OBSCURA_CHECK(fits.ok(), "export_network: {}", fits.error().message);
    return std::move(graph_);
  }

 private:
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

  nn::ValueId node(nn::Op op, const std::string& name, std::vector<nn::ValueId> inputs,
                   nn::Attributes attributes = {}) {
    last_ = value(name + ".out", {});
    graph_.nodes.push_back({op, name, std::move(inputs), last_, attributes});
    return last_;
  }

  nn::Graph graph_;
  nn::ValueId last_ = 0;
};

}  // namespace

nn::Graph export_network(const Network& network, const std::string& name, std::int64_t side) {
  GraphBuilder builder(name, {1, side, side});
  builder.convolution("conv1", network->conv1);
  builder.normalization("norm1", network->norm1);
  builder.activation("activation1", network->form.activation);
  builder.convolution("conv2", network->conv2);
  builder.normalization("norm2", network->norm2);
  builder.activation("activation2", network->form.activation);
  builder.dense("dense", network->dense);
  return builder.take();
}

}  // namespace obscura::train
