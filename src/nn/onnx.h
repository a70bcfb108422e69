// SPDX-License-Identifier: Apache-2.0
/// ONNX files in and out, through libonnx and protobuf.
#pragma once

#include <filesystem>

#include "base/bytes.h"
#include "nn/graph.h"

namespace obscura::nn {

/// Files above this size are refused before they are parsed.
inline constexpr std::uint64_t kMaxOnnxBytes = 512ULL << 20;

/// The network in ONNX bytes (operator sets 10 to 21, float tensors, one image input of shape {N, C, H, W} with N
/// symbolic or fixed, one output {N, classes} or {N, classes, 1, 1}). `name` stands in messages (the path).
///
/// Operators without an Op of their own are spelt in others: MatMul is a gemm, a - b is a + (-b), a / c is a * (1 / c),
/// a Reshape or Squeeze to one row is a flatten, a ReduceMean over height and width a global_average_pool; a gemm's
/// bias is made {out}, a pool's ceil_mode more padding. x sigmoid(x), x tanh(softplus(x)) and the products that make a
/// GELU of Erf become silu, mish and gelu. Nodes whose inputs are all known from the file become constants. A Transpose
/// to channels first that alone reads the image is left out: images enter channels first. A Softmax or LogSoftmax that
/// gives the output is left out: logits are what Obscura returns, and the label is the same. So are nodes that the
/// output does not depend on.
///
/// errors: bad_format (not ONNX, truncated, damaged, weights that are absent or not finite, shapes that do not fit);
/// unsupported (an operator, a free axis, weights in another file), naming the node, its operator, the actual and the
/// allowed value.
Result<Graph> read_onnx(base::ByteView bytes, const std::string& name);
Result<Graph> read_onnx_file(const std::filesystem::path& path);

/// The same network as ONNX bytes, opset 13, batch dimension "N", loadable by any runtime. silu, gelu and mish are
/// spelt in the operators of that set.
base::Bytes write_onnx(const Graph& graph);

}  // namespace obscura::nn
