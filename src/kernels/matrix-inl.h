// SPDX-License-Identifier: Apache-2.0
/// Integer matrix times residues. x = high + low, high a multiple of 2^25 and |low| <= 2^24; both sums stay exact for
/// rows of L1 norm below 2^28: |sum w high| < 2^25 * 2^52.3, |sum w low| <= 2^52.
#if defined(OBSCURA_KERNELS_MATRIX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OBSCURA_KERNELS_MATRIX_INL_H_
#undef OBSCURA_KERNELS_MATRIX_INL_H_
#else
#define OBSCURA_KERNELS_MATRIX_INL_H_
#endif

#include "kernels/arithmetic-inl.h"

HWY_BEFORE_NAMESPACE();
namespace obscura::kernels {
namespace HWY_NAMESPACE {

/// kRows rows from `row` on, kVectors vectors from coefficient j on.
template <std::size_t kRows, std::size_t kVectors>
HWY_INLINE void matrix_rows(const MatrixProduct& job, std::size_t row, std::size_t j, const Mod& m) {
  const V split = set(kRound * static_cast<double>(1 << 25));
  V high[kRows][kVectors], low[kRows][kVectors];
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      high[r][v] = hn::Zero(kTag);
      low[r][v] = job.bias == nullptr ? hn::Zero(kTag) : set(job.bias[row + r]);
    }
  }
  const double* weights = job.weights + row * job.cols;
  for (std::size_t c = 0; c < job.cols; ++c) {
    V x_high[kVectors], x_low[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) {
      const V x = load(job.x[c] + j + v * kLanes);
      x_high[v] = hn::Sub(hn::Add(x, split), split);
      x_low[v] = hn::Sub(x, x_high[v]);
    }
    for (std::size_t r = 0; r < kRows; ++r) {
      const V w = set(weights[r * job.cols + c]);
      for (std::size_t v = 0; v < kVectors; ++v) {
        high[r][v] = hn::MulAdd(w, x_high[v], high[r][v]);
        low[r][v] = hn::MulAdd(w, x_low[v], low[r][v]);
      }
    }
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      store(m.reduce(hn::Add(m.reduce(high[r][v]), low[r][v])), job.y[row + r] + j + v * kLanes);
    }
  }
}

template <std::size_t kRows, std::size_t kVectors>
HWY_INLINE void matrix_strip(const MatrixProduct& job, std::size_t row, const Mod& m) {
  for (std::size_t j = 0; j < kMatrixTile; j += kVectors * kLanes) matrix_rows<kRows, kVectors>(job, row, j, m);
}

void matrix_product(const MatrixProduct& job, const Modulus& modulus) {
  const Mod m(modulus);
  // Accumulators, inputs and a weight must stay in registers: 32 with AVX-512, 16 with AVX2.
  constexpr std::size_t kFull = kLanes == 8 ? 6 : 3;
  constexpr std::size_t kVectors = 2;
  std::size_t row = 0;
  for (; row + kFull <= job.rows; row += kFull) matrix_strip<kFull, kVectors>(job, row, m);
  switch (job.rows - row) {
    case 5:
      matrix_strip<5, kVectors>(job, row, m);
      break;
    case 4:
      matrix_strip<4, kVectors>(job, row, m);
      break;
    case 3:
      matrix_strip<3, kVectors>(job, row, m);
      break;
    case 2:
      matrix_strip<2, 2 * kVectors>(job, row, m);
      break;
    case 1:
      matrix_strip<1, 4 * kVectors>(job, row, m);
      break;
    default:
      break;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace obscura::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
