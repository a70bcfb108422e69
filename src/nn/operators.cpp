// SPDX-License-Identifier: Apache-2.0
#include "nn/operators.h"

#include "nn/infer.h"
#include "nn/onnx_write.h"

namespace obscura::nn {
namespace {

// In the order of Op.
// clang-format off
constexpr std::array<Operator, kOpCount> kOperators = {{
    {Op::conv, "Conv", Role::linear, 2, 3, infer_conv, conv, write_conv},
    {Op::batch_normalization, "BatchNormalization", Role::affine, 5, 5, infer_batch_normalization, batch_normalization,
     write_batch_normalization},
    {Op::average_pool, "AveragePool", Role::linear, 1, 1, infer_pool, average_pool, write_average_pool},
    {Op::global_average_pool, "GlobalAveragePool", Role::linear, 1, 1, infer_global_average_pool, global_average_pool,
     write_plain},
    {Op::max_pool, "MaxPool", Role::activation, 1, 1, infer_pool, max_pool, write_max_pool},
    {Op::gemm, "Gemm", Role::linear, 2, 3, infer_gemm, gemm, write_gemm},
    {Op::reshape, "Reshape", Role::move, 1, 1, infer_reshape, move, write_reshape},
    {Op::transpose, "Transpose", Role::move, 1, 1, infer_transpose, move, write_transpose},
    {Op::slice, "Slice", Role::move, 1, 1, infer_slice, move, write_slice},
    {Op::pad, "Pad", Role::move, 1, 1, infer_pad, move, write_pad},
    {Op::concat, "Concat", Role::move, 2, kMaxConcat, infer_concat, move, write_concat},
    {Op::gather, "Gather", Role::move, 1, 1, infer_gather, move, write_gather},
    {Op::add, "Add", Role::arithmetic, 2, 2, infer_elementwise, add, write_plain},
    {Op::mul, "Mul", Role::arithmetic, 2, 2, infer_elementwise, mul, write_plain},
    {Op::pow, "Pow", Role::arithmetic, 2, 2, infer_pow, pow, write_plain},
    {Op::function, "Function", Role::activation, 1, 1, infer_function, function, write_function},
    {Op::lrn, "LRN", Role::activation, 1, 1, infer_lrn, lrn, write_lrn},
    {Op::normalization, "InstanceNormalization", Role::division, 1, 1, infer_normalization, normalization,
     write_normalization},
    {Op::softmax, "Softmax", Role::division, 1, 1, infer_rows, softmax, write_softmax},
    {Op::matmul, "MatMul", Role::arithmetic, 2, 2, infer_matmul, matmul, write_matmul},
}};
// clang-format on

}  // namespace

const Operator& row(Op op) { return kOperators.at(static_cast<std::size_t>(op)); }

std::string operator_name(const Node& node) {
  if (node.op != Op::function) return to_string(node.op);
  const approx::FunctionRow& function = approx::row(node.attributes.function.kind);
  return function.onnx != nullptr ? function.onnx : function.name;
}

std::string describe(const Node& node) { return fmt::format("node '{}' ({})", node.name, operator_name(node)); }

}  // namespace obscura::nn
