// SPDX-License-Identifier: Apache-2.0
// The operators that are read, each one entry of a table: its name, how many inputs and which attributes it may
// have in any version, and what it does with values and with constants. The functions of single elements are those of
// approx::functions(). A new operator is an entry and a function, plus a row of nn/operators.cpp where no Op expresses
// it.
#include <algorithm>

#include "nn/infer.h"
#include "nn/onnx_model.h"
#include "nn/onnx_operators.h"

namespace obscura::nn {
namespace {

constexpr int kAnyInputs = static_cast<int>(kMaxConcat);

// clang-format off
std::vector<OnnxOperator> layers() {
  const std::vector<const char*> conv = {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"};
  return {
      {"Conv", 2, 3, conv, import_conv},
      {"ConvTranspose", 2, 3, {"auto_pad", "dilations", "group", "kernel_shape", "output_padding", "output_shape", "pads", "strides"},
       import_conv_transpose},
      {"BatchNormalization", 5, 5, {"epsilon", "momentum", "spatial", "training_mode"}, import_batch_normalization},
      {"AveragePool", 1, 1, {"auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"},
       import_average_pool},
      {"MaxPool", 1, 1, {"auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"},
       import_max_pool},
      {"GlobalAveragePool", 1, 1, {}, import_global_average_pool},
      {"GlobalMaxPool", 1, 1, {}, import_global_max_pool},
      {"Gemm", 2, 3, {"alpha", "beta", "transA", "transB"}, import_gemm},
      {"MatMul", 2, 2, {}, import_matmul, fold_product},
      {"LRN", 1, 1, {"alpha", "beta", "bias", "size"}, import_lrn},
      {"InstanceNormalization", 3, 3, {"epsilon"}, import_instance_normalization},
      {"LayerNormalization", 2, 3, {"axis", "epsilon", "stash_type"}, import_layer_normalization},
      {"GroupNormalization", 3, 3, {"epsilon", "num_groups", "stash_type"}, import_group_normalization},
      {"MeanVarianceNormalization", 1, 1, {"axes"}, import_mean_variance_normalization},
  };
}

std::vector<OnnxOperator> reductions() {
  std::vector<OnnxOperator> rows;
  for (const char* name : {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceSumSquare", "ReduceL2", "ReduceLogSumExp"}) {
    rows.push_back({name, 1, 2, {"axes", "keepdims", "noop_with_empty_axes"}, import_reduce});
  }
  return rows;
}

std::vector<OnnxOperator> activations() {
  std::vector<OnnxOperator> rows = {
      {"Clip", 1, 3, {"max", "min"}, import_clip},
      {"HardSigmoid", 1, 1, {"alpha", "beta"}, import_hard_sigmoid},
      {"PRelu", 2, 2, {}, import_prelu},
      {"Gelu", 1, 1, {"approximate"}, import_gelu},
      {"Softmax", 1, 1, {"axis", kOneAxis}, import_softmax},
      {"LogSoftmax", 1, 1, {"axis", kOneAxis}, import_softmax},
      {"ArgMax", 1, 1, {"axis", "keepdims", "select_last_index"}, import_argmax},
  };
  for (const approx::FunctionRow& function : approx::functions()) {
    const bool known = function.onnx == nullptr || std::any_of(rows.begin(), rows.end(), [&](const OnnxOperator& o) {
      return std::string(o.name) == function.onnx;
    });
    if (known) continue;
    std::vector<const char*> attributes;
    for (const approx::Parameter& parameter : function.parameters) attributes.push_back(parameter.name);
    rows.push_back({function.onnx, 1, 1, std::move(attributes), import_function, fold_unary});
  }
  return rows;
}

std::vector<OnnxOperator> arithmetic() {
  return {
      {"Add", 2, 2, {"axis", "broadcast"}, import_add, fold_binary},
      {"Sub", 2, 2, {"axis", "broadcast"}, import_sub, fold_binary},
      {"Mul", 2, 2, {"axis", "broadcast"}, import_mul, fold_binary},
      {"Div", 2, 2, {"axis", "broadcast"}, import_div, fold_binary},
      {"Pow", 2, 2, {}, import_pow, fold_binary},
      {"Sum", 1, kAnyInputs, {}, import_sum},
      {"Mean", 1, kAnyInputs, {}, import_sum},
      {"Max", 1, kAnyInputs, {}, import_extremum, fold_binary},
      {"Min", 1, kAnyInputs, {}, import_extremum, fold_binary},
      {"Neg", 1, 1, {}, import_neg, fold_unary},
      {"Ceil", 1, 1, {}, nullptr, fold_unary},
      {"Floor", 1, 1, {}, nullptr, fold_unary},
      {"Not", 1, 1, {}, nullptr, fold_unary},
      {"Equal", 2, 2, {}, nullptr, fold_binary},
      {"Greater", 2, 2, {}, nullptr, fold_binary},
      {"Less", 2, 2, {}, nullptr, fold_binary},
      {"And", 2, 2, {}, nullptr, fold_binary},
      {"Or", 2, 2, {}, nullptr, fold_binary},
      {"Mod", 2, 2, {"fmod"}, nullptr, fold_binary},
      {"Where", 3, 3, {}, import_where, fold_where},
  };
}

std::vector<OnnxOperator> moves() {
  return {
      {"Flatten", 1, 1, {"axis"}, import_flatten},
      {"Reshape", 1, 2, {"allowzero", "shape"}, import_reshape, fold_reshape},
      {"Squeeze", 1, 2, {"axes"}, import_squeeze, fold_squeeze},
      {"Unsqueeze", 1, 2, {"axes"}, import_unsqueeze, fold_unsqueeze},
      {"Transpose", 1, 1, {"perm"}, import_transpose, fold_transpose},
      {"Concat", 1, kAnyInputs, {"axis"}, import_concat, fold_concat},
      {"Slice", 1, 5, {"axes", "ends", "starts"}, import_slice, fold_slice},
      {"Split", 1, 2, {"axis", "num_outputs", "split"}, import_split},
      {"Pad", 1, 4, {"mode", "pads", "value"}, import_pad},
      {"Gather", 2, 2, {"axis"}, import_gather, fold_gather},
      {"Expand", 2, 2, {}, import_expand, fold_expand},
      {"Tile", 2, 2, {}, import_tile},
      {"Resize", 1, 4, {"antialias", "axes", "coordinate_transformation_mode", "cubic_coeff_a", "exclude_outside",
       "extrapolation_value", "keep_aspect_ratio_policy", "mode", "nearest_mode"}, import_resize},
      {"Upsample", 1, 2, {"mode", "scales"}, import_resize},
      {"DepthToSpace", 1, 1, {"blocksize", "mode"}, import_depth_to_space},
      {"SpaceToDepth", 1, 1, {"blocksize"}, import_space_to_depth},
      {"Identity", 1, 1, {}, import_identity, fold_identity},
      {"Dropout", 1, 3, {"ratio", "seed"}, import_dropout, import_dropout},
      {"Cast", 1, 1, {"saturate", "to"}, import_cast, fold_cast},
      {"Constant", 0, 0, {"value", "value_float", "value_floats", "value_int", "value_ints"}, import_constant},
      {"ConstantOfShape", 1, 1, {"value"}, nullptr, fold_constant_of_shape},
      {"Range", 3, 3, {}, nullptr, fold_range},
      {"Shape", 1, 1, {"end", "start"}, import_shape, import_shape},
      {"Size", 1, 1, {}, import_size, import_size},
  };
}

std::vector<OnnxOperator> quantized() {
  const std::vector<const char*> conv = {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"};
  return {
      {"QuantizeLinear", 2, 3, {"axis", "block_size", "output_dtype", "saturate"}, import_quantize},
      {"DequantizeLinear", 2, 3, {"axis", "block_size"}, import_dequantize, fold_dequantize},
      {"DynamicQuantizeLinear", 1, 1, {}, import_dynamic_quantize},
      {"QLinearConv", 8, 9, conv, import_quantized_conv},
      {"ConvInteger", 2, 4, conv, import_conv_integer},
      {"QLinearMatMul", 8, 8, {}, import_quantized_matmul},
      {"MatMulInteger", 2, 4, {}, import_matmul_integer},
  };
}

/// Of the domain com.microsoft, in which quantised networks are written.
std::vector<OnnxOperator> quantized_extensions() {
  return {
      {"QLinearAdd", 7, 8, {}, import_quantized_binary},
      {"QLinearMul", 7, 8, {}, import_quantized_binary},
      {"QLinearAveragePool", 4, 5, {"auto_pad", "ceil_mode", "channels_last", "count_include_pad", "kernel_shape", "pads", "strides"},
       import_quantized_unary},
      {"QLinearGlobalAveragePool", 4, 5, {"channels_last"}, import_quantized_unary},
      {"QLinearSoftmax", 4, 5, {"axis", "opset"}, import_quantized_unary},
      {"QLinearSigmoid", 4, 5, {}, import_quantized_unary},
      {"QLinearLeakyRelu", 4, 5, {"alpha"}, import_quantized_unary},
      {"QLinearConcat", 5, kAnyInputs, {"axis"}, import_quantized_concat},
      {"QGemm", 6, 9, {"alpha", "transA", "transB"}, import_quantized_gemm},
      {"QuantizeLinear", 2, 3, {"axis"}, import_quantize},
      {"DequantizeLinear", 2, 3, {"axis"}, import_dequantize, fold_dequantize},
      {"Gelu", 1, 1, {}, import_gelu},
  };
}
// clang-format on

const std::vector<OnnxOperator>& operators() {
  static const std::vector<OnnxOperator> kOperators = [] {
    std::vector<OnnxOperator> all = layers();
    for (const auto& group : {reductions(), activations(), arithmetic(), moves(), quantized()}) {
      all.insert(all.end(), group.begin(), group.end());
    }
    return all;
  }();
  return kOperators;
}

const std::vector<OnnxOperator>& extensions() {
  static const std::vector<OnnxOperator> kExtensions = quantized_extensions();
  return kExtensions;
}

// What to do about an operator that people meet often.
const char* hint(const std::string& name) {
  for (const char* recurrent : {"LSTM", "GRU", "RNN", "Loop", "Scan"}) {
    if (name == recurrent) return "; a network that computes step by step is not one of layers: use convolutions";
  }
  if (name == "If") return "; export the network with fixed sizes, so that nothing is chosen when it runs";
  if (name == "Einsum") return "; write the product as MatMul or as a convolution";
  return "";
}

}  // namespace

std::string supported_operators() {
  std::string list;
  for (const OnnxOperator& entry : operators()) {
    if (entry.import == nullptr) continue;  // what works on constants only is not what a network may compute
    if (!list.empty()) list += ", ";
    list += entry.name;
  }
  return list;
}

Result<void> import_node(NodeImport& node, const std::string& domain) {
  const bool standard = domain.empty() || domain == "ai.onnx";
  static const std::vector<OnnxOperator> kNone;
  const auto& table = standard ? operators() : domain == "com.microsoft" ? extensions() : kNone;
  const auto entry = std::find_if(table.begin(), table.end(), [&](const OnnxOperator& candidate) {
    return node.operator_name() == candidate.name;
  });
  if (entry == table.end()) {
    return error(Code::unsupported, "node '{}': operator {}{} is not supported{}; supported: {}", node.name(),
                 node.operator_name(), standard ? "" : fmt::format(" of domain '{}'", domain),
                 hint(node.operator_name()), supported_operators());
  }
  OBSCURA_TRY_VOID(node.check_form(entry->min_inputs, entry->max_inputs, entry->attributes));
  if (entry->fold != nullptr && node.has_constant_inputs_only()) return entry->fold(node);
  if (entry->import != nullptr) return entry->import(node);
  return node.fail(Code::unsupported, "it computes with values of the image; allowed: with constants only");
}

}  // namespace obscura::nn
