// SPDX-License-Identifier: Apache-2.0
/// Networks on floats, as read from ONNX: nodes in topological order over named values.
///
/// The batch dimension is dropped everywhere: shapes are those of one image, {C, H, W} or {features}. Constants
/// (weights) keep the shape of the file.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"

namespace obscura::nn {

using Shape = std::vector<std::int64_t>;

/// Product of the sizes; 1 for a scalar.
std::int64_t element_count(const Shape& shape);
/// "3x32x32"; "scalar" for a scalar.
std::string to_string(const Shape& shape);

/// Row-major floats.
struct Tensor {
  Shape shape;
  std::vector<float> data;
};

enum class Op {
  conv,                 ///< inputs x, weight {Cout, Cin/groups, kh, kw}, optional bias {Cout}
  batch_normalization,  ///< inputs x, scale, bias, mean, variance, each {C}
  average_pool,
  global_average_pool,
  gemm,      ///< inputs x, weight {in, out} ({out, in} where transpose_b), optional bias; alpha and beta
  flatten,   ///< to {features}
  identity,  ///< also Dropout at inference
  add,       ///< of two values, or of a value and a constant; broadcast as in ONNX
  mul,
  pow,  ///< of a value and a constant scalar exponent
};
inline constexpr int kOpCount = 10;
const char* to_string(Op op);

struct Attributes {
  std::array<std::int64_t, 2> kernel{1, 1};
  std::array<std::int64_t, 2> strides{1, 1};
  std::array<std::int64_t, 2> dilations{1, 1};
  std::array<std::int64_t, 4> pads{0, 0, 0, 0};  ///< top, left, bottom, right
  std::int64_t groups = 1;
  bool count_include_pad = false;  ///< average_pool: divide by the whole window at the border
  bool transpose_b = false;        ///< gemm
  float alpha = 1;                 ///< gemm
  float beta = 1;                  ///< gemm
  float epsilon = 1e-5F;           ///< batch_normalization
};

using ValueId = std::uint32_t;

/// A named tensor: the graph's input, a constant, or the output of one node.
struct Value {
  std::string name;
  Shape shape;                     ///< of one image; of the file where constant
  std::optional<Tensor> constant;  ///< weights
};

struct Node {
  Op op = Op::identity;
  std::string name;  ///< the file's, or "<Operator>_<index>" where the file has none; unique
  std::vector<ValueId> inputs;
  ValueId output = 0;
  Attributes attributes;
};

/// A network with one image input and one output of logits. Invariants: nodes are in topological order, every
/// value has one definition, every shape is known. read_onnx and train build it; nothing else does.
struct Graph {
  std::string name;
  std::vector<Value> values;
  std::vector<Node> nodes;
  ValueId input = 0;   ///< {C, H, W}
  ValueId output = 0;  ///< {classes}
};

/// Shapes of all node outputs from the input's, recomputed. errors: the node whose inputs do not fit, with both shapes.
Result<void> infer_shapes(Graph& graph);

}  // namespace obscura::nn
