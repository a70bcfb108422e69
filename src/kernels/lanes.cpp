// SPDX-License-Identifier: Apache-2.0
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSE4 | HWY_SSSE3)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/lanes.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first.
#include <hwy/highway.h>

#include "kernels/lanes.h"

HWY_BEFORE_NAMESPACE();
namespace obscura::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr hn::CappedTag<double, kVectors> kLaneTag;
using LaneVector = hn::Vec<decltype(kLaneTag)>;
constexpr std::size_t kWidth = hn::MaxLanes(kLaneTag);
constexpr std::size_t kParts = kVectors / kWidth;

/// kRows rows from `row` on: their sums stay in registers.
template <std::size_t kRows>
HWY_INLINE void lane_rows(const LaneProduct& job, std::size_t row, const double* x, double* y) {
  LaneVector sums[kRows][kParts];
  for (std::size_t r = 0; r < kRows; ++r) {
    const double* to = y + job.outputs[row + r] * kVectors;
    for (std::size_t v = 0; v < kParts; ++v) sums[r][v] = hn::LoadU(kLaneTag, to + v * kWidth);
  }
  const double* weights = job.weights + row * job.cols;
  for (std::size_t c = 0; c < job.cols; ++c) {
    const double* from = x + job.inputs[c] * kVectors;
    LaneVector in[kParts];
    for (std::size_t v = 0; v < kParts; ++v) in[v] = hn::LoadU(kLaneTag, from + v * kWidth);
    for (std::size_t r = 0; r < kRows; ++r) {
      const LaneVector w = hn::Set(kLaneTag, weights[r * job.cols + c]);
      for (std::size_t v = 0; v < kParts; ++v) sums[r][v] = hn::Add(sums[r][v], hn::Mul(w, in[v]));
    }
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    double* to = y + job.outputs[row + r] * kVectors;
    for (std::size_t v = 0; v < kParts; ++v) hn::StoreU(sums[r][v], kLaneTag, to + v * kWidth);
  }
}

void lane_product_simd(const LaneProduct& job, const double* x, double* y) {
  constexpr std::size_t kMostRows = kParts <= 2 ? 8 : 2;  // of the registers that there are
  std::size_t row = 0;
  for (; row + kMostRows <= job.rows; row += kMostRows) lane_rows<kMostRows>(job, row, x, y);
  if constexpr (kMostRows == 8) {
    for (; row + 4 <= job.rows; row += 4) lane_rows<4>(job, row, x, y);
    for (; row + 2 <= job.rows; row += 2) lane_rows<2>(job, row, x, y);
  }
  for (; row < job.rows; ++row) lane_rows<1>(job, row, x, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace obscura::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace obscura::kernels {

HWY_EXPORT(lane_product_simd);

void lane_product(const LaneProduct& job, const double* x, double* y) {
  HWY_DYNAMIC_DISPATCH(lane_product_simd)(job, x, y);
}

void lane_product_portable(const LaneProduct& job, const double* x, double* y) {
  for (std::size_t r = 0; r < job.rows; ++r) {
    double* to = y + job.outputs[r] * kVectors;
    for (std::size_t c = 0; c < job.cols; ++c) {
      const double* from = x + job.inputs[c] * kVectors;
      const double w = job.weights[r * job.cols + c];
      for (std::size_t lane = 0; lane < kVectors; ++lane) to[lane] += w * from[lane];
    }
  }
}

}  // namespace obscura::kernels
#endif  // HWY_ONCE
