// SPDX-License-Identifier: Apache-2.0
#include "nn/onnx_write.h"

#include "nn/onnx.h"
#include "nn/onnx_model.h"
#include "nn/operators.h"

namespace obscura::nn {
namespace {

constexpr int kIrVersion = 8;

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

/// What the file does with the values that the graph gives; the name of the result.
void write_ending(onnx::GraphProto& out, Ending ending, const std::string& values, const std::string& result) {
  constexpr std::array<const char*, 5> kNames = {"", "Softmax", "LogSoftmax", "Sigmoid", "ArgMax"};
  auto& node = *out.add_node();
  node.set_op_type(kNames.at(static_cast<std::size_t>(ending)));
  node.set_name(result + "/ending");
  node.add_input(values);
  node.add_output(result);
  if (ending == Ending::sigmoid) return;
  auto* axis = node.add_attribute();
  axis->set_name("axis");
  axis->set_type(onnx::AttributeProto::INT);
  axis->set_i(-1);
}

}  // namespace

NodeWriter::NodeWriter(const Graph& graph, onnx::GraphProto& out) : graph_(graph), out_(out) {
  for (const Value& value : graph.values) names_.insert(value.name);
  for (const Node& node : graph.nodes) names_.insert(node.name);
  if (graph.ending == Ending::none) return;
  logits_ = graph.values.at(graph.output).name + "/logits";
  while (!names_.insert(logits_).second) logits_ += '_';
}

std::string NodeWriter::fresh(const Node& node, const std::string& suffix) {
  std::string name = node.name + "/" + suffix;
  while (!names_.insert(name).second) name += '_';
  return name;
}

onnx::NodeProto& NodeWriter::add(const char* type, const std::vector<std::string>& inputs) {
  written_ = out_.add_node();
  written_->set_op_type(type);
  for (const std::string& input : inputs) written_->add_input(input);
  return *written_;
}

std::string NodeWriter::before(const Node& node, const char* type, const std::vector<std::string>& inputs) {
  auto& written = add(type, inputs);
  written.set_name(fresh(node, type));
  written.add_output(fresh(node, std::string(type) + ".out"));
  return written.output(0);
}

onnx::NodeProto& NodeWriter::last(const Node& node, const char* type, const std::vector<std::string>& inputs) {
  auto& written = add(type, inputs);
  written.set_name(node.name);
  written.add_output(name_of(node.output));
  return written;
}

std::string NodeWriter::numbers(const Node& node, const char* suffix, const Shape& shape,
                                const std::vector<float>& values) {
  auto& tensor = *out_.add_initializer();
  tensor.set_name(fresh(node, suffix));
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  for (const std::int64_t size : shape) tensor.add_dims(size);
  for (const float v : values) tensor.add_float_data(v);
  return tensor.name();
}

std::string NodeWriter::integers(const Node& node, const char* suffix, const std::vector<std::int64_t>& values) {
  auto& tensor = *out_.add_initializer();
  tensor.set_name(fresh(node, suffix));
  tensor.set_data_type(onnx::TensorProto::INT64);
  tensor.add_dims(static_cast<std::int64_t>(values.size()));
  for (const std::int64_t v : values) tensor.add_int64_data(v);
  return tensor.name();
}

base::Bytes write_onnx(const Graph& graph) {
  onnx::ModelProto model;
  model.set_ir_version(kIrVersion);
  model.set_producer_name("obscura");
  model.add_opset_import()->set_version(kWrittenOpset);
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
  for (const Node& node : graph.nodes) row(node.op).write(writer, node);
  auto& input = *out.add_input();
  fill(input, graph.values.at(graph.input));
  input.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(1)->set_denotation(kChannelAxis);
  const Value& result = graph.values.at(graph.output);
  if (graph.ending != Ending::none) write_ending(out, graph.ending, writer.name_of(graph.output), result.name);
  fill(*out.add_output(), result);
  if (graph.ending == Ending::argmax) {
    auto* tensor = out.mutable_output(0)->mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(onnx::TensorProto::INT64);
    tensor->mutable_shape()->mutable_dim(1)->set_dim_value(1);
  }
  write_metadata(model, graph.metadata);
  base::Bytes bytes(model.ByteSizeLong());
  const bool written = model.SerializeToArray(bytes.data(), static_cast<int>(bytes.size()));
  OBSCURA_CHECK(written && bytes.size() <= kMaxOnnxBytes, "write_onnx: {} bytes", bytes.size());
  return bytes;
}

}  // namespace obscura::nn
