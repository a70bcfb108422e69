// SPDX-License-Identifier: Apache-2.0
/// An ONNX file as a table: what its nodes are, and what stands for them under encryption.
#pragma once

#include "cli/inspect_bounds.h"
#include "cli/verb.h"
#include "nn/onnx.h"

namespace obscura::cli {

/// errors: those of nn::read_onnx_file, and of add_bounds where bounds are wanted
Result<Answer> inspect_network(const std::string& path, const nn::ReadOptions& options, const BoundsOptions& bounds);

}  // namespace obscura::cli
