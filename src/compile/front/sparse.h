// SPDX-License-Identifier: Apache-2.0
/// Sparse matrices of doubles (compressed rows): what every linear operator becomes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace obscura::compile {

/// Row r holds value[k] at column[k] for k in [start[r], start[r + 1]), columns ascending. An entry may be 0: the
/// structure (which inputs a convolution sees) is kept, so that rows of one window share their list of columns.
struct SparseMatrix {
  std::uint32_t rows = 0;
  std::uint32_t cols = 0;
  std::vector<std::uint64_t> start{0};
  std::vector<std::uint32_t> column;
  std::vector<double> value;

  std::uint64_t nonzeros() const { return column.size(); }
  /// Memory for as many rows of so many entries.
  void reserve(std::size_t count, std::size_t width) {
    start.reserve(count + 1);
    column.reserve(count * width);
    value.reserve(count * width);
  }
  /// Appends an entry to the row that is being built.
  void push(std::uint32_t col, double v) {
    column.push_back(col);
    value.push_back(v);
  }
  /// Ends the row that is being built.
  void end_row() {
    start.push_back(column.size());
    ++rows;
  }
  bool operator==(const SparseMatrix&) const = default;
};

SparseMatrix identity_matrix(std::uint32_t size);

/// second * first, or nothing once it has more than `limit` entries (the work stops there).
std::optional<SparseMatrix> product(const SparseMatrix& second, const SparseMatrix& first, std::uint64_t limit);

SparseMatrix sum(const SparseMatrix& a, const SparseMatrix& b);

/// W(r, c) *= factors[r]; one factor is that of all.
void scale_rows(SparseMatrix& matrix, std::span<const double> factors);
/// W(r, c) *= factors[c]; one factor is that of all.
void scale_columns(SparseMatrix& matrix, std::span<const double> factors);

/// y = W x; x may be one number for all columns.
std::vector<double> multiply(const SparseMatrix& matrix, std::span<const double> x);

}  // namespace obscura::compile
