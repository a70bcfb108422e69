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
/// symbolic or fixed, one output {N, classes}). `name` stands in messages (the path).
/// Operators without an Op of their own are spelt in others: MatMul is a gemm, a - b is a + (-b), a / c is a * (1 / c),
/// a Reshape to one row is a flatten; a gemm's bias is made {out}. Nodes that the output does not depend on are left
/// out. errors: bad_format (not ONNX, truncated, damaged, weights that are not finite, shapes that do not fit);
/// unsupported, naming the node, its operator and the operators or values that are supported.
Result<Graph> read_onnx(base::ByteView bytes, const std::string& name);
Result<Graph> read_onnx_file(const std::filesystem::path& path);

/// The same network as ONNX bytes, opset 13, batch dimension "N", loadable by any runtime.
base::Bytes write_onnx(const Graph& graph);

}  // namespace obscura::nn
