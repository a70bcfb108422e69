// SPDX-License-Identifier: Apache-2.0
// Arithmetic of constants: sizes that exporters compute, and weights that they scale.
#include <algorithm>
#include <cmath>
#include <limits>

#include "nn/infer.h"
#include "nn/onnx_operators.h"

namespace obscura::nn {
namespace {

double real_unary(const std::string& name, double x) {
  if (name == "Neg") return -x;
  if (name == "Floor") return std::floor(x);
  if (name == "Ceil") return std::ceil(x);
  for (const approx::FunctionRow& row : approx::functions()) {
    if (row.onnx != nullptr && name == row.onnx) return approx::value(approx::default_of(row.kind), x);
  }
  return std::numeric_limits<double>::quiet_NaN();
}

double real_binary(const std::string& name, double a, double b) {
  if (name == "Add") return a + b;
  if (name == "Sub") return a - b;
  if (name == "Mul") return a * b;
  if (name == "Div") return a / b;
  if (name == "Pow") return std::pow(a, b);
  if (name == "Min") return std::min(a, b);
  return std::max(a, b);
}

template <class T>
bool holds(const std::string& name, T a, T b) {
  return name == "Equal" ? a == b : name == "Greater" ? a > b : a < b;
}

/// Nothing where the result does not exist: an overflow, a division by 0.
std::optional<std::int64_t> integer_binary(const std::string& name, std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  if (name == "Add") return __builtin_add_overflow(a, b, &out) ? std::nullopt : std::optional(out);
  if (name == "Sub") return __builtin_sub_overflow(a, b, &out) ? std::nullopt : std::optional(out);
  if (name == "Mul") return __builtin_mul_overflow(a, b, &out) ? std::nullopt : std::optional(out);
  if (name == "Min") return std::min(a, b);
  if (name == "Max") return std::max(a, b);
  if (name == "And") return a != 0 && b != 0 ? 1 : 0;
  if (name == "Or") return a != 0 || b != 0 ? 1 : 0;
  if (name == "Mod" && b > 0) return ((a % b) + b) % b;
  if (name != "Div" || b == 0 || (b == -1 && a == INT64_MIN)) return std::nullopt;
  return a / b;
}

/// The shape of a result of both; nothing where they do not fit, or it is too large.
std::optional<Shape> stretched(const Shape& a, const Shape& b) {
  auto out = broadcast(a, b);
  return out && shape_is_allowed(*out) ? std::move(out) : std::nullopt;
}

/// The element of a constant of shape `from` that meets element `at` of a result of shape `to`.
std::size_t meeting(const Shape& from, const Shape& to, std::int64_t at) {
  std::int64_t index = 0;
  std::int64_t step = 1;
  for (std::size_t back = 1; back <= from.size(); ++back) {
    const std::int64_t coordinate = at % to[to.size() - back];
    at /= to[to.size() - back];
    const std::int64_t size = from[from.size() - back];
    if (size != 1) index += coordinate * step;
    step *= size;
  }
  return static_cast<std::size_t>(index);
}

Result<Shape> common_shape(const NodeImport& node, const Constant& a, const Constant& b) {
  const auto shape = stretched(a.shape, b.shape);
  constexpr std::size_t kMaxMade = 1 << 20;  // a small file may not ask for much
  const std::size_t limit = a.is_integer ? kMaxIntegers : std::max({kMaxMade, a.count(), b.count()});
  if (shape && a.is_integer == b.is_integer && static_cast<std::size_t>(element_count(*shape)) <= limit) return *shape;
  return node.fail(Code::bad_format, "constants of shapes {} ({}) and {} ({}) do not go together", to_string(a.shape),
                   a.is_integer ? "integers" : "floats", to_string(b.shape), b.is_integer ? "integers" : "floats");
}

}  // namespace

Result<void> fold_unary(NodeImport& node) {
  OBSCURA_TRY(Constant x, node.constant(0));
  const std::string& name = node.operator_name();
  if (name == "Not") {
    for (std::int64_t& v : x.integers) v = v == 0 ? 1 : 0;
    return node.define_constant(std::move(x));
  }
  if (x.is_integer && name != "Neg") return node.fail(Code::unsupported, "of integers; allowed: of floats");
  for (float& v : x.reals) v = static_cast<float>(real_unary(name, v));
  for (std::int64_t& v : x.integers) {
    if (v == INT64_MIN) return node.fail(Code::bad_format, "of {}; allowed: results of 64 bits", v);
    v = -v;
  }
  return node.define_constant(std::move(x));
}

Result<void> fold_binary(NodeImport& node) {
  OBSCURA_TRY(const Constant a, node.constant(0));
  OBSCURA_TRY(const Constant b, node.constant(1));
  OBSCURA_TRY(const Shape shape, common_shape(node, a, b));
  const std::string& name = node.operator_name();
  Constant out;
  out.shape = shape;
  const bool compares = name == "Equal" || name == "Greater" || name == "Less";
  out.is_integer = a.is_integer || compares;
  const std::int64_t count = element_count(shape);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::size_t left = meeting(a.shape, shape, i);
    const std::size_t right = meeting(b.shape, shape, i);
    if (!a.is_integer) {
      if (compares) {
        out.integers.push_back(holds(name, a.reals[left], b.reals[right]) ? 1 : 0);
      } else {
        out.reals.push_back(static_cast<float>(real_binary(name, a.reals[left], b.reals[right])));
      }
      continue;
    }
    const std::int64_t x = a.integers[left];
    const std::int64_t y = b.integers[right];
    if (compares) {
      out.integers.push_back(holds(name, x, y) ? 1 : 0);
      continue;
    }
    const auto result = integer_binary(name, x, y);
    if (!result) return node.fail(Code::unsupported, "of the integers {} and {}; allowed: results of 64 bits", x, y);
    out.integers.push_back(*result);
  }
  return node.define_constant(std::move(out));
}

// c ? a : b
Result<void> fold_where(NodeImport& node) {
  OBSCURA_TRY(const Constant condition, node.constant(0));
  OBSCURA_TRY(const Constant a, node.constant(1));
  OBSCURA_TRY(const Constant b, node.constant(2));
  OBSCURA_TRY(const Shape both, common_shape(node, a, b));
  const auto shape = stretched(condition.shape, both);
  if (!condition.is_integer || !shape || *shape != both) {
    return node.fail(Code::unsupported, "its condition has shape {}; allowed: truth values of shape {}",
                     to_string(condition.shape), to_string(both));
  }
  Constant out;
  out.shape = both;
  out.is_integer = a.is_integer;
  const std::int64_t count = element_count(both);
  for (std::int64_t i = 0; i < count; ++i) {
    const Constant& from = condition.integers[meeting(condition.shape, both, i)] != 0 ? a : b;
    const std::size_t at = meeting(from.shape, both, i);
    if (out.is_integer) {
      out.integers.push_back(from.integers[at]);
    } else {
      out.reals.push_back(from.reals[at]);
    }
  }
  return node.define_constant(std::move(out));
}

// The product of two constant matrices.
Result<void> fold_product(NodeImport& node) {
  OBSCURA_TRY(const Tensor a, node.tensor(0));
  OBSCURA_TRY(const Tensor b, node.tensor(1));
  constexpr std::int64_t kMaxProducts = 1 << 28;  // multiplications
  const bool matrices = a.shape.size() == 2 && b.shape.size() == 2 && a.shape[1] == b.shape[0];
  if (!matrices || element_count(a.shape) > kMaxProducts / b.shape[1]) {
    return node.fail(Code::unsupported, "constants of shapes {} and {}; allowed: two matrices that fit, {} products",
                     to_string(a.shape), to_string(b.shape), kMaxProducts);
  }
  Constant out;
  out.shape = {a.shape[0], b.shape[1]};
  for (std::int64_t i = 0; i < a.shape[0]; ++i) {
    for (std::int64_t j = 0; j < b.shape[1]; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < a.shape[1]; ++k) {
        sum += double{a.data[static_cast<std::size_t>(i * a.shape[1] + k)]} *
               b.data[static_cast<std::size_t>(k * b.shape[1] + j)];
      }
      out.reals.push_back(static_cast<float>(sum));
    }
  }
  return node.define_constant(std::move(out));
}

}  // namespace obscura::nn
