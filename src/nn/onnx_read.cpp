// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/stubs/logging.h>

#include <algorithm>

#include "base/files.h"
#include "nn/infer.h"
#include "nn/onnx.h"
#include "nn/onnx_constants.h"
#include "nn/onnx_import.h"

namespace obscura::nn {
namespace {

constexpr int kMaxNodes = 100'000;
constexpr std::int64_t kMinOpset = 10;
constexpr std::int64_t kMaxOpset = 21;

Result<void> check_model(const onnx::ModelProto& model) {
  if (!model.has_graph()) return error(Code::bad_format, "it holds no ONNX graph; allowed: an ONNX model");
  std::int64_t opset = 0;
  for (const auto& import : model.opset_import()) {
    if (import.domain().empty() || import.domain() == "ai.onnx") opset = import.version();
  }
  if (opset < kMinOpset || opset > kMaxOpset) {
    return error(Code::unsupported, "it uses operator set {}; allowed: {} to {}", opset, kMinOpset, kMaxOpset);
  }
  const auto& graph = model.graph();
  for (const auto& [what, count] :
       {std::pair{"nodes", graph.node_size()}, std::pair{"constants", graph.initializer_size()},
        std::pair{"inputs", graph.input_size()}}) {
    if (count > kMaxNodes) return error(Code::bad_format, "it has {} {}; allowed: {}", count, what, kMaxNodes);
  }
  if (graph.sparse_initializer_size() > 0) {
    return error(Code::unsupported, "it has sparse initializers; allowed: dense ones");
  }
  return {};
}

// Every name that a message or the graph may show.
Result<void> check_names(const onnx::GraphProto& graph) {
  const auto check = [](const std::string& name) -> Result<void> {
    if (is_readable_name(name)) return {};
    return error(Code::bad_format, "a name of {} bytes is not readable text; allowed: UTF-8 of up to 1024 bytes",
                 name.size());
  };
  OBSCURA_TRY_VOID(check(graph.name()));
  for (const auto& tensor : graph.initializer()) OBSCURA_TRY_VOID(check(tensor.name()));
  for (const auto& input : graph.input()) OBSCURA_TRY_VOID(check(input.name()));
  for (const auto& output : graph.output()) OBSCURA_TRY_VOID(check(output.name()));
  for (const auto& node : graph.node()) {
    OBSCURA_TRY_VOID(check(node.name()));
    OBSCURA_TRY_VOID(check(node.op_type()));
    OBSCURA_TRY_VOID(check(node.domain()));
    for (const auto& name : node.input()) OBSCURA_TRY_VOID(check(name));
    for (const auto& name : node.output()) OBSCURA_TRY_VOID(check(name));
  }
  return {};
}

Result<void> collect_constants(ImportState& state, const onnx::GraphProto& graph) {
  for (const auto& tensor : graph.initializer()) {
    if (tensor.name().empty() || !state.constants.emplace(tensor.name(), &tensor).second) {
      return error(Code::bad_format, "constant '{}' is defined twice or has no name", tensor.name());
    }
  }
  for (const auto& node : graph.node()) {
    for (const auto& name : node.output()) state.value_names.insert(name);
  }
  for (const auto& tensor : graph.initializer()) state.value_names.insert(tensor.name());
  for (const auto& input : graph.input()) state.value_names.insert(input.name());
  return {};
}

// The one input that is not an initializer: {N, C, H, W}, N symbolic or fixed.
Result<void> import_input(ImportState& state, const onnx::GraphProto& graph) {
  const onnx::ValueInfoProto* image = nullptr;
  int count = 0;
  for (const auto& input : graph.input()) {
    if (state.constants.contains(input.name())) continue;
    image = &input;
    ++count;
  }
  if (count != 1) return error(Code::unsupported, "it has {} inputs that are not constants; allowed: 1 image", count);
  const auto& type = image->type().tensor_type();
  if (image->name().empty() || type.elem_type() != onnx::TensorProto::FLOAT) {
    return error(Code::unsupported, "input '{}' is not a tensor of floats; allowed: FLOAT", image->name());
  }
  const auto& dims = type.shape().dim();
  Shape shape;
  std::string shown;
  for (const auto& dim : dims) {
    shape.push_back(dim.has_dim_value() ? dim.dim_value() : 0);
    if (shown.size() < 80) {
      shown += fmt::format("{}{}", shown.empty() ? "" : "x", dim.has_dim_value() ? dim.dim_value() : 0);
    }
  }
  const bool image_like = shape.size() == 4 && shape_is_allowed({shape.begin() + 1, shape.end()});
  if (!image_like || (dims[0].has_dim_value() && shape[0] < 1)) {
    return error(
        Code::unsupported,
        "input '{}' has shape {} (0: free); allowed: {{N, channels, height, width}}, with N free and the others fixed "
        "numbers from 1 to {}, {} elements",
        image->name(), shown.empty() ? "scalar" : shown, kMaxSize, kMaxElements);
  }
  if (dims[0].has_dim_value()) state.batch = shape[0];
  state.graph.input = 0;
  state.graph.values.push_back({image->name(), {shape.begin() + 1, shape.end()}, std::nullopt});
  state.values.emplace(image->name(), 0);
  return {};
}

Result<void> import_nodes(ImportState& state, const onnx::GraphProto& graph) {
  for (int i = 0; i < graph.node_size(); ++i) {
    const onnx::NodeProto& node = graph.node(i);
    std::string wanted = node.name().empty() ? fmt::format("{}_{}", node.op_type(), i) : node.name();
    NodeImport import(state, node, claim_name(state.node_names, std::move(wanted)));
    if (!node.domain().empty() && node.domain() != "ai.onnx") {
      return error(Code::unsupported, "node '{}': operator {} of domain '{}' is not supported; supported: {}",
                   import.name(), node.op_type(), node.domain(), supported_operators());
    }
    OBSCURA_TRY_VOID(import_node(import));
  }
  return {};
}

Result<void> import_output(ImportState& state, const onnx::GraphProto& graph) {
  if (graph.output_size() != 1) {
    return error(Code::unsupported, "it has {} outputs; allowed: 1 row of logits", graph.output_size());
  }
  const std::string& name = graph.output(0).name();
  const auto found = state.values.find(name);
  if (found == state.values.end() || state.graph.values[found->second].constant || found->second == state.graph.input) {
    return error(Code::bad_format, "output '{}' is not computed by any node", name);
  }
  const Shape& shape = state.graph.values[found->second].shape;
  if (shape.size() != 1) {
    return error(Code::unsupported, "output '{}' has shape {} per image; allowed: one row of logits", name,
                 to_string(shape));
  }
  state.graph.output = found->second;
  return {};
}

// Leaves out what the output does not depend on, so that nobody after this has to think of it.
void prune(Graph& graph) {
  std::vector<bool> needed(graph.values.size(), false);
  needed[graph.output] = true;
  needed[graph.input] = true;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    if (!needed[node->output]) continue;
    for (const ValueId id : node->inputs) needed[id] = true;
  }
  std::erase_if(graph.nodes, [&](const Node& node) { return !needed[node.output]; });
  std::vector<ValueId> place(graph.values.size(), 0);
  std::vector<Value> kept;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (!needed[i]) continue;
    place[i] = static_cast<ValueId>(kept.size());
    kept.push_back(std::move(graph.values[i]));
  }
  graph.values = std::move(kept);
  graph.input = place[graph.input];
  graph.output = place[graph.output];
  for (Node& node : graph.nodes) {
    for (ValueId& id : node.inputs) id = place[id];
    node.output = place[node.output];
  }
}

Result<Graph> import_model(const onnx::ModelProto& model) {
  const onnx::GraphProto& graph = model.graph();
  OBSCURA_TRY_VOID(check_model(model));
  OBSCURA_TRY_VOID(check_names(graph));
  ImportState state;
  state.graph.name = graph.name();
  OBSCURA_TRY_VOID(collect_constants(state, graph));
  OBSCURA_TRY_VOID(import_input(state, graph));
  OBSCURA_TRY_VOID(import_nodes(state, graph));
  OBSCURA_TRY_VOID(import_output(state, graph));
  prune(state.graph);
  return std::move(state.graph);
}

}  // namespace

Result<Graph> read_onnx(base::ByteView bytes, const std::string& name) {
  if (bytes.size() > kMaxOnnxBytes) {
    return error(Code::bad_format, "{}: {} bytes; allowed: {}", name, bytes.size(), kMaxOnnxBytes);
  }
  const google::protobuf::LogSilencer silence;  // protobuf would print to standard error on a damaged file
  onnx::ModelProto model;
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return error(Code::bad_format, "{}: {} bytes that are not an ONNX model, or a truncated or damaged one", name,
                 bytes.size());
  }
  auto graph = import_model(model);
  if (!graph.ok()) return error(graph.error().code, "{}: {}", name, graph.error().message);
  return graph;
}

Result<Graph> read_onnx_file(const std::filesystem::path& path) {
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, kMaxOnnxBytes));
  return read_onnx(bytes, path.string());
}

}  // namespace obscura::nn
