// SPDX-License-Identifier: Apache-2.0
/// Networks in floating point, as read from ONNX: nodes in topological order over named values.
///
/// The batch dimension is dropped everywhere: shapes are those of one image, {C, H, W}, {features} or of any other rank
/// between moves of elements.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "approx/function.h"
#include "base/check.h"
#include "base/normalise.h"

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

/// What a node computes. nn/operators.h has a row for each.
enum class Op {
  conv,                 ///< inputs x {C, H, W}, weight {Cout, Cin/groups, kh, kw}, optional bias {Cout}
  batch_normalization,  ///< inputs x, scale, bias, mean, variance, each {C}
  average_pool,
  global_average_pool,
  max_pool,   ///< the padding never wins
  gemm,       ///< inputs x {in}, weight {in, out} ({out, in} where transpose_b), optional bias {out}; alpha and beta
  reshape,    ///< the same elements in the same order: to attributes.shape
  transpose,  ///< axis i of the output is axis permutation[i] of the input
  slice,      ///< starts, steps and sizes of each axis
  pad,        ///< zeros, pads_before and pads_after each axis
  concat,     ///< of at least two values, along attributes.axis
  gather,     ///< elements indices[0], indices[1], ... along attributes.axis
  add,        ///< of two values, or of a value and a constant; broadcast as in ONNX
  mul,
  pow,            ///< of a value and a constant scalar exponent
  function,       ///< attributes.function of each element
  lrn,            ///< x / (bias + alpha / size * sum of squares over `size` channels around)^beta
  normalization,  ///< (x - mean) / sqrt(variance + epsilon), of all elements that share the first axis' index
  softmax,        ///< e^x / sum of e^x over the last axis
  matmul,         ///< of two values {..., M, K} and {..., K, N} of the same leading sizes
};
inline constexpr int kOpCount = 20;
const char* to_string(Op op);

/// What a node needs beside its inputs; an operator reads those that name it, or all of a kind that it has.
struct Attributes {
  std::array<std::int64_t, 2> kernel{1, 1};      ///< conv, average_pool, max_pool: height, width
  std::array<std::int64_t, 2> strides{1, 1};     ///< of the same
  std::array<std::int64_t, 2> dilations{1, 1};   ///< of the same
  std::array<std::int64_t, 4> pads{0, 0, 0, 0};  ///< of the same: top, left, bottom, right
  std::int64_t groups = 1;                       ///< conv
  bool count_include_pad = false;                ///< average_pool: divide by the whole window at the border
  bool transpose_b = false;                      ///< gemm
  float alpha = 1;                               ///< gemm; lrn
  float beta = 1;                                ///< gemm; lrn
  float epsilon = 1e-5F;                         ///< batch_normalization, normalization
  std::int64_t size = 1;  ///< lrn: channels in a sum, (size - 1) / 2 before and size / 2 after, as far as there are
  float bias = 1;         ///< lrn
  approx::Function function = {};              ///< function
  Shape shape = {};                            ///< reshape
  std::vector<std::int64_t> permutation = {};  ///< transpose
  std::int64_t axis = 0;                       ///< concat, gather
  std::vector<std::int64_t> indices = {};      ///< gather
  Shape starts = {};                           ///< slice: first element of each axis
  Shape steps = {};                            ///< slice: distance of the elements that are kept, at least 1
  Shape sizes = {};                            ///< slice: how many are kept, the shape of the output
  Shape pads_before = {};                      ///< pad: zeros before each axis
  Shape pads_after = {};                       ///< pad: zeros after each axis
};

using ValueId = std::uint32_t;

/// A named tensor: the graph's input, a constant, or the output of one node.
struct Value {
  std::string name;
  Shape shape;                     ///< of one image; of the file where constant
  std::optional<Tensor> constant;  ///< weights
};

struct Node {
  Op op = Op::reshape;
  std::string name;  ///< the file's, or "<Operator>_<index>" where the file has none; unique
  std::vector<ValueId> inputs;
  ValueId output = 0;
  Attributes attributes;
};

/// What the network's file does with its last values. It is left out of the nodes: the client does it, since it is no
/// polynomial and reads all values of one image.
enum class Ending {
  none,         ///< the values are the answer
  softmax,      ///< e^x_k / sum_j e^x_j
  log_softmax,  ///< x_k - log sum_j e^x_j
  sigmoid,      ///< 1 / (1 + e^-x_k), of each
  argmax,       ///< the place of the largest
};

/// What a file says of itself beside the network (ONNX metadata_props); docs/FORMATS.md has the keys. Nothing where it
/// does not.
struct Metadata {
  std::vector<double> mean;              ///< one a channel, of what enters the network in units of pixel / 255
  std::vector<double> std;               ///< one a channel
  std::vector<std::string> class_names;  ///< one an output
  std::optional<int> headroom_bits;      ///< compile::Options::headroom_bits that the network was tried with
  std::optional<double> max_error;       ///< compile::Options::max_error_std that the network was tried with
  std::optional<base::Standardisation> standardise = {};  ///< of each image, after mean and std
};

/// A network with one image input and one output of logits. Invariants: nodes are in topological order, every
/// value has one definition, every shape is known. read_onnx and train build it; nothing else does.
struct Graph {
  std::string name;
  std::vector<Value> values;
  std::vector<Node> nodes;
  ValueId input = 0;   ///< {C, H, W}; of a network on vectors {1, 1, features}
  ValueId output = 0;  ///< {classes}
  Ending ending = Ending::none;
  Metadata metadata;
};

/// Shapes of all node outputs from the input's, recomputed. errors: the node whose inputs do not fit, with both shapes.
Result<void> infer_shapes(Graph& graph);

}  // namespace obscura::nn
