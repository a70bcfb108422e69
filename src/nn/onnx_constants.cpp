// SPDX-License-Identifier: Apache-2.0
#include "nn/onnx_constants.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "nn/infer.h"

namespace obscura::nn {
namespace {

constexpr std::size_t kMaxNameBytes = 1024;

Result<Shape> read_dims(const onnx::TensorProto& tensor, const std::string& name) {
  if (static_cast<std::size_t>(tensor.dims_size()) > kMaxConstantRank) {
    return error(Code::bad_format, "constant '{}' has {} sizes; allowed: {}", name, tensor.dims_size(),
                 kMaxConstantRank);
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

/// Halves of 16 bits, as floats: the exponent has `exponent_bits` of them.
float from_half(std::uint16_t bits, int exponent_bits) {
  const int mantissa_bits = 15 - exponent_bits;
  const int exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const double mantissa = std::ldexp(static_cast<double>(bits & ((1 << mantissa_bits) - 1)), -mantissa_bits);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const double sign = (bits >> 15) != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) {
    return mantissa != 0 ? std::numeric_limits<float>::quiet_NaN()
                         : static_cast<float>(sign) * std::numeric_limits<float>::infinity();
  }
  const double value = exponent == 0 ? std::ldexp(mantissa, 1 - bias) : std::ldexp(1 + mantissa, exponent - bias);
  return static_cast<float>(sign * value);
}

template <class To>
Result<std::vector<To>> read_halves(const onnx::TensorProto& tensor, const std::string& name, std::size_t count,
                                    int exponent_bits) {
  OBSCURA_TRY(const auto bits, (copy_numbers<std::uint16_t, std::uint16_t>(tensor, name, count, tensor.int32_data())));
  std::vector<To> out;
  out.reserve(count);
  for (const std::uint16_t half : bits) out.push_back(static_cast<To>(from_half(half, exponent_bits)));
  return out;
}

template <class To>
Result<std::vector<To>> read_numbers(const onnx::TensorProto& tensor, const std::string& name, std::size_t count) {
  using Proto = onnx::TensorProto;
  if (tensor.data_location() == Proto::EXTERNAL) {
    return error(Code::unsupported,
                 "constant '{}' keeps its numbers in another file; allowed: that file beside this one, or all in one "
                 "ONNX file (in Python: onnx.save(onnx.load(path), new_path))",
                 name);
  }
  constexpr bool real = std::is_floating_point_v<To>;
  switch (tensor.data_type()) {
    case Proto::INT64:
      return copy_numbers<To, std::int64_t>(tensor, name, count, tensor.int64_data());
    case Proto::INT32:
      return copy_numbers<To, std::int32_t>(tensor, name, count, tensor.int32_data());
    case Proto::INT16:
      return copy_numbers<To, std::int16_t>(tensor, name, count, tensor.int32_data());
    case Proto::INT8:
      return copy_numbers<To, std::int8_t>(tensor, name, count, tensor.int32_data());
    case Proto::UINT8:
    case Proto::BOOL:
      return copy_numbers<To, std::uint8_t>(tensor, name, count, tensor.int32_data());
    case Proto::UINT16:
      return copy_numbers<To, std::uint16_t>(tensor, name, count, tensor.int32_data());
    case Proto::UINT32:
      return copy_numbers<To, std::uint32_t>(tensor, name, count, tensor.uint64_data());
    case Proto::FLOAT:
      if constexpr (real) return copy_numbers<To, float>(tensor, name, count, tensor.float_data());
      break;
    case Proto::DOUBLE:
      if constexpr (real) return copy_numbers<To, double>(tensor, name, count, tensor.double_data());
      break;
    case Proto::FLOAT16:
      if constexpr (real) return read_halves<To>(tensor, name, count, 5);
      break;
    case Proto::BFLOAT16:
      if constexpr (real) return read_halves<To>(tensor, name, count, 8);
      break;
    default:
      break;
  }
  return error(Code::unsupported, "constant '{}' is of type {}; allowed: floats of 16 to 64 bits, integers, BOOL", name,
               Proto::DataType_IsValid(tensor.data_type())
                   ? Proto::DataType_Name(static_cast<Proto::DataType>(tensor.data_type()))
                   : std::to_string(tensor.data_type()));
}

bool is_real(std::int32_t type) {
  using Proto = onnx::TensorProto;
  return type == Proto::FLOAT || type == Proto::DOUBLE || type == Proto::FLOAT16 || type == Proto::BFLOAT16;
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
  out.is_integer = !is_real(tensor.data_type());
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
