// SPDX-License-Identifier: Apache-2.0
/// Matrices times vectors of ordinary doubles side by side: what is measured before anything is encrypted.
#pragma once

#include <cstddef>
#include <cstdint>

namespace obscura::kernels {

/// Vectors that stand side by side: element e of vector `lane` is at [e * kVectors + lane].
inline constexpr std::size_t kVectors = 16;

/// A dense matrix between some elements.
struct LaneProduct {
  const double* weights = nullptr;  ///< rows x cols, row-major
  std::size_t rows = 0;
  std::size_t cols = 0;
  const std::uint32_t* inputs = nullptr;   ///< cols elements of x
  const std::uint32_t* outputs = nullptr;  ///< rows elements of y, each once
};

/// y[outputs[r]] += sum_c weights[r][c] x[inputs[c]] in each vector: products and sums are rounded one by one, in the
/// order of c, so that every instruction set gives the same bits. x and y do not overlap.
void lane_product(const LaneProduct& job, const double* x, double* y);

/// The twin, a plain loop.
void lane_product_portable(const LaneProduct& job, const double* x, double* y);

/// p(x) = sum_k c_k T_k(t), t = (2 x - low - high) / (high - low).
struct ChebyshevSum {
  const double* coefficients = nullptr;
  std::size_t count = 0;  ///< 1 or more
  double low = -1, high = 1;
};

/// x <- p(x), slope <- p'(x) slope for kVectors numbers, by Clenshaw's recurrence b_k = c_k + 2 t b_{k+1} - b_{k+2};
/// rounded one by one, so that every instruction set gives the same bits.
void chebyshev_sum(const ChebyshevSum& job, double* x, double* slope);

/// The twin, a plain loop.
void chebyshev_sum_portable(const ChebyshevSum& job, double* x, double* slope);

}  // namespace obscura::kernels
