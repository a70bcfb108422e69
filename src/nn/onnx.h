// SPDX-License-Identifier: Apache-2.0
/// ONNX files in and out, through libonnx and protobuf.
#pragma once

#include <filesystem>
#include <map>

#include "base/bytes.h"
#include "nn/graph.h"

namespace obscura::nn {

/// Files above this size are refused before they are parsed, and so are the weights beside one in sum.
inline constexpr std::uint64_t kMaxOnnxBytes = 512ULL << 20;

inline constexpr std::int64_t kMinOpset = 7;
inline constexpr std::int64_t kMaxOpset = 23;

/// What a file leaves open.
struct ReadOptions {
  std::string output;  ///< which of several outputs; what only others need is left out. Empty: the only one
  /// Inputs that are constants in practice: one number, or as many as the input has, by the input's name.
  std::map<std::string, std::vector<float>> values;
  Shape shape;  ///< {C, H, W} of an image whose sizes the file leaves free
};

/// The network in ONNX bytes: operator sets 7 to 23, numbers of any type, one input of images and one output of one
/// row. `name` stands in messages (the path). The input may be {N, C, H, W}, {N, H, W, C}, {N, H, W}, {N, C, L}, {N,
/// features} or any of these without N; N is free, 1, or what the export fixed. The graph's input is {C, H, W} for all
/// of them.
///
/// What the file does with one image is what the graph does; operators without an Op of their own are spelt in others
/// (nn/onnx_table.cpp). Nodes whose inputs are all known from the file become constants, functions of the file are put
/// in where they are called, what the output does not depend on is left out, and nn/simplify.h says what is merged.
/// Quantised networks are read as the real-valued ones that they stand for. What gives the output from the logits -
/// Softmax, LogSoftmax, Sigmoid, ArgMax, also where they are spelt in other operators - is Graph::ending.
///
/// errors: bad_format (not ONNX, truncated, damaged, weights that are absent or not finite, shapes that do not fit);
/// unsupported (an operator, a free axis, several inputs or outputs), naming the node, its operator, the actual and the
/// allowed value, and the way out.
Result<Graph> read_onnx(base::ByteView bytes, const std::string& name, const ReadOptions& options = {});
/// The same of a file; weights that it keeps in other files are read from its folder, and from nowhere else.
Result<Graph> read_onnx_file(const std::filesystem::path& path, const ReadOptions& options = {});

/// The same network as ONNX bytes, opset 15, batch dimension "N", loadable by any runtime, with its ending and
/// metadata. What that set has no operator for is spelt in several.
base::Bytes write_onnx(const Graph& graph);

}  // namespace obscura::nn
