// SPDX-License-Identifier: Apache-2.0
/// ONNX tensors to numbers, and numbers that nodes of the file compute from them; internal to nn.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

#include "nn/graph.h"

namespace obscura::nn {

/// The shape and floats of an ONNX tensor of numbers of any type up to 64 bits; `name` stands in messages.
/// errors  bad_format: more or fewer numbers than its shape says, a number that is not finite as a float;
///         unsupported: another type, numbers kept in another file.
Result<Tensor> read_floats(const onnx::TensorProto& tensor, const std::string& name);

/// Numbers that are known when the file is read. Shape arithmetic of exporters goes through them: integers, which may
/// stand for a size, or floats (weights). Sizes may be 0, and a scalar has none.
struct Constant {
  Shape shape;
  bool is_integer = false;
  std::vector<float> reals;            ///< row-major, where not is_integer
  std::vector<std::int64_t> integers;  ///< row-major, where is_integer; booleans are 0 and 1

  std::size_t count() const { return is_integer ? integers.size() : reals.size(); }
};

/// Sizes that a constant may have.
inline constexpr std::size_t kMaxConstantRank = 8;

/// Integer constants are shapes, axes and indices: this many elements are allowed.
inline constexpr std::size_t kMaxIntegers = 1 << 16;

/// A tensor of floats, of integers (up to kMaxIntegers) or of truth values. errors: as read_floats.
Result<Constant> read_constant(const onnx::TensorProto& tensor, const std::string& name);

/// Valid UTF-8 without control characters, short enough to be printed in one sentence.
bool is_readable_name(const std::string& name);

}  // namespace obscura::nn
