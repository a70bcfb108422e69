// SPDX-License-Identifier: Apache-2.0
/// The input of images of an ONNX file; internal to nn.
#pragma once

#include <onnx/onnx_pb.h>

#include "nn/onnx.h"
#include "nn/onnx_import.h"

namespace obscura::nn {

/// "Nx3xheightx32", as the file has it.
std::string shown_shape(const onnx::ValueInfoProto& value);

/// The one input that is not a constant, of those whose names are needed, as the graph's: {C, H, W}, whatever the
/// file's order of axes. Others become the constants that options give. errors: none, or several; another type; axes
/// that are free beside that of the images; a rank above 4.
Result<void> import_input(ImportState& state, const onnx::GraphProto& graph,
                          const std::unordered_set<std::string>& needed, const ReadOptions& options);

}  // namespace obscura::nn
