// SPDX-License-Identifier: Apache-2.0
/// ONNX files for the tests, built through protobuf rather than through write_onnx, so that the two can not share a
/// mistake.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace obscura::nn {

/// Attributes of one node, added in a chain: ints("pads", {1, 1, 1, 1}).
class OnnxNode {
 public:
  explicit OnnxNode(onnx::NodeProto& node) : node_(node) {}
  OnnxNode& integer(const char* name, std::int64_t value) {
    add(name, onnx::AttributeProto::INT).set_i(value);
    return *this;
  }
  OnnxNode& real(const char* name, float value) {
    add(name, onnx::AttributeProto::FLOAT).set_f(value);
    return *this;
  }
  OnnxNode& text(const char* name, const char* value) {
    add(name, onnx::AttributeProto::STRING).set_s(value);
    return *this;
  }
  OnnxNode& ints(const char* name, const std::vector<std::int64_t>& values) {
    auto& a = add(name, onnx::AttributeProto::INTS);
    for (const std::int64_t v : values) a.add_ints(v);
    return *this;
  }
  onnx::NodeProto& proto() { return node_; }
  onnx::AttributeProto& add(const char* name, onnx::AttributeProto::AttributeType type) {
    auto& a = *node_.add_attribute();
    a.set_name(name);
    a.set_type(type);
    return a;
  }

 private:
  onnx::NodeProto& node_;
};

/// A model with the input "image" of shape {N, sizes...} and the output "logits".
class OnnxFile {
 public:
  explicit OnnxFile(const std::vector<std::int64_t>& image) {
    model.set_ir_version(7);
    model.add_opset_import()->set_version(13);
    graph().set_name("test");
    auto& input = *graph().add_input();
    input.set_name("image");
    auto* type = input.mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx::TensorProto::FLOAT);
    type->mutable_shape()->add_dim()->set_dim_param("N");
    for (const std::int64_t size : image) type->mutable_shape()->add_dim()->set_dim_value(size);
    graph().add_output()->set_name("logits");
  }
  onnx::GraphProto& graph() { return *model.mutable_graph(); }

  onnx::TensorProto& constant(const char* name, const std::vector<std::int64_t>& shape,
                              const std::vector<float>& data) {
    auto& tensor = *graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    for (const std::int64_t size : shape) tensor.add_dims(size);
    tensor.set_raw_data(data.data(), data.size() * sizeof(float));
    return tensor;
  }
  onnx::TensorProto& integers(const char* name, const std::vector<std::int64_t>& data) {
    auto& tensor = *graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::INT64);
    tensor.add_dims(static_cast<std::int64_t>(data.size()));
    for (const std::int64_t v : data) tensor.add_int64_data(v);
    return tensor;
  }
  /// A node without a name of its own where `name` is empty.
  OnnxNode node(const char* op, const char* name, const std::vector<std::string>& inputs, const char* output) {
    auto& node = *graph().add_node();
    node.set_op_type(op);
    if (*name != '\0') node.set_name(name);
    for (const std::string& input : inputs) node.add_input(input);
    node.add_output(output);
    return OnnxNode(node);
  }
  base::Bytes bytes() const {
    const std::string text = model.SerializeAsString();
    base::Bytes out(text.size());
    std::memcpy(out.data(), text.data(), text.size());
    return out;
  }

  onnx::ModelProto model;
};

}  // namespace obscura::nn
