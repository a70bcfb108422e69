// SPDX-License-Identifier: Apache-2.0
/// Element by element: sums, products, exact inner products.
#if defined(OBSCURA_KERNELS_POINTWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OBSCURA_KERNELS_POINTWISE_INL_H_
#undef OBSCURA_KERNELS_POINTWISE_INL_H_
#else
#define OBSCURA_KERNELS_POINTWISE_INL_H_
#endif

#include <bit>

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
/// remainders. A chunk of terms is as long as |sum| <= 2^(50 + bits) keeps high in its binade; then |low| <= 2^(bits +
/// 2) and the quotient stays below 2^51.
struct Accumulator {
  V high, low;
  explicit HWY_INLINE Accumulator(V start) : high(start), low(hn::Zero(kTag)) {}
  HWY_INLINE void add(V a, V b) {
    const V sum = hn::MulAdd(a, b, high);
    low = hn::Add(low, hn::MulSub(a, b, hn::Sub(sum, high)));
    high = sum;
  }
  /// total + what was added, reduced
  HWY_INLINE V finish(V total, V start, const Mod& m) const {
    return m.reduce(hn::Add(total, hn::Add(m.reduce(hn::Sub(high, start)), low)));
  }
};

HWY_INLINE V accumulator_start(const Modulus& m) {
  return set(kRound * static_cast<double>(std::uint64_t{1} << (m.bits - 1)));
}

/// Terms a chunk for |a| <= bound and reduced factors, |b| <= 0.6 * 2^bits.
HWY_INLINE std::size_t chunk_terms(double bound) {
  const double terms = 0x1p50 / (0.6 * bound);
  return terms < static_cast<double>(kMaxTerms) ? static_cast<std::size_t>(terms) : kMaxTerms;
}

/// out[j] = sum_t a[t][at(j)] * b[t][j], where at(j) is where the factors of 2 kLanes residues from j on stand, and
/// `second` how far behind them those of the second half are.
template <class At>
HWY_INLINE void inner_product_at(double* out, const double* const* a, At at, std::size_t second, const double* const* b,
                                 std::size_t terms, std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  const std::size_t chunk = chunk_terms(0.6 * modulus.p);
  const V start = accumulator_start(modulus);
  for (std::size_t j = 0; j < n; j += 2 * kLanes) {
    const std::size_t from = at(j);
    V total0 = hn::Zero(kTag), total1 = hn::Zero(kTag);
    for (std::size_t first = 0; first < terms; first += chunk) {
      const std::size_t last = first + chunk < terms ? first + chunk : terms;
      Accumulator sum0(start), sum1(start);
      for (std::size_t t = first; t < last; ++t) {
        sum0.add(load(a[t] + from), load(b[t] + j));
        sum1.add(load(a[t] + from + second), load(b[t] + j + kLanes));
      }
      total0 = sum0.finish(total0, start, m);
      total1 = sum1.finish(total1, start, m);
    }
    store(total0, out + j);
    store(total1, out + j + kLanes);
  }
}

void inner_product(double* out, const double* const* a, const double* const* b, std::size_t terms, std::size_t n,
                   const Modulus& modulus) {
  inner_product_at(
      out, a, [](std::size_t j) { return j; }, kLanes, b, terms, n, modulus);
}

void inner_product_repeated(double* out, const double* const* a, std::size_t repeat, const double* const* b,
                            std::size_t terms, std::size_t n, const Modulus& modulus) {
  if (repeat == 1) return inner_product(out, a, b, terms, n, modulus);
  const auto shift = static_cast<unsigned>(std::countr_zero(repeat)) + 3;
  // Two vectors are two of an octet's repetitions, or its halves.
  inner_product_at(
      out, a, [shift](std::size_t j) { return j >> shift << 3; }, 8 % (2 * kLanes) == 0 ? kLanes : 0, b, terms, n,
      modulus);
}

void weighted_sum(double* out, const double* const* a, double bound, const double* w, std::size_t terms, std::size_t n,
                  const Modulus& modulus) {
  const Mod m(modulus);
  const std::size_t chunk = chunk_terms(bound);
  const V start = accumulator_start(modulus);
  for (std::size_t j = 0; j < n; j += 2 * kLanes) {
    V total0 = hn::Zero(kTag), total1 = hn::Zero(kTag);
    for (std::size_t first = 0; first < terms; first += chunk) {
      const std::size_t last = first + chunk < terms ? first + chunk : terms;
      Accumulator sum0(start), sum1(start);
      for (std::size_t t = first; t < last; ++t) {
        const V factor = set(w[t]);
        sum0.add(load(a[t] + j), factor);
        sum1.add(load(a[t] + j + kLanes), factor);
      }
      total0 = sum0.finish(total0, start, m);
      total1 = sum1.finish(total1, start, m);
    }
    store(total0, out + j);
    store(total1, out + j + kLanes);
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
