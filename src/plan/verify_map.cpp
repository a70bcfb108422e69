// SPDX-License-Identifier: Apache-2.0
#include "plan/verify_map.h"

#include <cstdlib>
#include <vector>

namespace obscura::plan {
namespace {

Result<void> verify_matrix(const ckks::IntegerMatrix& matrix, std::size_t index, const std::string& place) {
  if (matrix.rows == 0 || matrix.cols == 0 || matrix.data.size() != std::uint64_t{matrix.rows} * matrix.cols) {
    return error(Code::bad_format, "{}: matrix {} of {} x {} has {} weights", place, index, matrix.rows, matrix.cols,
                 matrix.data.size());
  }
  for (std::size_t r = 0; r < matrix.rows; ++r) {
    std::int64_t norm = 0;
    for (std::size_t c = 0; c < matrix.cols; ++c) norm += std::abs(std::int64_t{matrix.data[r * matrix.cols + c]});
    if (norm >= ckks::kMaxRowNorm) {
      return error(Code::bad_format,
                   "{}: matrix {}, row {}: the weights add up to {} in absolute value, the bound is {}", place, index,
                   r, norm, ckks::kMaxRowNorm);
    }
  }
  return {};
}

Result<void> verify_block(const ckks::IntegerMap& map, std::size_t index, std::vector<bool>& covered,
                          const std::string& place) {
  const auto& block = map.blocks[index];
  if (block.matrix >= map.matrices.size()) {
    return error(Code::bad_format, "{}: block {} names matrix {} of {}", place, index, block.matrix,
                 map.matrices.size());
  }
  const auto& matrix = map.matrices[block.matrix];
  if (block.inputs.size() != matrix.cols || block.outputs.size() != matrix.rows) {
    return error(Code::bad_format, "{}: block {} maps {} inputs to {} outputs with a matrix of {} x {}", place, index,
                 block.inputs.size(), block.outputs.size(), matrix.rows, matrix.cols);
  }
  for (const std::uint32_t i : block.inputs) {
    if (i >= map.inputs) {
      return error(Code::bad_format, "{}: block {} reads input {} of {}", place, index, i, map.inputs);
    }
  }
  for (const std::uint32_t o : block.outputs) {
    if (o >= map.outputs) {
      return error(Code::bad_format, "{}: block {} writes output {} of {}", place, index, o, map.outputs);
    }
    if (covered[o]) return error(Code::bad_format, "{}: output {} stands in two blocks", place, o);
    covered[o] = true;
  }
  return {};
}

}  // namespace

Result<void> verify_map(const ckks::IntegerMap& map, const std::string& place) {
  std::uint64_t listed = 0;
  for (const auto& block : map.blocks) listed += block.outputs.size();
  if (listed != map.outputs) {  // before anything of that size is allocated
    return error(Code::bad_format, "{}: the blocks list {} outputs, the map has {}", place, listed, map.outputs);
  }
  for (std::size_t m = 0; m < map.matrices.size(); ++m) OBSCURA_TRY_VOID(verify_matrix(map.matrices[m], m, place));
  std::vector<bool> covered(map.outputs, false);
  for (std::size_t b = 0; b < map.blocks.size(); ++b) OBSCURA_TRY_VOID(verify_block(map, b, covered, place));
  return {};
}

}  // namespace obscura::plan
