// SPDX-License-Identifier: Apache-2.0
/// What is done to an ONNX model before its nodes are imported; internal to nn.
#pragma once

#include <onnx/onnx_pb.h>

#include <filesystem>

#include "nn/graph.h"

namespace obscura::nn {

inline constexpr int kMaxNodes = 100'000;

/// Calls of the model's own functions become their nodes, names made unique. errors: functions that call each other
/// without end, more than kMaxNodes nodes.
Result<void> inline_functions(onnx::ModelProto& model);

/// Nodes in an order in which each reads only what is computed before it: as they stand where that holds, as ONNX asks.
/// errors: nodes that wait for each other, naming one.
Result<void> sort_nodes(onnx::GraphProto& graph);

/// Numbers that tensors keep in other files come into them. Every file lies in `folder` or below it, is a regular file,
/// and no two tensors share a byte. errors: a path that leaves the folder, an absent file, ranges beyond it or over one
/// another, more than kMaxOnnxBytes in all.
Result<void> load_external_data(onnx::GraphProto& graph, const std::filesystem::path& folder);

/// An attribute of Softmax and LogSoftmax that ONNX does not have: over one axis in every operator set.
inline constexpr const char* kOneAxis = "one_axis";

/// Softmax and LogSoftmax where exponentials, sums and quotients spell them, become nodes of these names.
void name_softmaxes(onnx::GraphProto& graph);

/// ONNX's denotation of the axis of channels.
inline constexpr const char* kChannelAxis = "DATA_CHANNEL";

/// Keys of metadata_props that are read and written.
inline constexpr const char* kMeanKey = "obscura.mean";
inline constexpr const char* kDeviationKey = "obscura.deviation";
inline constexpr const char* kStandardiseKey = "obscura.standardise";
inline constexpr const char* kClassesKey = "obscura.classes";
inline constexpr const char* kHeadroomKey = "obscura.headroom";
inline constexpr const char* kMaxErrorKey = "obscura.max_error";
/// errors: a value that is no number, or not finite, or a name that is no text, naming the key.
Result<Metadata> read_metadata(const onnx::ModelProto& model);
void write_metadata(onnx::ModelProto& model, const Metadata& metadata);

}  // namespace obscura::nn
