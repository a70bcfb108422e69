// SPDX-License-Identifier: Apache-2.0
/// The NTT: strided passes of up to three levels, then a tail of six levels on blocks of 64 in registers. Blocks of
/// 4096 are finished depth-first, so that all but the first pass run in the first-level cache.
#if defined(OBSCURA_KERNELS_NTT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OBSCURA_KERNELS_NTT_INL_H_
#undef OBSCURA_KERNELS_NTT_INL_H_
#else
#define OBSCURA_KERNELS_NTT_INL_H_
#endif

#include <bit>

#include "kernels/arithmetic-inl.h"

HWY_BEFORE_NAMESPACE();
namespace obscura::kernels {
namespace HWY_NAMESPACE {

inline constexpr std::size_t kParts = 8 / kLanes;  ///< vectors in a row of eight
inline constexpr std::size_t kCachedBlock = 4096;

/// Cooley-Tukey: (a, b) -> (a + b w, a - b w).
HWY_INLINE void forward_butterfly(V& a, V& b, V w, const Mod& m) {
  const V t = m.multiply(b, w);
  b = hn::Sub(a, t);
  a = hn::Add(a, t);
}

/// Gentleman-Sande: (a, b) -> (a + b, (a - b) w).
HWY_INLINE void inverse_butterfly(V& a, V& b, V w, const Mod& m) {
  const V t = hn::Sub(a, b);
  a = hn::Add(a, b);
  b = m.multiply(t, w);
}

/// Groups of eight vectors that are worked on side by side, level by level: a butterfly waits some 20 cycles for its
/// own result, and the other group's fill them. AVX2 has registers for one group; there the two halves of a block are
/// two.
inline constexpr std::size_t kPassGroups = kLanes == 8 ? 2 : 1;
inline constexpr std::size_t kTailBlocks = kLanes == 8 ? 2 : 1;
inline constexpr std::size_t kTailGroups = kTailBlocks * kParts;

/// Three levels on groups of eight vectors; w[0], w[1..2], w[3..6] are the levels' roots.
template <std::size_t kGroups>
HWY_INLINE void forward8(V (&x)[kGroups][8], const V (&w)[kGroups][7], const Mod& m) {
  for (std::size_t g = 0; g < kGroups; ++g) {
    for (std::size_t k = 0; k < 4; ++k) forward_butterfly(x[g][k], x[g][k + 4], w[g][0], m);
  }
  for (std::size_t g = 0; g < kGroups; ++g) {
    for (std::size_t k = 0; k < 2; ++k) forward_butterfly(x[g][k], x[g][k + 2], w[g][1], m);
    for (std::size_t k = 4; k < 6; ++k) forward_butterfly(x[g][k], x[g][k + 2], w[g][2], m);
  }
  for (std::size_t g = 0; g < kGroups; ++g) {
    for (std::size_t k = 0; k < 4; ++k) forward_butterfly(x[g][2 * k], x[g][2 * k + 1], w[g][3 + k], m);
  }
}

/// The inverse levels. In: |x| <= 1.25 p for primes to 48 bits, 0.86 p above; out: the same. A sum doubles the bound
/// a level, and operands stay below 2^52 (16 p at 48 bits, 4 p at 50): so the sums of sums are reduced, after the
/// second level too where `kWide`.
template <bool kWide, std::size_t kGroups>
HWY_INLINE void inverse8(V (&x)[kGroups][8], const V (&w)[kGroups][7], const Mod& m) {
  for (std::size_t g = 0; g < kGroups; ++g) {
    for (std::size_t k = 0; k < 4; ++k) inverse_butterfly(x[g][2 * k], x[g][2 * k + 1], w[g][3 + k], m);
  }
  for (std::size_t g = 0; g < kGroups; ++g) {
    for (std::size_t k = 0; k < 2; ++k) inverse_butterfly(x[g][k], x[g][k + 2], w[g][1], m);
    for (std::size_t k = 4; k < 6; ++k) inverse_butterfly(x[g][k], x[g][k + 2], w[g][2], m);
    if (kWide) {
      x[g][0] = m.reduce(x[g][0]);
      x[g][4] = m.reduce(x[g][4]);
    }
  }
  for (std::size_t g = 0; g < kGroups; ++g) {
    for (std::size_t k = 0; k < 4; ++k) inverse_butterfly(x[g][k], x[g][k + 4], w[g][0], m);
    for (std::size_t k = 0; k < (kWide ? 4 : 2); ++k) x[g][k] = m.reduce(x[g][k]);
  }
}

#if HWY_TARGET == HWY_AVX3
/// Blocks of 128 bits as a 4 x 4 matrix: four vectors in, their columns out.
HWY_INLINE void transpose_blocks4(V a, V b, V c, V d, V* HWY_RESTRICT x) {
  const auto even0 = _mm512_shuffle_f64x2(a.raw, b.raw, 0x88);
  const auto odd0 = _mm512_shuffle_f64x2(a.raw, b.raw, 0xDD);
  const auto even1 = _mm512_shuffle_f64x2(c.raw, d.raw, 0x88);
  const auto odd1 = _mm512_shuffle_f64x2(c.raw, d.raw, 0xDD);
  x[0] = V{_mm512_shuffle_f64x2(even0, even1, 0x88)};
  x[2] = V{_mm512_shuffle_f64x2(odd0, odd1, 0x88)};
  x[4] = V{_mm512_shuffle_f64x2(even0, even1, 0xDD)};
  x[6] = V{_mm512_shuffle_f64x2(odd0, odd1, 0xDD)};
}

/// A block of 64 as kParts groups.
HWY_INLINE void transpose(V (*x)[8]) {
  V low[4], high[4];
  for (std::size_t k = 0; k < 4; ++k) {
    low[k] = hn::InterleaveLower(kTag, x[0][2 * k], x[0][2 * k + 1]);
    high[k] = hn::InterleaveUpper(kTag, x[0][2 * k], x[0][2 * k + 1]);
  }
  transpose_blocks4(low[0], low[1], low[2], low[3], x[0]);
  transpose_blocks4(high[0], high[1], high[2], high[3], x[0] + 1);
}
#else
HWY_INLINE void transpose4(V* HWY_RESTRICT x) {
  const V a = hn::InterleaveLower(kTag, x[0], x[1]);
  const V b = hn::InterleaveUpper(kTag, x[0], x[1]);
  const V c = hn::InterleaveLower(kTag, x[2], x[3]);
  const V d = hn::InterleaveUpper(kTag, x[2], x[3]);
  x[0] = hn::ConcatLowerLower(kTag, c, a);
  x[1] = hn::ConcatLowerLower(kTag, d, b);
  x[2] = hn::ConcatUpperUpper(kTag, c, a);
  x[3] = hn::ConcatUpperUpper(kTag, d, b);
}

/// A block of 64 as kParts groups.
HWY_INLINE void transpose(V (*x)[8]) {
  for (std::size_t part = 0; part < 2; ++part) {
    transpose4(x[part]);
    transpose4(x[part] + 4);
  }
  for (std::size_t k = 0; k < 4; ++k) {
    const V t = x[0][4 + k];
    x[0][4 + k] = x[1][k];
    x[1][k] = t;
  }
}
#endif

/// The blocks of a tail as groups, block by block.
HWY_INLINE void load_blocks(const double* x, V (&v)[kTailGroups][8]) {
  for (std::size_t g = 0; g < kTailGroups; ++g) {
    for (std::size_t row = 0; row < 8; ++row) v[g][row] = load(x + 64 * (g / kParts) + 8 * row + kLanes * (g % kParts));
  }
}

HWY_INLINE void store_blocks(const V (&v)[kTailGroups][8], double* x) {
  for (std::size_t g = 0; g < kTailGroups; ++g) {
    for (std::size_t row = 0; row < 8; ++row) store(v[g][row], x + 64 * (g / kParts) + 8 * row + kLanes * (g % kParts));
  }
}

HWY_INLINE void transpose_all(V (&v)[kTailGroups][8]) {
  for (std::size_t b = 0; b < kTailBlocks; ++b) transpose(v + b * kParts);
}

template <std::size_t kGroups>
HWY_INLINE void reduce_all(V (&v)[kGroups][8], const Mod& m) {
  for (std::size_t g = 0; g < kGroups; ++g) {
    for (std::size_t k = 0; k < 8; ++k) v[g][k] = m.reduce(v[g][k]);
  }
}

/// The seven roots of three levels at block i of a level of m blocks, each in all lanes.
HWY_INLINE void load_roots(const double* roots, std::size_t m, std::size_t i, V* HWY_RESTRICT w) {
  w[0] = set(roots[m + i]);
  for (std::size_t k = 0; k < 2; ++k) w[1 + k] = set(roots[2 * (m + i) + k]);
  for (std::size_t k = 0; k < 4; ++k) w[3 + k] = set(roots[4 * (m + i) + k]);
}

/// The same roots for each group.
HWY_INLINE void load_pass_roots(const double* roots, std::size_t m, std::size_t i, V (&w)[kPassGroups][7]) {
  for (std::size_t g = 0; g < kPassGroups; ++g) load_roots(roots, m, i, w[g]);
}

/// The roots of the last six levels: first those in all lanes, then those of the transposed blocks.
HWY_INLINE void load_block_roots(const double* roots, std::size_t m, std::size_t block, V (&w)[kTailGroups][7]) {
  for (std::size_t g = 0; g < kTailGroups; ++g) load_roots(roots, m, block + g / kParts, w[g]);
}

HWY_INLINE void load_tail_roots(const Octet* tail, std::size_t block, V (&w)[kTailGroups][7]) {
  for (std::size_t g = 0; g < kTailGroups; ++g) {
    const Octet* octets = tail + 7 * (block + g / kParts);
    for (std::size_t k = 0; k < 7; ++k) w[g][k] = load(octets[k].lane + kLanes * (g % kParts));
  }
}

/// The last six levels on kTailBlocks blocks of 64; block = the first's index in the whole polynomial.
template <bool kReduceFirst, bool kReduceSecond>
HWY_INLINE void forward_tail(double* x, const NttTable& table, std::size_t block, const Mod& m) {
  V v[kTailGroups][8];
  V w[kTailGroups][7];
  load_blocks(x, v);
  load_block_roots(table.roots.data(), table.degree / 64, block, w);
  if (kReduceFirst) reduce_all(v, m);
  forward8(v, w, m);
  transpose_all(v);
  load_tail_roots(table.tail.data(), block, w);
  if (kReduceSecond) reduce_all(v, m);
  forward8(v, w, m);
  reduce_all(v, m);
  store_blocks(v, x);
}

template <bool kWide>
HWY_INLINE void inverse_tail(double* x, const NttTable& table, std::size_t block, const Mod& m) {
  V v[kTailGroups][8];
  V w[kTailGroups][7];
  load_blocks(x, v);
  load_tail_roots(table.inverse_tail.data(), block, w);
  inverse8<kWide>(v, w, m);
  transpose_all(v);
  load_block_roots(table.inverse_roots.data(), table.degree / 64, block, w);
  inverse8<kWide>(v, w, m);
  store_blocks(v, x);
}

/// One level on the block of 2 * half elements at x.
template <bool kReduce>
HWY_INLINE void forward_pass2(double* x, std::size_t half, double root, const Mod& m) {
  const V w = set(root);
  for (std::size_t j = 0; j < half; j += kLanes) {
    V a = load(x + j), b = load(x + j + half);
    if (kReduce) a = m.reduce(a), b = m.reduce(b);
    forward_butterfly(a, b, w, m);
    store(a, x + j);
    store(b, x + j + half);
  }
}

/// Two levels on the block of 4 * quarter elements at x.
template <bool kReduce>
HWY_INLINE void forward_pass4(double* x, std::size_t quarter, const double* roots, std::size_t index, const Mod& m) {
  const V w0 = set(roots[index]), w1 = set(roots[2 * index]), w2 = set(roots[2 * index + 1]);
  for (std::size_t j = 0; j < quarter; j += kLanes) {
    V v[4];
    for (std::size_t k = 0; k < 4; ++k) v[k] = load(x + j + k * quarter);
    if (kReduce) {
      for (std::size_t k = 0; k < 4; ++k) v[k] = m.reduce(v[k]);
    }
    forward_butterfly(v[0], v[2], w0, m);
    forward_butterfly(v[1], v[3], w0, m);
    forward_butterfly(v[0], v[1], w1, m);
    forward_butterfly(v[2], v[3], w2, m);
    for (std::size_t k = 0; k < 4; ++k) store(v[k], x + j + k * quarter);
  }
}

HWY_INLINE void load_groups(const double* x, std::size_t eighth, V (&v)[kPassGroups][8]) {
  for (std::size_t g = 0; g < kPassGroups; ++g) {
    for (std::size_t k = 0; k < 8; ++k) v[g][k] = load(x + g * kLanes + k * eighth);
  }
}

HWY_INLINE void store_groups(const V (&v)[kPassGroups][8], double* x, std::size_t eighth) {
  for (std::size_t g = 0; g < kPassGroups; ++g) {
    for (std::size_t k = 0; k < 8; ++k) store(v[g][k], x + g * kLanes + k * eighth);
  }
}

/// Three levels on the block of 8 * eighth elements at x, eighth >= 64: block i of a level of `blocks`.
template <bool kReduce>
HWY_INLINE void forward_pass8(double* x, std::size_t eighth, const double* roots, std::size_t blocks, std::size_t i,
                              const Mod& m) {
  V w[kPassGroups][7];
  load_pass_roots(roots, blocks, i, w);
  for (std::size_t j = 0; j < eighth; j += kPassGroups * kLanes) {
    V v[kPassGroups][8];
    load_groups(x + j, eighth, v);
    if (kReduce) reduce_all(v, m);
    forward8(v, w, m);
    store_groups(v, x + j, eighth);
  }
}

template <bool kWide>
HWY_INLINE void inverse_pass8(double* x, std::size_t eighth, const double* roots, std::size_t blocks, std::size_t i,
                              const Mod& m) {
  V w[kPassGroups][7];
  load_pass_roots(roots, blocks, i, w);
  for (std::size_t j = 0; j < eighth; j += kPassGroups * kLanes) {
    V v[kPassGroups][8];
    load_groups(x + j, eighth, v);
    inverse8<kWide>(v, w, m);
    store_groups(v, x + j, eighth);
  }
}

/// The levels from `level` on, of blocks of length <= kCachedBlock: block `i` of `blocks`.
HWY_INLINE void forward_cached(double* x, const NttTable& table, std::size_t length, std::size_t blocks, std::size_t i,
                               std::size_t level, const Mod& m) {
  const double* roots = table.roots.data();
  std::size_t count = 1;
  for (; length > 64; length /= 8, blocks *= 8, i *= 8, count *= 8, level += 3) {
    for (std::size_t part = 0; part < count; ++part) {
      if (table.reduce_first[level]) {
        forward_pass8<true>(x + part * length, length / 8, roots, blocks, i + part, m);
      } else {
        forward_pass8<false>(x + part * length, length / 8, roots, blocks, i + part, m);
      }
    }
  }
  const int reductions = (table.reduce_first[level] ? 1 : 0) + (table.reduce_first[level + 3] ? 2 : 0);
  for (std::size_t part = 0; part < count; part += kTailBlocks) {
    double* block = x + 64 * part;
    switch (reductions) {
      case 0:
        forward_tail<false, false>(block, table, i + part, m);
        break;
      case 1:
        forward_tail<true, false>(block, table, i + part, m);
        break;
      case 2:
        forward_tail<false, true>(block, table, i + part, m);
        break;
      default:
        forward_tail<true, true>(block, table, i + part, m);
    }
  }
}

/// (low, high) -> (low + high w, high + low w), high from back to front.
template <bool kReduce>
HWY_INLINE void fold_pair(double* low, double* high, V w, const Mod& m) {
  const V a = hn::LoadU(kTag, low), b = hn::Reverse(kTag, hn::LoadU(kTag, high));
  V sum = hn::Add(a, m.multiply(b, w)), other = hn::Add(b, m.multiply(a, w));
  if (kReduce) sum = m.reduce(sum), other = m.reduce(other);
  hn::StoreU(hn::Reverse(kTag, other), kTag, high);
  hn::StoreU(sum, kTag, low);
}

/// x_j + w x_(N - j) for each j but 0.
template <bool kReduce>
HWY_INLINE void fold(double* HWY_RESTRICT x, std::size_t n, double factor, const Mod& m) {
  const V w = set(factor);
  for (std::size_t j = kLanes; j < n / 2; j += kLanes) fold_pair<kReduce>(x + j, x + n - j - kLanes + 1, w, m);
  // What is left: 1 .. kLanes - 1 with their mirrors, and N/2 with itself.
  alignas(64) double rest[2 * kLanes];
  double* const mirror = rest + kLanes;
  for (std::size_t j = 1; j < kLanes; ++j) rest[j] = x[j], mirror[kLanes - 1 - j] = x[n - j];
  rest[0] = mirror[kLanes - 1] = x[n / 2];
  fold_pair<kReduce>(rest, mirror, w, m);
  for (std::size_t j = 1; j < kLanes; ++j) x[j] = rest[j], x[n - j] = mirror[kLanes - 1 - j];
  x[n / 2] = rest[0];
}

void ntt_forward(double* HWY_RESTRICT x, const NttTable& table) {
  const Mod m(table.modulus);
  if (table.fold != 0) fold<false>(x, table.degree, -table.fold, m);
  const double* roots = table.roots.data();
  const auto levels = static_cast<std::size_t>(std::countr_zero(table.degree));
  std::size_t length = table.degree, blocks = 1, level = 0;
  if (levels % 3 == 1) {  // the inputs' bound never needs a reduction in a first pass of one or two levels
    forward_pass2<false>(x, length / 2, roots[1], m);
    length /= 2, blocks = 2, level = 1;
  } else if (levels % 3 == 2) {
    forward_pass4<false>(x, length / 4, roots, 1, m);
    length /= 4, blocks = 4, level = 2;
  }
  for (; length > kCachedBlock; length /= 8, blocks *= 8, level += 3) {
    for (std::size_t i = 0; i < blocks; ++i) {
      if (table.reduce_first[level]) {
        forward_pass8<true>(x + i * length, length / 8, roots, blocks, i, m);
      } else {
        forward_pass8<false>(x + i * length, length / 8, roots, blocks, i, m);
      }
    }
  }
  for (std::size_t i = 0; i < blocks; ++i) forward_cached(x + i * length, table, length, blocks, i, level, m);
}

/// The mirror of forward_cached: blocks of 64 up to blocks of `length`. The last pass of a whole polynomial (blocks ==
/// 1) is left to finish_inverse.
template <bool kWide>
HWY_INLINE void inverse_cached(double* x, const NttTable& table, std::size_t length, std::size_t blocks, std::size_t i,
                               const Mod& m) {
  const std::size_t tails = length / 64;
  for (std::size_t part = 0; part < tails; part += kTailBlocks) {
    inverse_tail<kWide>(x + 64 * part, table, i * tails + part, m);
  }
  for (std::size_t size = 512; size <= length; size *= 8) {
    const std::size_t count = length / size;
    if (blocks * count == 1) return;
    for (std::size_t part = 0; part < count; ++part) {
      inverse_pass8<kWide>(x + part * size, size / 8, table.inverse_roots.data(), blocks * count, i * count + part, m);
    }
  }
}

/// The last levels, on kRows = 2, 4 or 8 rows, with the factor folded into their sums and roots; results reduced, or
/// where kFolds up to 0.7 p.
template <std::size_t kRows, bool kFolds>
HWY_INLINE void finish_inverse(double* x, const NttTable& table, double factor, const Mod& m) {
  const std::size_t stride = table.degree / kRows;
  const V f = set(factor);
  V w[kRows];
  for (std::size_t k = 1; k < kRows; ++k) w[k] = set(table.inverse_roots[k]);
  w[1] = m.reduce(m.multiply(w[1], f));
  for (std::size_t j = 0; j < stride; j += kLanes) {
    V v[kRows];
    for (std::size_t k = 0; k < kRows; ++k) v[k] = load(x + j + k * stride);
    for (std::size_t step = 1; step < kRows / 2; step *= 2) {
      const std::size_t groups = kRows / (2 * step);
      for (std::size_t k = 0; k < kRows / 2; ++k) {
        const std::size_t group = k / step;
        const std::size_t at = 2 * step * group + k % step;
        inverse_butterfly(v[at], v[at + step], w[groups + group], m);
      }
    }
    for (std::size_t k = 0; k < kRows; ++k) v[k] = m.reduce(v[k]);
    for (std::size_t k = 0; k < kRows / 2; ++k) {
      const V sum = hn::Add(v[k], v[k + kRows / 2]);
      const V difference = hn::Sub(v[k], v[k + kRows / 2]);
      const V low = m.multiply(sum, f), high = m.multiply(difference, w[1]);
      store(kFolds ? low : m.reduce(low), x + j + k * stride);
      store(kFolds ? high : m.reduce(high), x + j + (k + kRows / 2) * stride);
    }
  }
}

template <bool kFolds>
HWY_INLINE void finish_levels(double* x, const NttTable& table, double factor, const Mod& m) {
  switch (std::countr_zero(table.degree) % 3) {
    case 0:
      return finish_inverse<8, kFolds>(x, table, factor, m);
    case 1:
      return finish_inverse<2, kFolds>(x, table, factor, m);
    default:
      return finish_inverse<4, kFolds>(x, table, factor, m);
  }
}

template <bool kWide>
HWY_INLINE void inverse_all(double* x, const NttTable& table, double factor) {
  const Mod m(table.modulus);
  std::size_t length = table.degree;
  const auto levels = static_cast<std::size_t>(std::countr_zero(table.degree));
  length >>= levels % 3;
  while (length > kCachedBlock) length /= 8;
  std::size_t blocks = table.degree / length;
  for (std::size_t i = 0; i < blocks; ++i) inverse_cached<kWide>(x + i * length, table, length, blocks, i, m);
  for (; blocks >= 8;) {
    length *= 8, blocks /= 8;
    if (blocks == 1) break;
    for (std::size_t i = 0; i < blocks; ++i) {
      inverse_pass8<kWide>(x + i * length, length / 8, table.inverse_roots.data(), blocks, i, m);
    }
  }
  table.fold == 0 ? finish_levels<false>(x, table, factor, m) : finish_levels<true>(x, table, factor, m);
}

void ntt_inverse(double* HWY_RESTRICT x, const NttTable& table, double factor) {
  const Mod m(table.modulus);
  // 1/N = -(p - 1)/N mod p, since p = 1 (mod N); and (mod 2N) where b_j = c_j - i c_(N - j) is undone by
  // (b_j + i b_(N - j)) / 2 = c_j, b_0 = c_0.
  const bool folds = table.fold != 0;
  const auto inverse_degree =
      -static_cast<double>((table.modulus.value - 1) / (folds ? 2 * table.degree : table.degree));
  const double folded = hn::GetLane(m.reduce(m.multiply(set(inverse_degree), set(factor))));
  table.modulus.bits > 48 ? inverse_all<true>(x, table, folded) : inverse_all<false>(x, table, folded);
  if (!folds) return;
  fold<true>(x, table.degree, table.fold, m);
  x[0] = hn::GetLane(m.reduce(set(2 * x[0])));
}

}  // namespace HWY_NAMESPACE
}  // namespace obscura::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
