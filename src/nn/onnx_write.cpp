// SPDX-License-Identifier: Apache-2.0
#include <onnx/onnx_pb.h>

#include <cmath>
#include <unordered_set>

#include "nn/onnx.h"

namespace obscura::nn {
namespace {

constexpr int kIrVersion = 7;
constexpr int kOpset = 13;

void add_integer(onnx::NodeProto& node, const char* name, std::int64_t value) {
  auto* a = node.add_attribute();
  a->set_name(name);
  a->set_type(onnx::AttributeProto::INT);
  a->set_i(value);
}

void add_real(onnx::NodeProto& node, const char* name, float value) {
  auto* a = node.add_attribute();
  a->set_name(name);
  a->set_type(onnx::AttributeProto::FLOAT);
  a->set_f(value);
}

template <std::size_t count>
void add_integers(onnx::NodeProto& node, const char* name, const std::array<std::int64_t, count>& values) {
  auto* a = node.add_attribute();
  a->set_name(name);
  a->set_type(onnx::AttributeProto::INTS);
  for (const std::int64_t v : values) a->add_ints(v);
}

void add_attributes(onnx::NodeProto& node, Op op, const Attributes& a) {
  switch (op) {
    case Op::conv:
      add_integers(node, "dilations", a.dilations);
      add_integer(node, "group", a.groups);
      add_integers(node, "kernel_shape", a.kernel);
      add_integers(node, "pads", a.pads);
      add_integers(node, "strides", a.strides);
      return;
    case Op::max_pool:
      add_integers(node, "dilations", a.dilations);
      add_integers(node, "kernel_shape", a.kernel);
      add_integers(node, "pads", a.pads);
      add_integers(node, "strides", a.strides);
      return;
    case Op::average_pool:
      add_integer(node, "count_include_pad", a.count_include_pad ? 1 : 0);
      add_integers(node, "kernel_shape", a.kernel);
      add_integers(node, "pads", a.pads);
      add_integers(node, "strides", a.strides);
      return;
    case Op::batch_normalization:
      add_real(node, "epsilon", a.epsilon);
      return;
    case Op::gemm:
      add_real(node, "alpha", a.alpha);
      add_real(node, "beta", a.beta);
      add_integer(node, "transB", a.transpose_b ? 1 : 0);
      return;
    case Op::flatten:
      add_integer(node, "axis", 1);
      return;
    case Op::concat:
      add_integer(node, "axis", 1);
      return;
    case Op::leaky_relu:
      add_real(node, "alpha", a.alpha);
      return;
    case Op::lrn:
      add_real(node, "alpha", a.alpha);
      add_real(node, "beta", a.beta);
      add_real(node, "bias", a.bias);
      add_integer(node, "size", a.size);
      return;
    default:
      return;
  }
}

void fill(onnx::TensorProto& tensor, const Value& value) {
  tensor.set_name(value.name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  for (const std::int64_t size : value.shape) tensor.add_dims(size);
  const std::vector<float>& data = value.constant->data;
  tensor.set_raw_data(data.data(), data.size() * sizeof(float));
}

void fill(onnx::ValueInfoProto& info, const Value& value) {
  info.set_name(value.name);
  auto* tensor = info.mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(onnx::TensorProto::FLOAT);
  tensor->mutable_shape()->add_dim()->set_dim_param("N");
  for (const std::int64_t size : value.shape) tensor->mutable_shape()->add_dim()->set_dim_value(size);
}

/// Writes nodes. An Op that operator set 13 has no operator for is spelt in several, as exporters do and read_onnx
/// knows.
class NodeWriter {
 public:
  NodeWriter(const Graph& graph, onnx::GraphProto& out) : graph_(graph), out_(out) {
    for (const Value& value : graph.values) names_.insert(value.name);
    for (const Node& node : graph.nodes) names_.insert(node.name);
  }

  void write(const Node& node) {
    node_ = &node;
    std::vector<std::string> inputs;
    for (const ValueId id : node.inputs) inputs.push_back(graph_.values.at(id).name);
    const std::string& x = inputs.at(0);
    switch (node.op) {
      case Op::silu:
        return last("Mul", {x, before("Sigmoid", {x})});
      case Op::mish:
        return last("Mul", {x, before("Tanh", {before("Softplus", {x})})});
      case Op::gelu: {
        const std::string erf = before("Erf", {before("Div", {x, number("root", std::sqrt(2.0F))})});
        const std::string one_more = before("Add", {erf, number("one", 1)});
        return last("Mul", {before("Mul", {x, one_more}), number("half", 0.5F)});
      }
      case Op::slice:
        return write_slice(x);
      case Op::pad: {
        const auto& [b, a] = std::pair(node.attributes.pads_before, node.attributes.pads_after);
        return last("Pad", {x, integers("pads", {0, b[0], b[1], b[2], 0, a[0], a[1], a[2]})});
      }
      default:
        return last(to_string(node.op), inputs);
    }
  }

 private:
  std::string fresh(const std::string& suffix) {
    std::string name = node_->name + "/" + suffix;
    while (!names_.insert(name).second) name += '_';
    return name;
  }

  onnx::NodeProto& add(const char* type, const std::vector<std::string>& inputs) {
    auto& written = *out_.add_node();
    written.set_op_type(type);
    for (const std::string& input : inputs) written.add_input(input);
    return written;
  }

  /// A node on the way; the result is the name of its output.
  std::string before(const char* type, const std::vector<std::string>& inputs) {
    auto& written = add(type, inputs);
    written.set_name(fresh(type));
    written.add_output(fresh(std::string(type) + ".out"));
    return written.output(0);
  }

  /// The node that gives the output, under the node's own name.
  void last(const char* type, const std::vector<std::string>& inputs) {
    auto& written = add(type, inputs);
    written.set_name(node_->name);
    written.add_output(graph_.values.at(node_->output).name);
    add_attributes(written, node_->op, node_->attributes);
  }

  std::string number(const char* suffix, float value) {
    auto& tensor = *out_.add_initializer();
    tensor.set_name(fresh(suffix));
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    tensor.add_float_data(value);
    return tensor.name();
  }

  std::string integers(const char* suffix, const std::vector<std::int64_t>& values) {
    auto& tensor = *out_.add_initializer();
    tensor.set_name(fresh(suffix));
    tensor.set_data_type(onnx::TensorProto::INT64);
    tensor.add_dims(static_cast<std::int64_t>(values.size()));
    for (const std::int64_t v : values) tensor.add_int64_data(v);
    return tensor.name();
  }

  void write_slice(const std::string& x) {
    const Attributes& a = node_->attributes;
    std::vector<std::int64_t> ends;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      ends.push_back(a.starts[axis] + (a.sizes[axis] - 1) * a.steps[axis] + 1);
    }
    last("Slice", {x, integers("starts", {a.starts.begin(), a.starts.end()}), integers("ends", ends),
                   integers("axes", {1, 2, 3}), integers("steps", {a.steps.begin(), a.steps.end()})});
  }

  const Graph& graph_;
  onnx::GraphProto& out_;
  std::unordered_set<std::string> names_;
  const Node* node_ = nullptr;
};

}  // namespace

base::Bytes write_onnx(const Graph& graph) {
  onnx::ModelProto model;
  model.set_ir_version(kIrVersion);
  model.set_producer_name("obscura");
  model.add_opset_import()->set_version(kOpset);
  auto& out = *model.mutable_graph();
  out.set_name(graph.name.empty() ? "network" : graph.name);
  std::unordered_set<std::string> names;
  for (const Value& value : graph.values) {
    OBSCURA_CHECK(!value.name.empty() && names.insert(value.name).second, "write_onnx: value name '{}' twice or empty",
                  value.name);
    if (!value.constant) continue;
    OBSCURA_CHECK(value.constant->data.size() == static_cast<std::size_t>(element_count(value.shape)),
                  "write_onnx: constant '{}' of shape {} has {} numbers", value.name, to_string(value.shape),
                  value.constant->data.size());
    fill(*out.add_initializer(), value);
  }
  NodeWriter writer(graph, out);
  for (const Node& node : graph.nodes) writer.write(node);
  fill(*out.add_input(), graph.values.at(graph.input));
  fill(*out.add_output(), graph.values.at(graph.output));
  base::Bytes bytes(model.ByteSizeLong());
  const bool written = model.SerializeToArray(bytes.data(), static_cast<int>(bytes.size()));
  OBSCURA_CHECK(written && bytes.size() <= kMaxOnnxBytes, "write_onnx: {} bytes", bytes.size());
  return bytes;
}

}  // namespace obscura::nn
