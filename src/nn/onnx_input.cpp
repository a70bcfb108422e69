// SPDX-License-Identifier: Apache-2.0
#include "nn/onnx_input.h"

#include <algorithm>

#include "nn/infer.h"
#include "nn/onnx_model.h"

namespace obscura::nn {
namespace {

constexpr std::array<const char*, 5> kAxes = {"number of images", "first", "second", "third", "fourth"};

bool is_free(const onnx::TensorShapeProto::Dimension& dim) { return !dim.has_dim_value() || dim.dim_value() <= 0; }

/// The only node that reads a name, or nothing.
const onnx::NodeProto* only_reader(const onnx::GraphProto& graph, const std::string& name) {
  const onnx::NodeProto* reader = nullptr;
  for (const auto& node : graph.node()) {
    if (std::find(node.input().begin(), node.input().end(), name) == node.input().end()) continue;
    if (reader != nullptr) return nullptr;
    reader = &node;
  }
  return reader;
}

/// Does every node that reads it turn channels from last to first?
bool is_turned_to_channels_first(const onnx::GraphProto& graph, const std::string& name) {
  bool any = false;
  for (const auto& node : graph.node()) {
    if (std::find(node.input().begin(), node.input().end(), name) == node.input().end()) continue;
    if (node.op_type() != "Transpose" || node.attribute_size() != 1 || node.attribute(0).ints_size() != 4) return false;
    const auto& order = node.attribute(0).ints();
    if (order.Get(0) != 0 || order.Get(1) != 3) return false;
    any = true;
  }
  return any;
}

/// Does a layer that wants channels first read it as it is?
bool is_read_channels_first(const onnx::GraphProto& graph, const std::string& name) {
  for (const auto& node : graph.node()) {
    if (std::find(node.input().begin(), node.input().end(), name) == node.input().end()) continue;
    for (const char* layer : {"Conv", "ConvTranspose", "QLinearConv", "ConvInteger", "MaxPool", "AveragePool", "LRN",
                              "BatchNormalization", "InstanceNormalization", "GlobalAveragePool", "GlobalMaxPool"}) {
      if (node.op_type() == layer) return true;
    }
  }
  return false;
}

/// Pictures have 1, 3 or 4 channels: where the last axis could be them and the first can not, they are last.
/// A file that says which axis is the channels (a dimension's denotation) is believed.
bool channels_last(const onnx::GraphProto& graph, const onnx::ValueInfoProto& input, const Shape& image) {
  const std::string& name = input.name();
  const auto& dims = input.type().tensor_type().shape();
  for (int i = 0; i < dims.dim_size(); ++i) {
    if (dims.dim(i).denotation() == kChannelAxis) return i + 1 == dims.dim_size();
  }
  if (is_turned_to_channels_first(graph, name)) return true;
  if (is_read_channels_first(graph, name)) return false;
  const auto could_be = [](std::int64_t size) { return size == 1 || size == 3 || size == 4; };
  return could_be(image[2]) && !could_be(image[0]);
}

/// Whether the file's first axis is that of the images. Without one, the first axis of three is the channels.
bool has_images(const onnx::GraphProto& graph, const onnx::TensorShapeProto& dims) {
  if (dims.dim_size() == 0) return false;
  if (dims.dim_size() >= 4 || is_free(dims.dim(0)) || dims.dim(0).dim_value() == 1) return true;
  if (dims.dim_size() == 1) return false;
  for (const auto& output : graph.output()) {
    const auto& shape = output.type().tensor_type().shape();
    if (shape.dim_size() >= 2 && shape.dim(0).dim_value() == dims.dim(0).dim_value()) return true;
  }
  return dims.dim_size() == 2;
}

/// The file's shape for one image: without free axes, and 1 in the place of the images.
Result<Shape> file_shape(ImportState& state, const onnx::GraphProto& graph, const onnx::ValueInfoProto& input,
                         const ReadOptions& options) {
  const auto& dims = input.type().tensor_type().shape();
  const std::string shown = shown_shape(input);
  const bool images = has_images(graph, dims);
  constexpr int kMaxRank = 4;
  if (dims.dim_size() == 0 || dims.dim_size() > kMaxRank) {
    return error(
        Code::unsupported,
        "input '{}' has shape {}; allowed: {{N, channels, height, width}}, {{N, height, width, channels}}, {{N, "
        "height, width}}, {{N, channels, length}} or {{N, features}} (volumes are not supported)",
        input.name(), shown);
  }
  Shape shape;
  std::size_t given = 0;
  for (int i = 0; i < dims.dim_size(); ++i) {
    if (i == 0 && images) {
      if (!is_free(dims.dim(0))) state.batch = dims.dim(0).dim_value();
      shape.push_back(1);
      continue;
    }
    if (!is_free(dims.dim(i))) {
      shape.push_back(dims.dim(i).dim_value());
      continue;
    }
    // The sizes that options give are those of {C, H, W}: they stand for the file's axes in order.
    const std::size_t axis = static_cast<std::size_t>(i) - (images ? 1 : 0);
    if (options.shape.size() + (images ? 1 : 0) != static_cast<std::size_t>(dims.dim_size())) {
      return error(Code::unsupported,
                   "input '{}' has shape {}, whose {} axis is free; allowed: only N free. Say the image's size with "
                   "--shape, such as --shape 3x32x32, or fix it when exporting",
                   input.name(), shown, kAxes[std::min(axis + 1, kAxes.size() - 1)]);
    }
    shape.push_back(options.shape[axis]);
    ++given;
  }
  if (!shape_is_allowed(shape) || state.batch > kMaxSize) {
    return error(Code::unsupported, "input '{}' has shape {}; allowed: sizes from 1 to {}, {} elements", input.name(),
                 shown, kMaxSize, kMaxElements);
  }
  if (!options.shape.empty() && given == 0) {
    return error(Code::wrong_params, "input '{}' has shape {} in the file; a shape is given only where it is free",
                 input.name(), shown);
  }
  return shape;
}

/// An input that is a constant in practice.
Result<void> give_constant(ImportState& state, const onnx::ValueInfoProto& input, const std::vector<float>& numbers) {
  const auto& dims = input.type().tensor_type().shape();
  Constant out;
  for (const auto& dim : dims.dim()) out.shape.push_back(is_free(dim) ? 1 : dim.dim_value());
  if (!shape_is_allowed(out.shape)) {
    return error(Code::unsupported, "input '{}' has shape {}; allowed: {} elements", input.name(), shown_shape(input),
                 kMaxElements);
  }
  const auto count = static_cast<std::size_t>(element_count(out.shape));
  if (numbers.size() != 1 && numbers.size() != count) {
    return error(Code::wrong_params, "input '{}' has shape {}, and {} numbers are given for it; allowed: {}, or one",
                 input.name(), shown_shape(input), numbers.size(), count);
  }
  const auto type = input.type().tensor_type().elem_type();
  out.is_integer =
      type == onnx::TensorProto::INT64 || type == onnx::TensorProto::INT32 || type == onnx::TensorProto::BOOL;
  for (std::size_t i = 0; i < count; ++i) {
    const float number = numbers.size() == 1 ? numbers[0] : numbers[i];
    out.is_integer ? out.integers.push_back(static_cast<std::int64_t>(number)) : out.reals.push_back(number);
  }
  state.constants[input.name()] = {nullptr, std::make_shared<const Constant>(std::move(out))};
  return {};
}

Result<const onnx::ValueInfoProto*> image_input(ImportState& state, const onnx::GraphProto& graph,
                                                const std::unordered_set<std::string>& needed,
                                                const ReadOptions& options) {
  std::vector<const onnx::ValueInfoProto*> images;
  std::string all;
  for (const auto& input : graph.input()) {
    if (state.constants.contains(input.name()) || !needed.contains(input.name())) continue;
    if (const auto given = options.values.find(input.name()); given != options.values.end()) {
      OBSCURA_TRY_VOID(give_constant(state, input, given->second));
      continue;
    }
    images.push_back(&input);
    if (all.size() < 400) all += fmt::format("{}'{}' {}", all.empty() ? "" : ", ", input.name(), shown_shape(input));
  }
  for (const auto& [name, numbers] : options.values) {
    const bool known = std::any_of(graph.input().begin(), graph.input().end(),
                                   [&, &wanted = name](const auto& input) { return input.name() == wanted; });
    if (!known) return error(Code::wrong_params, "it has no input '{}'; it has {}", name, all.empty() ? "none" : all);
  }
  if (images.size() == 1) return images[0];
  if (images.empty()) {
    return error(Code::bad_format, "no input that is not a constant leads to its output; allowed: 1 image");
  }
  return error(
      Code::unsupported,
      "it has {} inputs that are not constants{}{}; allowed: 1 image (an input that is always the same is given "
      "as --input NAME=NUMBER)",
      images.size(), all.empty() ? "" : ": ", all);
}

/// {C, H, W} of an image of the file's shape, whose axes have that order.
Shape picture_shape(const onnx::GraphProto& graph, const std::string& name, const Shape& image) {
  if (image.size() == 3) return image;
  if (image.size() == 2) {
    const onnx::NodeProto* reader = only_reader(graph, name);
    const bool row = reader != nullptr && (reader->op_type() == "Conv" || reader->op_type() == "QLinearConv");
    if (row) return {image[0], 1, image[1]};
    if (image[1] == 1) return {1, 1, image[0]};
    return {1, image[0], image[1]};
  }
  return {1, 1, element_count(image)};
}

}  // namespace

std::string shown_shape(const onnx::ValueInfoProto& value) {
  std::string shown;
  for (const auto& dim : value.type().tensor_type().shape().dim()) {
    if (!shown.empty()) shown += 'x';
    const bool named = dim.has_dim_param() && !dim.dim_param().empty() && is_readable_name(dim.dim_param());
    shown += dim.has_dim_value() ? std::to_string(dim.dim_value()) : named ? dim.dim_param() : "?";
    if (shown.size() > 80) return shown + "...";
  }
  return shown.empty() ? "scalar" : shown;
}

Result<void> import_input(ImportState& state, const onnx::GraphProto& graph,
                          const std::unordered_set<std::string>& needed, const ReadOptions& options) {
  OBSCURA_TRY(const onnx::ValueInfoProto* input, image_input(state, graph, needed, options));
  const std::string& name = input->name();
  using Proto = onnx::TensorProto;
  const auto type = input->type().tensor_type().elem_type();
  const bool bytes = type == Proto::UINT8;
  if (name.empty() ||
      (type != Proto::FLOAT && type != Proto::DOUBLE && type != Proto::FLOAT16 && type != Proto::BFLOAT16 && !bytes)) {
    return error(Code::unsupported,
                 "input '{}' is not a tensor of floats or bytes; allowed: FLOAT, DOUBLE, FLOAT16, UINT8", name);
  }
  OBSCURA_TRY(const Shape shape, file_shape(state, graph, *input, options));
  const bool images = has_images(graph, input->type().tensor_type().shape());
  const Shape image = images ? Shape(shape.begin() + 1, shape.end()) : shape;
  Graph& out = state.graph;
  Shape picture = picture_shape(graph, name, image);
  const bool last = image.size() == 3 && channels_last(graph, *input, image);
  if (last) picture = {image[2], image[0], image[1]};
  out.input = 0;
  out.values.push_back({name, picture, std::nullopt});
  // A network on bytes sees pixels from 0 to 255.
  if (bytes && out.metadata.std.empty()) {
    out.metadata.std.assign(static_cast<std::size_t>(picture[0]), 1.0 / 255);
  }
  FileValue value{0, shape};
  if (last) {
    Attributes a;
    a.permutation = {1, 2, 0};
    out.values.push_back({claim_name(state.value_names, name + "/channels_last"), {}, std::nullopt});
    out.nodes.push_back({Op::transpose, claim_name(state.node_names, name + "/channels_last"), {0}, 1, a});
    OBSCURA_TRY_VOID(infer_shape(out, out.nodes.back()));
    value.id = 1;
  }
  state.values.emplace(name, std::move(value));
  return {};
}

}  // namespace obscura::nn
