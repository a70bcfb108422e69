// SPDX-License-Identifier: Apache-2.0
/// A sparse matrix as dense blocks, for products with the values of many images side by side.
#pragma once

#include "compile/front/sparse.h"
#include "kernels/lanes.h"

namespace obscura::compile {

/// Rows that read the same columns are one dense block, and blocks with the same weights share them: a convolution is
/// one small matrix at many positions, which stays in cache.
class LaneMatrix {
 public:
  explicit LaneMatrix(const SparseMatrix& matrix);
  std::size_t rows() const { return rows_; }
  std::size_t cols() const { return cols_; }
  /// y += W x; x and y [element * kVectors + lane]. Each y sums in the order of its row, first what it holds.
  /// cost    a multiply-add for each entry and lane; one thread
  void add_product(std::span<const double> x, std::span<double> y) const;
  /// Weights to whole multiples of 1 / scale.
  LaneMatrix rounded(double scale) const;
  LaneMatrix squared() const;
  LaneMatrix transposed() const;

 private:
  struct Block {
    std::size_t weights = 0, inputs = 0, outputs = 0;  ///< where they begin
    std::uint32_t rows = 0, cols = 0;
  };
  LaneMatrix() = default;
  std::size_t rows_ = 0, cols_ = 0;
  std::vector<double> weights_;
  std::vector<std::uint32_t> inputs_, outputs_;
  std::vector<Block> blocks_;
};

}  // namespace obscura::compile
