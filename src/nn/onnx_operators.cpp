// SPDX-License-Identifier: Apache-2.0
// The operators that are read, each one entry of a table: its name, how many inputs and which attributes it may
// have, and what it does with values and with constants. A new operator is an entry and a function, plus a shape rule
// (infer.cpp) and a kernel (reference_*.cpp) where no existing Op expresses it.
#include "nn/onnx_operators.h"

#include <algorithm>

#include "nn/infer.h"

namespace obscura::nn {
namespace {

using Import = Result<void> (*)(NodeImport&);

struct Operator {
  const char* name;
  int min_inputs;
  int max_inputs;
  std::vector<const char*> attributes;  ///< any other is an error: it could change the meaning
  Import import;                        ///< of a value computed from the image; none: of constants only
  Import fold = nullptr;                ///< of constants only
};

constexpr int kMany = static_cast<int>(kMaxConcat);

// clang-format off
std::vector<Operator> layers() {
  return {
      {"Conv", 2, 3, {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"}, import_conv},
      {"BatchNormalization", 5, 5, {"epsilon", "momentum", "training_mode"}, import_batch_normalization},
      {"AveragePool", 1, 1, {"auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"},
       import_average_pool},
      {"MaxPool", 1, 1, {"auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"},
       import_max_pool},
      {"GlobalAveragePool", 1, 1, {}, import_global_average_pool},
      {"GlobalMaxPool", 1, 1, {}, import_global_max_pool},
      {"ReduceMean", 1, 2, {"axes", "keepdims", "noop_with_empty_axes"}, import_reduce_mean},
      {"Gemm", 2, 3, {"alpha", "beta", "transA", "transB"}, import_gemm},
      {"MatMul", 2, 2, {}, import_gemm},
      {"LRN", 1, 1, {"alpha", "beta", "bias", "size"}, import_lrn},
  };
}

std::vector<Operator> activations() {
  return {
      {"Relu", 1, 1, {}, import_function<Op::relu>},
      {"LeakyRelu", 1, 1, {"alpha"}, import_leaky_relu},
      {"PRelu", 2, 2, {}, import_prelu},
      {"Sigmoid", 1, 1, {}, import_function<Op::sigmoid>},
      {"Tanh", 1, 1, {}, import_function<Op::tanh>},
      {"Softplus", 1, 1, {}, import_function<Op::softplus>},
      {"Gelu", 1, 1, {"approximate"}, import_gelu},
      {"Mish", 1, 1, {}, import_function<Op::mish>},
      {"Softmax", 1, 1, {"axis"}, import_softmax},
      {"LogSoftmax", 1, 1, {"axis"}, import_softmax},
  };
}

std::vector<Operator> arithmetic() {
  return {
      {"Add", 2, 2, {}, import_add, fold_binary},
      {"Sub", 2, 2, {}, import_sub, fold_binary},
      {"Mul", 2, 2, {}, import_mul, fold_binary},
      {"Div", 2, 2, {}, import_div, fold_binary},
      {"Pow", 2, 2, {}, import_pow, fold_binary},
      {"Sum", 1, kMany, {}, import_sum},
      {"Neg", 1, 1, {}, import_neg, fold_unary},
      {"Abs", 1, 1, {}, nullptr, fold_unary},
      {"Ceil", 1, 1, {}, nullptr, fold_unary},
      {"Exp", 1, 1, {}, nullptr, fold_unary},
      {"Floor", 1, 1, {}, nullptr, fold_unary},
      {"Log", 1, 1, {}, nullptr, fold_unary},
      {"Reciprocal", 1, 1, {}, nullptr, fold_unary},
      {"Sqrt", 1, 1, {}, nullptr, fold_unary},
      {"Equal", 2, 2, {}, nullptr, fold_binary},
      {"Max", 2, 2, {}, nullptr, fold_binary},
      {"Min", 2, 2, {}, nullptr, fold_binary},
      {"Where", 3, 3, {}, nullptr, fold_where},
  };
}

std::vector<Operator> shapes() {
  return {
      {"Flatten", 1, 1, {"axis"}, import_flatten},
      {"Reshape", 2, 2, {"allowzero"}, import_reshape, fold_reshape},
      {"Squeeze", 1, 2, {"axes"}, import_squeeze, fold_squeeze},
      {"Unsqueeze", 1, 2, {"axes"}, import_unsqueeze, fold_unsqueeze},
      {"Transpose", 1, 1, {"perm"}, import_transpose, fold_transpose},
      {"Concat", 1, kMany, {"axis"}, import_concat, fold_concat},
      {"Slice", 3, 5, {}, import_slice, fold_slice},
      {"Pad", 1, 4, {"mode", "pads", "value"}, import_pad},
      {"Identity", 1, 1, {}, import_identity, fold_identity},
      {"Dropout", 1, 3, {"ratio", "seed"}, import_dropout, import_dropout},
      {"Cast", 1, 1, {"to"}, import_cast, fold_cast},
      {"Constant", 0, 0, {"value", "value_float", "value_floats", "value_int", "value_ints"}, import_constant},
      {"ConstantOfShape", 1, 1, {"value"}, nullptr, fold_constant_of_shape},
      {"Expand", 2, 2, {}, nullptr, fold_expand},
      {"Gather", 2, 2, {"axis"}, nullptr, fold_gather},
      {"Shape", 1, 1, {"end", "start"}, import_shape, import_shape},
  };
}

// clang-format on

const std::vector<Operator>& operators() {
  static const std::vector<Operator> kOperators = [] {
    std::vector<Operator> all = layers();
    for (const auto& group : {activations(), arithmetic(), shapes()}) all.insert(all.end(), group.begin(), group.end());
    return all;
  }();
  return kOperators;
}

// What to do about an operator that people meet often.
const char* hint(const std::string& name) {
  constexpr std::array<const char*, 8> kActivations = {"Clip",        "Elu",       "Selu",     "Celu",
                                                       "HardSigmoid", "HardSwish", "Softsign", "ThresholdedRelu"};
  if (std::find(kActivations.begin(), kActivations.end(), name) != kActivations.end()) {
    return "; train the network with one of the activations that are (for Clip, that is ReLU6: with Relu)";
  }
  if (name == "Erf") return "; it is read as part of a GELU, x (1 + erf(x / sqrt 2)) / 2";
  if (name == "QLinearConv" || name == "DequantizeLinear" || name == "QuantizeLinear") {
    return "; export the network with float weights";
  }
  return "";
}

}  // namespace

std::string supported_operators() {
  std::string list;
  for (const Operator& entry : operators()) {
    if (!list.empty()) list += ", ";
    list += entry.name;
  }
  return list;
}

Result<void> import_node(NodeImport& node) {
  const auto& table = operators();
  const auto entry = std::find_if(table.begin(), table.end(),
                                  [&](const Operator& candidate) { return node.operator_name() == candidate.name; });
  if (entry == table.end()) {
    return error(Code::unsupported, "node '{}': operator {} is not supported; supported: {}{}", node.name(),
                 node.operator_name(), supported_operators(), hint(node.operator_name()));
  }
  OBSCURA_TRY_VOID(node.check_form(entry->min_inputs, entry->max_inputs, entry->attributes));
  if (entry->fold != nullptr && node.has_constant_inputs_only()) return entry->fold(node);
  if (entry->import != nullptr) return entry->import(node);
  return node.fail(Code::unsupported, "it computes with values of the image; allowed: with constants only");
}

}  // namespace obscura::nn
