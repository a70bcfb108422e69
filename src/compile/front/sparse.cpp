// SPDX-License-Identifier: Apache-2.0
#include "compile/front/sparse.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.h"

namespace obscura::compile {
namespace {

/// One row under construction: sums by column, and which columns were touched, as bits of theirs.
class RowSums {
 public:
  explicit RowSums(std::uint32_t cols) : sum_(cols, 0), seen_(cols / kBits + 1, 0) {}
  void add_row(const SparseMatrix& m, std::size_t row, double factor) {
    const std::uint64_t begin = m.start[row], end = m.start[row + 1];
    if (begin == end) return;
    first_ = std::min(first_, m.column[begin] / kBits);
    last_ = std::max(last_, m.column[end - 1] / kBits);
    for (std::uint64_t k = begin; k < end; ++k) {
      const std::uint32_t col = m.column[k];
      seen_[col / kBits] |= std::uint64_t{1} << col % kBits;
      sum_[col] += factor * m.value[k];
    }
  }
  void flush(SparseMatrix& out) {
    for (std::uint32_t word = first_; word <= last_; ++word) {
      for (std::uint64_t bits = std::exchange(seen_[word], 0); bits != 0; bits &= bits - 1) {
        const std::uint32_t col = word * kBits + static_cast<std::uint32_t>(std::countr_zero(bits));
        out.push(col, std::exchange(sum_[col], 0));
      }
    }
    first_ = static_cast<std::uint32_t>(seen_.size());
    last_ = 0;
    out.end_row();
  }

 private:
  static constexpr std::uint32_t kBits = 64;
  std::vector<double> sum_;
  std::vector<std::uint64_t> seen_;
  std::uint32_t first_ = static_cast<std::uint32_t>(seen_.size());  ///< words of seen_ that are not all 0 lie between
  std::uint32_t last_ = 0;
};

double at(std::span<const double> values, std::size_t index) { return values.size() == 1 ? values[0] : values[index]; }

}  // namespace

SparseMatrix identity_matrix(std::uint32_t size) {
  SparseMatrix m;
  m.cols = size;
  for (std::uint32_t i = 0; i < size; ++i) {
    m.push(i, 1);
    m.end_row();
  }
  return m;
}

std::optional<SparseMatrix> product(const SparseMatrix& second, const SparseMatrix& first, std::uint64_t limit) {
  OBSCURA_CHECK(second.cols == first.rows, "product: {} columns meet {} rows", second.cols, first.rows);
  SparseMatrix out;
  out.cols = first.cols;
  RowSums row(first.cols);
  for (std::uint32_t r = 0; r < second.rows; ++r) {
    for (std::uint64_t k = second.start[r]; k < second.start[r + 1]; ++k) {
      row.add_row(first, second.column[k], second.value[k]);
    }
    row.flush(out);
    if (out.nonzeros() > limit) return std::nullopt;
  }
  return out;
}

SparseMatrix sum(const SparseMatrix& a, const SparseMatrix& b) {
  OBSCURA_CHECK(a.rows == b.rows && a.cols == b.cols, "sum: {}x{} and {}x{}", a.rows, a.cols, b.rows, b.cols);
  SparseMatrix out;
  out.cols = a.cols;
  RowSums row(a.cols);
  for (std::uint32_t r = 0; r < a.rows; ++r) {
    row.add_row(a, r, 1);
    row.add_row(b, r, 1);
    row.flush(out);
  }
  return out;
}

void scale_rows(SparseMatrix& matrix, std::span<const double> factors) {
  OBSCURA_CHECK(factors.size() == 1 || factors.size() == matrix.rows, "scale_rows: {} factors", factors.size());
  for (std::uint32_t r = 0; r < matrix.rows; ++r) {
    const double factor = at(factors, r);
    for (std::uint64_t k = matrix.start[r]; k < matrix.start[r + 1]; ++k) matrix.value[k] *= factor;
  }
}

void scale_columns(SparseMatrix& matrix, std::span<const double> factors) {
  OBSCURA_CHECK(factors.size() == 1 || factors.size() == matrix.cols, "scale_columns: {} factors", factors.size());
  if (factors.size() == 1) {
    for (double& v : matrix.value) v *= factors[0];
    return;
  }
  for (std::uint64_t k = 0; k < matrix.nonzeros(); ++k) matrix.value[k] *= factors[matrix.column[k]];
}

std::vector<double> multiply(const SparseMatrix& matrix, std::span<const double> x) {
  OBSCURA_CHECK(x.size() == 1 || x.size() == matrix.cols, "multiply: {} numbers, {} columns", x.size(), matrix.cols);
  std::vector<double> y(matrix.rows, 0);
  for (std::uint32_t r = 0; r < matrix.rows; ++r) {
    for (std::uint64_t k = matrix.start[r]; k < matrix.start[r + 1]; ++k) {
      y[r] += matrix.value[k] * at(x, matrix.column[k]);
    }
  }
  return y;
}

}  // namespace obscura::compile
