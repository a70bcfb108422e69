// SPDX-License-Identifier: Apache-2.0
#include "nn/onnx_constants.h"

#include <cmath>
#include <cstring>

#include "nn/infer.h"

namespace obscura::nn {
namespace {

constexpr std::size_t kMaxNameBytes = 1024;
constexpr int kMaxRank = 8;

Result<Shape> read_dims(const onnx::TensorProto& tensor, const std::string& name) {
  if (tensor.dims_size() > kMaxRank) {
    return error(Code::bad_format, "constant '{}' has {} sizes; allowed: {}", name, tensor.dims_size(), kMaxRank);
  }
  Shape shape(tensor.dims().begin(), tensor.dims().end());
  // The product is bounded before anything is allocated, and compared with the numbers present before they are copied.
  if (!shape_is_allowed(shape)) {
    return error(Code::bad_format, "constant '{}' has shape {}; allowed: sizes from 1 to {}, {} elements", name,
                 to_string(shape), kMaxSize, kMaxElements);
  }
  return shape;
}

/// The elements of a tensor from its raw bytes or its typed list, each converted to To.
template <class To, class From, class List>
Result<std::vector<To>> copy_numbers(const onnx::TensorProto& tensor, const std::string& name, std::size_t count,
                                     const List& list) {
  const bool raw = tensor.has_raw_data();
  const std::size_t present = raw ? tensor.raw_data().size() / sizeof(From) : static_cast<std::size_t>(list.size());
  if (present != count || (raw && tensor.raw_data().size() % sizeof(From) != 0)) {
    return error(Code::bad_format, "constant '{}' of shape {} has {} {}; allowed: {}", name,
                 to_string(Shape(tensor.dims().begin(), tensor.dims().end())), raw ? tensor.raw_data().size() : present,
                 raw ? "bytes" : "numbers", raw ? count * sizeof(From) : count);
  }
  std::vector<To> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    From value{};
    if (raw) {
      std::memcpy(&value, tensor.raw_data().data() + i * sizeof(From), sizeof(From));
    } else {
      value = static_cast<From>(list.Get(static_cast<int>(i)));
    }
    out[i] = static_cast<To>(value);
  }
  return out;
}

template <class To>
Result<std::vector<To>> read_numbers(const onnx::TensorProto& tensor, const std::string& name, std::size_t count) {
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL) {
    return error(Code::unsupported,
                 "constant '{}' keeps its numbers in another file; allowed: all in one ONNX file (in Python: "
                 "onnx.save(onnx.load(path), new_path))",
                 name);
  }
  switch (tensor.data_type()) {
    case onnx::TensorProto::INT64:
      return copy_numbers<To, std::int64_t>(tensor, name, count, tensor.int64_data());
    case onnx::TensorProto::BOOL:
      if constexpr (!std::is_floating_point_v<To>)
        return copy_numbers<To, std::uint8_t>(tensor, name, count, tensor.int32_data());
      break;
    case onnx::TensorProto::INT32:
      return copy_numbers<To, std::int32_t>(tensor, name, count, tensor.int32_data());
    case onnx::TensorProto::FLOAT:
      if constexpr (std::is_floating_point_v<To>)
        return copy_numbers<To, float>(tensor, name, count, tensor.float_data());
      break;
    case onnx::TensorProto::DOUBLE:
      if constexpr (std::is_floating_point_v<To>)
        return copy_numbers<To, double>(tensor, name, count, tensor.double_data());
      break;
    default:
      break;
  }
  const std::string type = onnx::TensorProto::DataType_IsValid(tensor.data_type())
                               ? onnx::TensorProto::DataType_Name(tensor.data_type())
                               : std::to_string(tensor.data_type());
  const bool short_float =
      tensor.data_type() == onnx::TensorProto::FLOAT16 || tensor.data_type() == onnx::TensorProto::BFLOAT16;
  return error(Code::unsupported, "constant '{}' is of type {}; allowed: {}{}", name, type,
               std::is_floating_point_v<To> ? "FLOAT, DOUBLE, INT32, INT64" : "INT32, INT64, BOOL",
               short_float ? " (export the network with weights of 32 bits)" : "");
}

}  // namespace

Result<Tensor> read_floats(const onnx::TensorProto& tensor, const std::string& name) {
  OBSCURA_TRY(Shape shape, read_dims(tensor, name));
  const auto count = static_cast<std::size_t>(element_count(shape));
  OBSCURA_TRY(std::vector<float> data, read_numbers<float>(tensor, name, count));
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (!std::isfinite(data[i])) {
      return error(Code::bad_format, "constant '{}' holds {} at element {}; allowed: finite floats", name, data[i], i);
    }
  }
  return Tensor{std::move(shape), std::move(data)};
}

Result<Constant> read_constant(const onnx::TensorProto& tensor, const std::string& name) {
  Constant out;
  const auto type = tensor.data_type();
  out.is_integer =
      type == onnx::TensorProto::INT64 || type == onnx::TensorProto::INT32 || type == onnx::TensorProto::BOOL;
  if (!out.is_integer) {
    OBSCURA_TRY(Tensor floats, read_floats(tensor, name));
    out.shape = std::move(floats.shape);
    out.reals = std::move(floats.data);
    return out;
  }
  // A list of no integers is a list: no sizes to change, no axes.
  const bool empty = tensor.dims_size() == 1 && tensor.dims(0) == 0;
  if (empty) {
    out.shape = {0};
  } else {
    OBSCURA_TRY(out.shape, read_dims(tensor, name));
  }
  const auto count = static_cast<std::size_t>(element_count(out.shape));
  if (count > kMaxIntegers) {
    return error(Code::unsupported, "constant '{}' has {} integers; allowed: {}", name, count, kMaxIntegers);
  }
  OBSCURA_TRY(out.integers, read_numbers<std::int64_t>(tensor, name, count));
  return out;
}

bool is_readable_name(const std::string& name) {
  if (name.size() > kMaxNameBytes) return false;
  std::size_t follow = 0;      // continuation bytes still to come
  std::uint32_t point = 0;     // the character so far
  std::uint32_t smallest = 0;  // below it the encoding would be overlong
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (follow > 0) {
      if ((byte & 0xC0U) != 0x80U) return false;
      point = (point << 6U) | (byte & 0x3FU);
      if (--follow > 0) continue;
      if (point < smallest || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return false;
      if (point < 0xA0) return false;
    } else if (byte < 0x80) {
      if (byte < 0x20 || byte == 0x7F) return false;
    } else {
      follow = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : 1;
      if (byte < 0xC0 || byte > 0xF7) return false;
      point = byte & (0x3FU >> follow);
      smallest = follow == 3 ? 0x10000 : follow == 2 ? 0x800 : 0x80;
    }
  }
  return follow == 0;
}

}  // namespace obscura::nn
