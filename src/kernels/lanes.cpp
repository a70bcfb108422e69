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

/// One vector of each: the recurrence waits for itself, so that several go side by side.
void chebyshev_sum_simd(const ChebyshevSum& job, double* x, double* slope) {
  const LaneVector two = hn::Set(kLaneTag, 2), low = hn::Set(kLaneTag, job.low), high = hn::Set(kLaneTag, job.high);
  const LaneVector width = hn::Set(kLaneTag, job.high - job.low), zero = hn::Zero(kLaneTag);
  LaneVector t[kParts], value[kParts], derivative[kParts], next_value[kParts], next_derivative[kParts];
  for (std::size_t v = 0; v < kParts; ++v) {
    const LaneVector doubled = hn::Mul(two, hn::LoadU(kLaneTag, x + v * kWidth));
    t[v] = hn::Div(hn::Sub(hn::Sub(doubled, low), high), width);
    value[v] = derivative[v] = next_value[v] = next_derivative[v] = zero;
  }
  for (std::size_t k = job.count; k-- > 1;) {
    const LaneVector c = hn::Set(kLaneTag, job.coefficients[k]);
    for (std::size_t v = 0; v < kParts; ++v) {
      const LaneVector twice = hn::Mul(two, t[v]);
      const LaneVector own = hn::Sub(hn::Add(c, hn::Mul(twice, value[v])), next_value[v]);
      const LaneVector its =
          hn::Sub(hn::Add(hn::Mul(two, value[v]), hn::Mul(twice, derivative[v])), next_derivative[v]);
      next_value[v] = value[v], next_derivative[v] = derivative[v];
      value[v] = own, derivative[v] = its;
    }
  }
  const LaneVector c = hn::Set(kLaneTag, job.coefficients[0]);
  for (std::size_t v = 0; v < kParts; ++v) {
    const LaneVector its = hn::Sub(hn::Add(value[v], hn::Mul(t[v], derivative[v])), next_derivative[v]);
    const LaneVector inner = hn::LoadU(kLaneTag, slope + v * kWidth);
    hn::StoreU(hn::Sub(hn::Add(c, hn::Mul(t[v], value[v])), next_value[v]), kLaneTag, x + v * kWidth);
    hn::StoreU(hn::Mul(hn::Div(hn::Mul(its, two), width), inner), kLaneTag, slope + v * kWidth);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace obscura::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace obscura::kernels {

HWY_EXPORT(lane_product_simd);
HWY_EXPORT(chebyshev_sum_simd);

void chebyshev_sum(const ChebyshevSum& job, double* x, double* slope) {
  HWY_DYNAMIC_DISPATCH(chebyshev_sum_simd)(job, x, slope);
}

void chebyshev_sum_portable(const ChebyshevSum& job, double* x, double* slope) {
  const double width = job.high - job.low;
  for (std::size_t lane = 0; lane < kVectors; ++lane) {
    const double t = (2 * x[lane] - job.low - job.high) / width;
    double value = 0, derivative = 0, next_value = 0, next_derivative = 0;
    for (std::size_t k = job.count; k-- > 1;) {
      const double own = job.coefficients[k] + 2 * t * value - next_value;
      const double its = 2 * value + 2 * t * derivative - next_derivative;
      next_value = value, next_derivative = derivative;
      value = own, derivative = its;
    }
    const double its = value + t * derivative - next_derivative;
    x[lane] = job.coefficients[0] + t * value - next_value;
    slope[lane] = its * 2 / width * slope[lane];
  }
}

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
