// SPDX-License-Identifier: Apache-2.0
/// Products by digits around AMX: residues to digits before, sums of digits to residues after.
#if defined(OBSCURA_KERNELS_DIGITS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OBSCURA_KERNELS_DIGITS_INL_H_
#undef OBSCURA_KERNELS_DIGITS_INL_H_
#else
#define OBSCURA_KERNELS_DIGITS_INL_H_
#endif

#include <algorithm>
#include <cmath>

#include "kernels/amx.h"
#include "kernels/arithmetic-inl.h"
#include "kernels/digits.h"

#if HWY_TARGET == HWY_AVX3 && defined(OBSCURA_AMX)
HWY_BEFORE_NAMESPACE();
namespace obscura::kernels {
namespace HWY_NAMESPACE {

inline constexpr hn::CappedTag<std::int64_t, 8> kInt64;
inline constexpr hn::CappedTag<std::uint64_t, 8> kUint64;
inline constexpr hn::CappedTag<std::uint32_t, 16> kUint32;
inline constexpr hn::CappedTag<std::uint16_t, 32> kUint16;
inline constexpr hn::CappedTag<std::uint8_t, 64> kUint8;
using Bytes = hn::Vec<decltype(kUint64)>;

/// Digit j of x is byte j of x + sum_j 128 256^j, less 128.
HWY_INLINE Bytes digits_of(const double* x, hn::Vec<decltype(kInt64)> offset, Bytes sign) {
  return hn::Xor(hn::BitCast(kUint64, hn::Add(hn::ConvertTo(kInt64, load(x)), offset)), sign);
}

/// Eight coefficients of four inputs: pair i holds digits 2i and 2i + 1 in turn, each of two coefficients of the four.
struct DigitPairs {
  Bytes pair[4];
  HWY_INLINE DigitPairs(Bytes a, Bytes b, Bytes c, Bytes d) {
    const auto a8 = hn::BitCast(kUint8, a), b8 = hn::BitCast(kUint8, b), c8 = hn::BitCast(kUint8, c),
               d8 = hn::BitCast(kUint8, d);
    const auto even_ab = hn::BitCast(kUint16, hn::InterleaveLower(kUint8, a8, b8)),
               even_cd = hn::BitCast(kUint16, hn::InterleaveLower(kUint8, c8, d8)),
               odd_ab = hn::BitCast(kUint16, hn::InterleaveUpper(kUint8, a8, b8)),
               odd_cd = hn::BitCast(kUint16, hn::InterleaveUpper(kUint8, c8, d8));
    const auto even_low = hn::BitCast(kUint32, hn::InterleaveLower(kUint16, even_ab, even_cd)),
               even_high = hn::BitCast(kUint32, hn::InterleaveUpper(kUint16, even_ab, even_cd)),
               odd_low = hn::BitCast(kUint32, hn::InterleaveLower(kUint16, odd_ab, odd_cd)),
               odd_high = hn::BitCast(kUint32, hn::InterleaveUpper(kUint16, odd_ab, odd_cd));
    pair[0] = hn::BitCast(kUint64, hn::InterleaveLower(kUint32, even_low, odd_low));
    pair[1] = hn::BitCast(kUint64, hn::InterleaveUpper(kUint32, even_low, odd_low));
    pair[2] = hn::BitCast(kUint64, hn::InterleaveLower(kUint32, even_high, odd_high));
    pair[3] = hn::BitCast(kUint64, hn::InterleaveUpper(kUint32, even_high, odd_high));
  }
};

template <int kDigits>
void pack_digits_of(std::int8_t* out, const double* const* x, std::size_t quads) {
  constexpr std::uint64_t kSigns = 0x8080808080808080ULL;
  constexpr std::size_t kAhead = 3;  // quads: memory takes longer than one of them
  const auto offset = hn::Set(kInt64, static_cast<std::int64_t>(kSigns >> (8 * (8 - kDigits))));
  const auto sign = hn::Set(kUint64, kSigns);
  const std::size_t next_group = quads * kDigits * kTileBytes;
  for (std::size_t q = 0; q < quads; ++q, x += kQuad) {
    if (q + kAhead < quads) {  // rows of different inputs lie far apart: no prefetcher follows
      for (std::size_t i = 0; i < kQuad; ++i) {
        for (std::size_t j = 0; j < kMatrixTile; j += 8) __builtin_prefetch(x[kAhead * kQuad + i] + j);
      }
    }
    auto* to = reinterpret_cast<std::uint64_t*>(out + q * kTileBytes);
    for (std::size_t j = 0; j < kMatrixTile; j += kDigitTile, to += next_group / sizeof(*to)) {
      const auto half = [&](std::size_t k) HWY_ATTR {
        return DigitPairs(digits_of(x[0] + k, offset, sign), digits_of(x[1] + k, offset, sign),
                          digits_of(x[2] + k, offset, sign), digits_of(x[3] + k, offset, sign));
      };
      const DigitPairs low = half(j), high = half(j + 8);
      for (int d = 0; d < kDigits; ++d) {
        const Bytes a = low.pair[d / 2], b = high.pair[d / 2];
        hn::Store(d % 2 == 0 ? hn::ConcatEven(kUint64, b, a) : hn::ConcatOdd(kUint64, b, a), kUint64,
                  to + 8 * quads * d);
      }
    }
  }
}

void pack_digits(std::int8_t* out, const double* const* x, std::size_t quads, const Modulus& modulus) {
  switch (residue_digits(modulus)) {
    case 3:
      return pack_digits_of<3>(out, x, quads);
    case 4:
      return pack_digits_of<4>(out, x, quads);
    case 5:
      return pack_digits_of<5>(out, x, quads);
    case 6:
      return pack_digits_of<6>(out, x, quads);
    default:
      return pack_digits_of<7>(out, x, quads);
  }
}

/// sum_k 256^k s_k mod p, eight coefficients at a time, by three powers at a time: |s_k| <= 2^30, so that three of them
/// stay below 2^47.
template <int kPowers>
class SumOfDigits {
 public:
  explicit SumOfDigits(const Modulus& modulus) : m_(modulus), shift_(set(std::remainder(0x1p24, modulus.p))) {}

  /// s: at the sums of power 0.
  HWY_INLINE V operator()(const std::int32_t* s, V bias) const {
    V y = three<0>(s);
    if constexpr (kPowers > 6) {
      y = hn::Add(m_.multiply(hn::Add(m_.multiply(three<6>(s), shift_), three<3>(s)), shift_), y);
    } else if constexpr (kPowers > 3) {
      y = hn::Add(m_.multiply(three<3>(s), shift_), y);
    }
    return m_.reduce(hn::Add(y, bias));
  }

 private:
  template <int kFirst>
  static HWY_INLINE V three(const std::int32_t* s) {
    constexpr int kEnd = std::min(kFirst + 3, kPowers);
    const auto term = [&](int power) HWY_ATTR {
      return hn::PromoteTo(kTag, hn::Load(hn::CappedTag<std::int32_t, 8>(), s + power * static_cast<int>(kNextPower)));
    };
    V y = term(kEnd - 1);
    for (int k = kEnd - 2; k >= kFirst; --k) y = hn::MulAdd(y, set(256), term(k));
    return y;
  }

  Mod m_;
  V shift_;
};

constexpr std::size_t kGroups = kMatrixTile / kDigitTile;

/// Outputs of the tiles of rows from `row` on, `groups` groups of coefficients from `first` on.
template <int kPowers>
void sum_digits(const DigitProduct& job, std::size_t row, std::size_t rows, std::size_t first, std::size_t groups,
                const std::int32_t* sums, const Modulus& modulus) {
  const SumOfDigits<kPowers> sum(modulus);
  for (std::size_t r = 0; r < rows; ++r) {
    const V bias = job.bias == nullptr ? hn::Zero(kTag) : set(job.bias[row + r]);
    const std::int32_t* s = sums + r / kDigitTile * groups * kTileSums + r % kDigitTile * kDigitTile;
    double* y = job.y[row + r] + first * kDigitTile;
    for (std::size_t g = 0; g < groups; ++g, s += kTileSums, y += kDigitTile) {
      store(sum(s, bias), y);
      store(sum(s + 8, bias), y + 8);
    }
  }
}

template <int kPowers>
void digit_product_of(const DigitProduct& job, TileSums part, const Modulus& modulus) {
  alignas(64) std::int32_t sums[kPowers * kNextPower];
  TileUse tiles;
  const DigitMatrix& matrix = *job.matrix;
  for (std::size_t row = 0; row < matrix.rows; row += 2 * kDigitTile) {
    part.rows = std::min(matrix.rows - row, 2 * kDigitTile);
    const std::size_t groups = part.rows > kDigitTile ? kGroups / 2 : kGroups;
    for (std::size_t first = 0; first < kGroups; first += groups) {
      part.x = job.x + first * part.next_group;
      tiles.run(part, sums);
      sum_digits<kPowers>(job, row, part.rows, first, groups, sums, modulus);
    }
    part.weights += 2 * part.next_rows;
  }
}

void digit_product(const DigitProduct& job, const Modulus& modulus) {
  const DigitMatrix& matrix = *job.matrix;
  TileSums part;
  part.weights = reinterpret_cast<const std::int8_t*>(matrix.tiles.data());
  part.weight_digits = matrix.digits;
  part.first_quads = matrix.first_quads.data();
  part.column_tiles = matrix.first_quads.size();
  part.next_rows = part.column_tiles * static_cast<std::size_t>(matrix.digits) * kDigitTile * kTileBytes;
  part.digits = residue_digits(modulus);
  part.next_digit = job.quads * kTileBytes;
  part.next_group = part.next_digit * static_cast<std::size_t>(part.digits);
  switch (part.digits + part.weight_digits - 1) {
    case 3:
      return digit_product_of<3>(job, part, modulus);
    case 4:
      return digit_product_of<4>(job, part, modulus);
    case 5:
      return digit_product_of<5>(job, part, modulus);
    case 6:
      return digit_product_of<6>(job, part, modulus);
    case 7:
      return digit_product_of<7>(job, part, modulus);
    default:
      return digit_product_of<8>(job, part, modulus);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace obscura::kernels
HWY_AFTER_NAMESPACE();
#endif  // AVX3

#endif  // toggle
