// SPDX-License-Identifier: Apache-2.0
/// Nodes of a graph as ONNX nodes; internal to nn. One function for each way that operators are written.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <unordered_set>
#include <vector>

#include "nn/graph.h"

namespace obscura::nn {

/// Writes the nodes of one graph. Values of the file have the batch dimension first, so axes of a graph's shapes stand
/// one further on in it.
class NodeWriter {
 public:
  NodeWriter(const Graph& graph, onnx::GraphProto& out);

  const Graph& graph() const { return graph_; }
  /// Where an ending follows, the logits leave the graph's name to its result.
  const std::string& name_of(ValueId id) const {
    return id == graph_.output && !logits_.empty() ? logits_ : graph_.values.at(id).name;
  }
  const Shape& shape_of(ValueId id) const { return graph_.values.at(id).shape; }

  /// A node on the way to the output of `node`; the result is the name of what it gives.
  std::string before(const Node& node, const char* type, const std::vector<std::string>& inputs);
  /// The node that gives the output, under the node's own name; for attributes.
  onnx::NodeProto& last(const Node& node, const char* type, const std::vector<std::string>& inputs);
  /// The node that `before` gave last; for attributes.
  onnx::NodeProto& written() { return *written_; }
  /// Constants that belong to `node`; the result is their name.
  std::string numbers(const Node& node, const char* suffix, const Shape& shape, const std::vector<float>& values);
  std::string integers(const Node& node, const char* suffix, const std::vector<std::int64_t>& values);

 private:
  std::string fresh(const Node& node, const std::string& suffix);
  onnx::NodeProto& add(const char* type, const std::vector<std::string>& inputs);
  const Graph& graph_;
  onnx::GraphProto& out_;
  std::unordered_set<std::string> names_;
  std::string logits_;
  onnx::NodeProto* written_ = nullptr;
};

void write_plain(NodeWriter& to, const Node& node);  ///< the row's operator, without attributes
void write_conv(NodeWriter& to, const Node& node);
void write_batch_normalization(NodeWriter& to, const Node& node);
void write_average_pool(NodeWriter& to, const Node& node);
void write_max_pool(NodeWriter& to, const Node& node);
void write_gemm(NodeWriter& to, const Node& node);
void write_reshape(NodeWriter& to, const Node& node);
void write_transpose(NodeWriter& to, const Node& node);
void write_slice(NodeWriter& to, const Node& node);
void write_pad(NodeWriter& to, const Node& node);
void write_concat(NodeWriter& to, const Node& node);
void write_gather(NodeWriter& to, const Node& node);
void write_function(NodeWriter& to, const Node& node);
void write_lrn(NodeWriter& to, const Node& node);
void write_normalization(NodeWriter& to, const Node& node);
void write_softmax(NodeWriter& to, const Node& node);
void write_matmul(NodeWriter& to, const Node& node);

/// The operator set that write_onnx writes.
inline constexpr int kWrittenOpset = 15;

}  // namespace obscura::nn
