// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/stubs/logging.h>

#include <algorithm>

#include "base/files.h"
#include "nn/infer.h"
#include "nn/onnx.h"
#include "nn/onnx_constants.h"
#include "nn/onnx_import.h"
#include "nn/onnx_spellings.h"

namespace obscura::nn {
namespace {

constexpr int kMaxNodes = 100'000;
constexpr std::int64_t kMinOpset = 10;
constexpr std::int64_t kMaxOpset = 21;

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
    if (tensor.name().empty() || !state.constants.emplace(tensor.name(), KnownConstant{&tensor, nullptr}).second) {
      return error(Code::bad_format, "constant '{}' is defined twice or has no name", tensor.name());
    }
  }
  for (const auto& node : graph.node()) {
    for (const auto& name : node.output()) state.value_names.insert(name);
    for (const auto& name : node.input()) ++state.readers[name];
  }
  for (const auto& output : graph.output()) {
    ++state.readers[output.name()];
    state.output_name = output.name();
  }
  for (const auto& tensor : graph.initializer()) state.value_names.insert(tensor.name());
  for (const auto& input : graph.input()) state.value_names.insert(input.name());
  return {};
}

// "Nx3xheightx32", as the file has it.
std::string shown_dims(const onnx::TensorShapeProto& shape) {
  std::string shown;
  for (const auto& dim : shape.dim()) {
    if (!shown.empty()) shown += 'x';
    const bool named = dim.has_dim_param() && !dim.dim_param().empty() && is_readable_name(dim.dim_param());
    shown += dim.has_dim_value() ? std::to_string(dim.dim_value()) : named ? dim.dim_param() : "?";
    if (shown.size() > 80) return shown + "...";
  }
  return shown.empty() ? "scalar" : shown;
}

// {N, C, H, W}, N free or fixed.
Result<Shape> image_shape_of(const onnx::ValueInfoProto& image) {
  const auto& dims = image.type().tensor_type().shape();
  const std::string shown = shown_dims(dims);
  constexpr std::array<const char*, 4> kAxes = {"number of images", "channels", "height", "width"};
  Shape shape;
  for (int i = 0; i < dims.dim_size() && dims.dim_size() == 4; ++i) {
    shape.push_back(dims.dim(i).dim_value());
    if (i == 0 || (dims.dim(i).has_dim_value() && shape.back() > 0)) continue;
    return error(
        Code::unsupported,
        "input '{}' has shape {}, whose axis {} ({}) is free; allowed: N free and all others fixed numbers, to "
        "be fixed when exporting",
        image.name(), shown, i, kAxes[static_cast<std::size_t>(i)]);
  }
  const bool image_like = shape.size() == 4 && shape_is_allowed({shape.begin() + 1, shape.end()});
  if (!image_like || (dims.dim(0).has_dim_value() && shape[0] < 1)) {
    return error(Code::unsupported,
                 "input '{}' has shape {}; allowed: {{N, channels, height, width}}, with N free or at least 1 and the "
                 "others from 1 to {}, {} elements",
                 image.name(), shown, kMaxSize, kMaxElements);
  }
  return shape;
}

// The one input that is not an initializer.
Result<void> import_input(ImportState& state, const onnx::GraphProto& graph) {
  const onnx::ValueInfoProto* image = nullptr;
  std::string names;
  int count = 0;
  for (const auto& input : graph.input()) {
    if (state.constants.contains(input.name())) continue;
    if (image == nullptr) image = &input;
    ++count;
    if (names.size() < 80) names += fmt::format("{}'{}'", names.empty() ? "" : ", ", input.name());
  }
  if (count != 1) {
    return error(Code::unsupported,
                 "it has {} inputs that are not constants{}{}; allowed: 1 image (weights are initializers of the file)",
                 count, count > 0 ? ": " : "", names);
  }
  if (image->name().empty() || image->type().tensor_type().elem_type() != onnx::TensorProto::FLOAT) {
    return error(Code::unsupported, "input '{}' is not a tensor of floats; allowed: FLOAT", image->name());
  }
  OBSCURA_TRY(const Shape shape, image_shape_of(*image));
  if (image->type().tensor_type().shape().dim(0).has_dim_value()) state.batch = shape[0];
  state.graph.input = 0;
  state.graph.values.push_back({image->name(), {shape.begin() + 1, shape.end()}, std::nullopt});
  state.values.emplace(image->name(), 0);
  return {};
}

Result<void> import_nodes(ImportState& state, const onnx::GraphProto& graph) {
  const Spellings spellings = find_spellings(graph);
  for (int i = 0; i < graph.node_size(); ++i) {
    if (spellings.inner.contains(i)) continue;
    const onnx::NodeProto& node = graph.node(i);
    std::string wanted = node.name().empty() ? fmt::format("{}_{}", node.op_type(), i) : node.name();
    NodeImport import(state, node, claim_name(state.node_names, std::move(wanted)));
    if (!node.domain().empty() && node.domain() != "ai.onnx") {
      return error(Code::unsupported, "node '{}': operator {} of domain '{}' is not supported; supported: {}",
                   import.name(), node.op_type(), node.domain(), supported_operators());
    }
    if (const auto gelu = spellings.gelu_input.find(i); gelu != spellings.gelu_input.end()) {
      OBSCURA_TRY_VOID(import.check_form(2, 2, {}));
      OBSCURA_TRY(const ValueId x, import.input(0, gelu->second));
      OBSCURA_TRY_VOID(import.emit(Op::gelu, {x}));
      continue;
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
  Graph& out = state.graph;
  out.output = found->second;
  const Shape shape = out.values[out.output].shape;
  if (shape.size() == 1) return {};
  if (shape.size() != 3 || shape[1] != 1 || shape[2] != 1) {
    return error(Code::unsupported, "output '{}' has shape {} per image; allowed: one row of logits", name,
                 to_string(shape));
  }
  // One number a channel is a row of logits, too.
  const auto row = static_cast<ValueId>(out.values.size());
  out.values.push_back({claim_name(state.value_names, name + "/row"), {}, std::nullopt});
  out.nodes.push_back({Op::flatten, claim_name(state.node_names, name + "/flatten"), {out.output}, row, {}});
  out.output = row;
  return infer_shape(out, out.nodes.back());
}

Result<Graph> import_model(const onnx::ModelProto& model) {
  const onnx::GraphProto& graph = model.graph();
  OBSCURA_TRY_VOID(check_model(model));
  OBSCURA_TRY_VOID(check_names(graph));
  ImportState state;
  state.graph.name = graph.name();
  state.opset = operator_set(model);
  OBSCURA_TRY_VOID(collect_constants(state, graph));
  OBSCURA_TRY_VOID(import_input(state, graph));
  OBSCURA_TRY_VOID(import_nodes(state, graph));
  OBSCURA_TRY_VOID(import_output(state, graph));
  leave_out_unused(state.graph);
  merge_activations(state.graph);
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
