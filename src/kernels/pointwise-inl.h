// SPDX-License-Identifier: Apache-2.0
/// Element by element: sums, products, exact inner products.
#if defined(OBSCURA_KERNELS_POINTWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OBSCURA_KERNELS_POINTWISE_INL_H_
#undef OBSCURA_KERNELS_POINTWISE_INL_H_
#else
#define OBSCURA_KERNELS_POINTWISE_INL_H_
#endif

#include "kernels/arithmetic-inl.h"

HWY_BEFORE_NAMESPACE();
namespace obscura::kernels {
namespace HWY_NAMESPACE {

void add(double* out, const double* a, const double* b, std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t j = 0; j < n; j += kLanes) store(m.reduce(hn::Add(load(a + j), load(b + j))), out + j);
}

void subtract(double* out, const double* a, const double* b, std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t j = 0; j < n; j += kLanes) store(m.reduce(hn::Sub(load(a + j), load(b + j))), out + j);
}

void multiply(double* out, const double* a, const double* b, std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t j = 0; j < n; j += kLanes) store(m.multiply(load(a + j), load(b + j)), out + j);
}

void multiply_pair(double* out, const double* a, const double* b, const double* c, const double* d, std::size_t n,
                   const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t j = 0; j < n; j += kLanes) {
    const V sum = hn::Add(m.multiply(load(a + j), load(b + j)), m.multiply(load(c + j), load(d + j)));
    store(m.reduce(sum), out + j);
  }
}

void multiply_scalar(double* out, const double* a, double w, double c, std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  const V factor = set(w), constant = set(c);
  for (std::size_t j = 0; j < n; j += kLanes) {
    store(m.reduce(hn::Add(m.multiply(load(a + j), factor), constant)), out + j);
  }
}

void multiply_scalar_add(double* out, const double* a, double w, std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  const V factor = set(w);
  for (std::size_t j = 0; j < n; j += kLanes) {
    store(m.reduce(hn::Add(m.multiply(load(a + j), factor), load(out + j))), out + j);
  }
}

void subtract_multiply(double* out, const double* a, const double* b, double w, std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  const V factor = set(w);
  for (std::size_t j = 0; j < n; j += kLanes) {
    store(m.reduce(m.multiply(hn::Sub(load(a + j), load(b + j)), factor)), out + j);
  }
}

void reduce(double* out, const double* a, std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t j = 0; j < n; j += kLanes) store(m.reduce(load(a + j)), out + j);
}

/// Exact sums: high holds multiples of 2^(bits-1), since it starts at 1.5 * 2^(52 + bits - 1), and low the exact
/// remainders. With T = 2^(51 - bits) terms of |a b| <= 0.36 * 2^(2 bits), |sum| <= 2^(50 + bits) keeps high in its
/// binade, |low| <= T 2^(bits - 2) <= 2^49, and the quotient stays below 2^51.
void inner_product(double* out, const double* const* a, const double* const* b, std::size_t terms, std::size_t n,
                   const Modulus& modulus) {
  const Mod m(modulus);
  const std::size_t chunk = modulus.bits >= 48 ? std::size_t{1} << (51 - modulus.bits) : 8;
  const V start = set(kRound * static_cast<double>(std::uint64_t{1} << (modulus.bits - 1)));
  for (std::size_t j = 0; j < n; j += 2 * kLanes) {
    V total0 = hn::Zero(kTag), total1 = hn::Zero(kTag);
    for (std::size_t first = 0; first < terms; first += chunk) {
      const std::size_t last = first + chunk < terms ? first + chunk : terms;
      V high0 = start, high1 = start, low0 = hn::Zero(kTag), low1 = hn::Zero(kTag);
      for (std::size_t t = first; t < last; ++t) {
        const V a0 = load(a[t] + j), b0 = load(b[t] + j);
        const V a1 = load(a[t] + j + kLanes), b1 = load(b[t] + j + kLanes);
        const V sum0 = hn::MulAdd(a0, b0, high0), sum1 = hn::MulAdd(a1, b1, high1);
        low0 = hn::Add(low0, hn::MulSub(a0, b0, hn::Sub(sum0, high0)));
        low1 = hn::Add(low1, hn::MulSub(a1, b1, hn::Sub(sum1, high1)));
        high0 = sum0, high1 = sum1;
      }
      total0 = m.reduce(hn::Add(total0, hn::Add(m.reduce(hn::Sub(high0, start)), low0)));
      total1 = m.reduce(hn::Add(total1, hn::Add(m.reduce(hn::Sub(high1, start)), low1)));
    }
    store(total0, out + j);
    store(total1, out + j + kLanes);
  }
}

void weighted_sum(double* out, const double* const* a, const double* w, std::size_t terms, std::size_t n,
                  const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t j = 0; j < n; j += 2 * kLanes) {
    V sum0 = hn::Zero(kTag), sum1 = hn::Zero(kTag);
    for (std::size_t t = 0; t < terms; ++t) {
      const V factor = set(w[t]);
      sum0 = hn::Add(sum0, m.multiply(load(a[t] + j), factor));
      sum1 = hn::Add(sum1, m.multiply(load(a[t] + j + kLanes), factor));
    }
    store(m.reduce(sum0), out + j);
    store(m.reduce(sum1), out + j + kLanes);
  }
}

void permute(double* out, const double* in, const std::uint32_t* index, std::size_t n) {
  const hn::Rebind<std::int32_t, D> narrow;
  const hn::Rebind<std::int64_t, D> wide;
  for (std::size_t j = 0; j < n; j += kLanes) {
    const auto at = hn::LoadU(narrow, reinterpret_cast<const std::int32_t*>(index + j));
    store(hn::GatherIndex(kTag, in, hn::PromoteTo(wide, at)), out + j);
  }
}

void rounded_sum(double* out, const double* const* a, const double* f, std::size_t terms, std::size_t n) {
  const V round = set(kRound);
  for (std::size_t j = 0; j < n; j += kLanes) {
    V sum = hn::Zero(kTag);
    for (std::size_t t = 0; t < terms; ++t) sum = hn::Add(sum, hn::Mul(load(a[t] + j), set(f[t])));
    store(hn::Sub(hn::Add(sum, round), round), out + j);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace obscura::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
