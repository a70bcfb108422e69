// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/stubs/logging.h>

#include <algorithm>

#include "base/files.h"
#include "nn/infer.h"
#include "nn/onnx.h"
#include "nn/onnx_import.h"
#include "nn/onnx_input.h"
#include "nn/onnx_model.h"
#include "nn/simplify.h"

namespace obscura::nn {
namespace {

std::int64_t operator_set(const onnx::ModelProto& model) {
  std::int64_t opset = 0;
  for (const auto& import : model.opset_import()) {
    if (import.domain().empty() || import.domain() == "ai.onnx") opset = import.version();
  }
  return opset;
}

Result<void> check_model(const onnx::ModelProto& model) {
  if (!model.has_graph()) return error(Code::bad_format, "it holds no ONNX graph; allowed: an ONNX model");
  const std::int64_t opset = operator_set(model);
  if (opset < kMinOpset || opset > kMaxOpset) {
    return error(Code::unsupported, "it uses operator set {}; allowed: {} to {} (export with opset_version={})", opset,
                 kMinOpset, kMaxOpset, opset < kMinOpset ? kMinOpset : 18);
  }
  const auto& graph = model.graph();
  for (const auto& [what, count] :
       {std::pair{"nodes", graph.node_size()}, std::pair{"constants", graph.initializer_size()},
        std::pair{"inputs", graph.input_size()}, std::pair{"outputs", graph.output_size()}}) {
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
    if (tensor.name().empty() || !state.constants.emplace(tensor.name(), KnownConstant{&tensor, nullptr}).second) {
      return error(Code::bad_format, "constant '{}' is defined twice or has no name", tensor.name());
    }
    state.value_names.insert(tensor.name());
  }
  for (const auto& node : graph.node()) {
    for (const auto& name : node.output()) state.value_names.insert(name);
  }
  for (const auto& input : graph.input()) state.value_names.insert(input.name());
  return {};
}

/// The output that was asked for, or the only one.
Result<std::string> chosen_output(const onnx::GraphProto& graph, const std::string& wanted) {
  std::string all;
  std::unordered_set<std::string> names;  // some exporters list an output twice
  for (const auto& output : graph.output()) {
    if (output.name() == wanted) return wanted;
    if (!names.insert(output.name()).second) continue;
    if (all.size() < 400) all += fmt::format("{}'{}' {}", all.empty() ? "" : ", ", output.name(), shown_shape(output));
  }
  if (!wanted.empty()) {
    return error(Code::wrong_params, "it has no output '{}'; there are {}", wanted, all.empty() ? "none" : all);
  }
  if (names.size() == 1) return graph.output(0).name();
  return error(Code::unsupported, "it has {} outputs{}{}; allowed: 1 (choose one with --output NAME)", names.size(),
               all.empty() ? "" : ": ", all);
}

/// Which nodes the output depends on, and every name that they read.
struct Needed {
  std::vector<bool> nodes;
  std::unordered_set<std::string> names;
};

Needed needed_for(const onnx::GraphProto& graph, const std::string& output) {
  Needed needed{std::vector<bool>(static_cast<std::size_t>(graph.node_size()), false), {output}};
  for (int i = graph.node_size(); i-- > 0;) {
    const auto& node = graph.node(i);
    const bool any = std::any_of(node.output().begin(), node.output().end(),
                                 [&](const std::string& name) { return needed.names.contains(name); });
    if (!any) continue;
    needed.nodes[static_cast<std::size_t>(i)] = true;
    needed.names.insert(node.input().begin(), node.input().end());
  }
  return needed;
}

/// What may follow an ArgMax.
bool keeps_the_answer(const std::string& operator_name) {
  for (const char* name : {"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Constant"}) {
    if (operator_name == name) return true;
  }
  return false;
}

Result<void> import_nodes(ImportState& state, const onnx::GraphProto& graph, const Needed& needed) {
  for (int i = 0; i < graph.node_size(); ++i) {
    if (!needed.nodes[static_cast<std::size_t>(i)]) continue;
    const onnx::NodeProto& node = graph.node(i);
    std::string wanted = node.name().empty() ? fmt::format("{}_{}", node.op_type(), i) : node.name();
    NodeImport import(state, node, claim_name(state.node_names, std::move(wanted)));
    if (state.argmax && !keeps_the_answer(node.op_type())) {
      return import.fail(Code::unsupported, "it follows an ArgMax; allowed: ArgMax as the last node");
    }
    OBSCURA_TRY_VOID(import_node(import, node.domain()));
  }
  return {};
}

Result<void> import_output(ImportState& state, const std::string& name) {
  const auto found = state.values.find(name);
  if (found == state.values.end()) {
    return error(Code::bad_format, "output '{}' is not computed from the image by any node", name);
  }
  Graph& out = state.graph;
  out.output = found->second.id;
  const Shape& shape = found->second.shape;
  const std::int64_t count = element_count(shape);
  const bool row =
      std::all_of(shape.begin(), shape.end(), [&](std::int64_t size) { return size == 1 || size == count; });
  if (!row) {
    return error(Code::unsupported,
                 "output '{}' has shape {} for one image; allowed: one row of numbers, one a class (a network that "
                 "gives an image or many rows is not a classifier)",
                 name, to_string(shape));
  }
  return {};
}

Result<Graph> import_model(onnx::ModelProto& model, const ReadOptions& options) {
  OBSCURA_TRY_VOID(check_model(model));
  OBSCURA_TRY_VOID(inline_functions(model));
  onnx::GraphProto& graph = *model.mutable_graph();
  OBSCURA_TRY_VOID(check_names(graph));
  OBSCURA_TRY_VOID(sort_nodes(graph));
  OBSCURA_TRY(const std::string output, chosen_output(graph, options.output));
  name_softmaxes(graph);
  ImportState state;
  state.graph.name = graph.name();
  state.opset = operator_set(model);
  OBSCURA_TRY(state.graph.metadata, read_metadata(model));
  OBSCURA_TRY_VOID(collect_constants(state, graph));
  const Needed needed = needed_for(graph, output);
  OBSCURA_TRY_VOID(import_input(state, graph, needed.names, options));
  OBSCURA_TRY_VOID(import_nodes(state, graph, needed));
  OBSCURA_TRY_VOID(import_output(state, output));
  if (state.argmax) state.graph.ending = Ending::argmax;
  OBSCURA_TRY_VOID(simplify(state.graph, output));
  return std::move(state.graph);
}

Result<Graph> named(Result<Graph> graph, const std::string& name) {
  if (!graph.ok()) return error(graph.error().code, "{}: {}", name, graph.error().message);
  return graph;
}

Error not_a_model(const std::string& name, std::uint64_t bytes) {
  return error(Code::bad_format, "{}: {} bytes that are not an ONNX model, or a truncated or damaged one", name, bytes);
}

}  // namespace

Result<Graph> read_onnx(base::ByteView bytes, const std::string& name, const ReadOptions& options) {
  if (bytes.size() > kMaxOnnxBytes) {
    return error(Code::bad_format, "{}: {} bytes; allowed: {}", name, bytes.size(), kMaxOnnxBytes);
  }
  const google::protobuf::LogSilencer silence;  // protobuf would print to standard error on a damaged file
  onnx::ModelProto model;
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return not_a_model(name, bytes.size());
  return named(import_model(model, options), name);
}

Result<Graph> read_onnx_file(const std::filesystem::path& path, const ReadOptions& options) {
  const std::string name = path.string();
  OBSCURA_TRY(base::Bytes bytes, base::read_file(path, kMaxOnnxBytes));
  const google::protobuf::LogSilencer silence;
  onnx::ModelProto model;
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return not_a_model(name, bytes.size());
  base::Bytes().swap(bytes);  // the model has its own
  const auto loaded = load_external_data(*model.mutable_graph(), path.parent_path());
  if (!loaded.ok()) return error(loaded.error().code, "{}: {}", name, loaded.error().message);
  return named(import_model(model, options), name);
}

}  // namespace obscura::nn
