// SPDX-License-Identifier: Apache-2.0
/// ONNX tensors to numbers; internal to nn.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

#include "nn/graph.h"

namespace obscura::nn {

/// The shape and floats of an ONNX tensor of float, double, int32 or int64; `name` stands in messages.
/// errors  bad_format: more or fewer numbers than its shape says, a number that is not finite as a float;
///         unsupported: another type, numbers kept in another file.
Result<Tensor> read_floats(const onnx::TensorProto& tensor, const std::string& name);

/// The numbers of an int64 or int32 tensor of at most `limit` elements (shapes and axes).
Result<std::vector<std::int64_t>> read_integers(const onnx::TensorProto& tensor, const std::string& name,
                                                std::size_t limit);

/// Valid UTF-8 without control characters, short enough to be printed in one sentence.
bool is_readable_name(const std::string& name);

}  // namespace obscura::nn
