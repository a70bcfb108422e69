// SPDX-License-Identifier: Apache-2.0
/// ONNX files in and out, through libonnx and protobuf.
#pragma once

#include <filesystem>

#include "base/bytes.h"
#include "nn/graph.h"

namespace obscura::nn {

/// Files above this size are refused before they are parsed.
inline constexpr std::uint64_t kMaxOnnxBytes = 512ULL << 20;

/// The network in ONNX bytes (opset 10 to 17, float tensors, one image input of shape {N, C, H, W} with N symbolic
/// or fixed). `name` stands in messages (the path).
/// errors: bad_format (not ONNX, truncated, damaged, weights that are not finite, shapes that do not fit);
/// unsupported, naming the node, its operator and the operators that are supported.
Result<Graph> read_onnx(base::ByteView bytes, const std::string& name);
Result<Graph> read_onnx_file(const std::filesystem::path& path);

/// The same network as ONNX bytes, opset 13, batch dimension "N", loadable by any runtime.
base::Bytes write_onnx(const Graph& graph);

}  // namespace obscura::nn
