// SPDX-License-Identifier: Apache-2.0
/// The table of operators: one row for each Op. What ONNX calls them, and what becomes of each of ONNX's operators, is
/// in onnx_table.cpp; the executor's step of each is eval/lower.cpp's, the compiler's form compile/front/fuse.cpp's.
#pragma once

#include "nn/graph.h"
#include "nn/reference_kernels.h"

namespace obscura::nn {

/// What an operator is for those who compute it otherwise than the reference.
enum class Role {
  linear,      ///< y = W x + b for constants W and b: conv, pools of averages, gemm
  affine,      ///< a factor and a shift for each element: batch_normalization
  move,        ///< each output element is an element of an input, or 0: see move_sources
  arithmetic,  ///< add, mul, pow: polynomials of their operands
  activation,  ///< a function or a maximum, which ciphertexts know as a polynomial near it
  division,    ///< of values by values: in floating point only
};

class NodeWriter;

struct Operator {
  Op op = Op::conv;
  const char* name = "";  ///< in messages; ONNX's where it has one
  Role role = Role::linear;
  std::size_t min_inputs = 1;
  std::size_t max_inputs = 1;
  Result<Shape> (*infer)(const Graph&, const Node&) = nullptr;  ///< of the output; errors name the node
  Kernel kernel = nullptr;                                      ///< the reference, in doubles
  void (*write)(NodeWriter&, const Node&) = nullptr;            ///< as ONNX nodes
};

const Operator& row(Op op);

/// "Conv"; of a function its own: "Relu", or "swish" where ONNX has no operator for it.
std::string operator_name(const Node& node);
/// "node 'conv1' (Conv)"
std::string describe(const Node& node);

/// For each element of a move's output, the element of the node's input number `input` that it is; kNoSource where it
/// is 0 or of another input.
inline constexpr std::uint32_t kNoSource = 0xFFFFFFFF;
std::vector<std::uint32_t> move_sources(const Graph& graph, const Node& node, std::size_t input);

}  // namespace obscura::nn
