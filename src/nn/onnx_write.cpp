// SPDX-License-Identifier: Apache-2.0
#include <onnx/onnx_pb.h>

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
    case Op::global_average_pool:
    case Op::identity:
    case Op::add:
    case Op::mul:
    case Op::pow:
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
  for (const Node& node : graph.nodes) {
    auto& written = *out.add_node();
    written.set_name(node.name);
    written.set_op_type(to_string(node.op));
    for (const ValueId id : node.inputs) written.add_input(graph.values.at(id).name);
    written.add_output(graph.values.at(node.output).name);
    add_attributes(written, node.op, node.attributes);
  }
  fill(*out.add_input(), graph.values.at(graph.input));
  fill(*out.add_output(), graph.values.at(graph.output));
  base::Bytes bytes(model.ByteSizeLong());
  const bool written = model.SerializeToArray(bytes.data(), static_cast<int>(bytes.size()));
  OBSCURA_CHECK(written && bytes.size() <= kMaxOnnxBytes, "write_onnx: {} bytes", bytes.size());
  return bytes;
}

}  // namespace obscura::nn
