// SPDX-License-Identifier: Apache-2.0
/// Vectors of residues: the exact product and reduction. Compiled once for each Highway target.
#if defined(OBSCURA_KERNELS_ARITHMETIC_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OBSCURA_KERNELS_ARITHMETIC_INL_H_
#undef OBSCURA_KERNELS_ARITHMETIC_INL_H_
#else
#define OBSCURA_KERNELS_ARITHMETIC_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace obscura::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<double, 8>;
using V = hn::Vec<D>;
inline constexpr D kTag;
inline constexpr std::size_t kLanes = HWY_TARGET == HWY_AVX3 ? 8 : 4;

/// Adding and subtracting 1.5 * 2^52 rounds to an integer, for |x| <= 2^51.
inline constexpr double kRound = 6755399441055744.0;

HWY_INLINE V load(const double* x) { return hn::Load(kTag, x); }
HWY_INLINE void store(V v, double* x) { hn::Store(v, kTag, x); }
HWY_INLINE V set(double x) { return hn::Set(kTag, x); }

/// One modulus in registers.
struct Mod {
  V p, inverse, round;
  explicit HWY_INLINE Mod(const Modulus& m) : p(set(m.p)), inverse(set(m.inverse)), round(set(kRound)) {}

  /// round(x / p), |x / p| <= 2^51
  HWY_INLINE V quotient(V x) const { return hn::Sub(hn::MulAdd(x, inverse, round), round); }
  /// x mod p, reduced; |x| < 2^52
  HWY_INLINE V reduce(V x) const { return hn::NegMulAdd(quotient(x), p, x); }
  /// a w mod p; see kernels.h for the ranges
  HWY_INLINE V multiply(V a, V w) const {
    const V h = hn::Mul(a, w);
    const V l = hn::MulSub(a, w, h);
    return hn::Add(hn::NegMulAdd(quotient(h), p, h), l);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace obscura::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
