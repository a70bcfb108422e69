// SPDX-License-Identifier: Apache-2.0
/// The table of machines without fused multiply-add (WebAssembly, old processors): a quotient rounded in doubles, the
/// remainder in 64-bit integers that wrap around, and one centring, which makes the results those of portable() bit for
/// bit. It divides by nothing, so that its time does not follow the residues as that of a 128-bit division does.
///
///   q = round(fl(fl(a w) / p));  r = a w - q p  (mod 2^64),  |r| <= p / 2 + 1.5 |a| p 2^-53 for |w| <= p / 2
///
/// which is exact, since r is far below 2^63 however large a w is.
#include "kernels/scalar.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "kernels/portable.h"

namespace obscura::kernels {

namespace {

using Signed = std::int64_t;
using Wrapping = std::uint64_t;

/// Adding 1.5 * 2^52 rounds to an integer, which then stands in the lowest bits; for |x| <= 2^51.
constexpr double kRound = 6755399441055744.0;
constexpr Signed kRoundBits = 0x4338000000000000;  // those of kRound

inline Signed bits_of(double x) {
  Signed bits = 0;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

/// x rounded, |x| <= 2^51.
inline Signed rounded(double x) { return bits_of(x + kRound) - kRoundBits; }

/// One modulus in registers.
struct Mod {
  Signed p, half;
  double inverse;
  explicit Mod(const Modulus& m)
      : p(static_cast<Signed>(m.value)), half(static_cast<Signed>(m.value / 2)), inverse(m.inverse) {}

  /// x of |x| < 1.5 p in |x| <= p / 2.
  Signed centre(Signed x) const {
    x -= x > half ? p : 0;
    x += x < -half ? p : 0;
    return x;
  }
  /// `exact` - q p for the quotient q that `value`, about the same number, has: a difference below 2^63 is exact.
  Signed remainder(Wrapping exact, Signed quotient) const {
    return static_cast<Signed>(exact - static_cast<Wrapping>(quotient) * static_cast<Wrapping>(p));
  }
  /// a w mod p, not centred; |a| <= 2^51, |a w| <= 2^51 p.
  Signed multiply(double a, double w) const {
    const auto exact = static_cast<Wrapping>(rounded(a)) * static_cast<Wrapping>(rounded(w));
    return remainder(exact, rounded(a * w * inverse));
  }
  /// A sum that wrapped around and about what it is, |value| <= 2^53 p with an error of at most 2^8 p.
  double reduce_sum(Wrapping exact, double value) const {
    const Signed near = remainder(exact, static_cast<Signed>(value * inverse));
    const Signed rest = remainder(static_cast<Wrapping>(near), rounded(static_cast<double>(near) * inverse));
    return static_cast<double>(centre(rest));
  }
};

/// A sum of products.
struct Sum {
  Wrapping exact = 0;
  double value = 0;
  void add(double a, double b) {
    exact += static_cast<Wrapping>(rounded(a)) * static_cast<Wrapping>(rounded(b));
    value += a * b;
  }
};

/// Row r, column c of each block of 64 to row c, column r.
void transpose_octets(double* x, std::size_t n) {
  for (std::size_t block = 0; block < n; block += 64) {
    for (std::size_t r = 0; r < 8; ++r) {
      for (std::size_t c = r + 1; c < 8; ++c) std::swap(x[block + 8 * r + c], x[block + 8 * c + r]);
    }
  }
}

void centre_all(double* x, std::size_t n, const Mod& m) {
  for (std::size_t j = 0; j < n; ++j) {
    const Signed whole = rounded(x[j]);
    x[j] = static_cast<double>(m.centre(whole - rounded(x[j] * m.inverse) * m.p));
  }
}

/// x_j + w x_(N - j) for each j but 0, not centred.
void fold(double* x, std::size_t n, double w, const Mod& m) {
  for (std::size_t j = 1; j <= n / 2; ++j) {
    const double low = x[j], high = x[n - j];
    x[j] = low + static_cast<double>(m.multiply(high, w));
    x[n - j] = high + static_cast<double>(m.multiply(low, w));
  }
}

/// Values grow by a product's bound at each level and are centred only where the next could pass 2^51.
void ntt_forward(double* x, const NttTable& table) {
  const Mod m(table.modulus);
  const double limit = 0x1p51 / table.modulus.p;
  const double growth = 1.5 * std::ldexp(table.modulus.p, -53);
  double bound = 1.5;  // of |x| / p
  const auto next_level = [&] {
    if (bound + 0.5 + growth * bound > limit) {
      centre_all(x, table.degree, m);
      bound = 0.5;
    }
    bound += 0.5 + growth * bound;
  };
  if (table.fold != 0) {
    next_level();
    fold(x, table.degree, -table.fold, m);
  }
  for (std::size_t blocks = 1, half = table.degree / 2; half > 0; blocks *= 2, half /= 2) {
    next_level();
    for (std::size_t i = 0; i < blocks; ++i) {
      const double w = table.roots[blocks + i];
      double* const low = x + 2 * i * half;
      double* const high = low + half;
      for (std::size_t j = 0; j < half; ++j) {
        const auto t = static_cast<double>(m.multiply(high[j], w));
        const double u = low[j];
        low[j] = u + t;
        high[j] = u - t;
      }
    }
  }
  centre_all(x, table.degree, m);
  transpose_octets(x, table.degree);
}

/// Sums are centred at each level, products at the end.
void ntt_inverse(double* x, const NttTable& table, double factor) {
  const Mod m(table.modulus);
  transpose_octets(x, table.degree);
  for (std::size_t blocks = table.degree / 2, half = 1; blocks > 0; blocks /= 2, half *= 2) {
    for (std::size_t i = 0; i < blocks; ++i) {
      const double w = table.inverse_roots[blocks + i];
      double* const low = x + 2 * i * half;
      double* const high = low + half;
      for (std::size_t j = 0; j < half; ++j) {
        const double u = low[j];
        const double v = high[j];
        low[j] = static_cast<double>(m.centre(rounded(u + v)));
        high[j] = static_cast<double>(m.centre(m.multiply(u - v, w)));
      }
    }
  }
  // p = 1 (mod N), so 1/N = -(p - 1)/N.
  const bool folded = table.fold != 0;
  const std::uint64_t quotient = (table.modulus.value - 1) / (folded ? 2 * table.degree : table.degree);
  const double inverse_degree = -static_cast<double>(quotient);
  const auto scale = static_cast<double>(m.centre(m.multiply(inverse_degree, factor)));
  for (std::size_t j = 0; j < table.degree; ++j) x[j] = static_cast<double>(m.centre(m.multiply(x[j], scale)));
  if (!folded) return;
  fold(x, table.degree, table.fold, m);
  x[0] *= 2;
  for (std::size_t j = 0; j < table.degree; ++j) x[j] = static_cast<double>(m.centre(rounded(x[j])));
}

void add(double* out, const double* a, const double* b, std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t j = 0; j < n; ++j) out[j] = static_cast<double>(m.centre(rounded(a[j] + b[j])));
}

void subtract(double* out, const double* a, const double* b, std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t j = 0; j < n; ++j) out[j] = static_cast<double>(m.centre(rounded(a[j] - b[j])));
}

void multiply(double* out, const double* a, const double* b, std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t j = 0; j < n; ++j) out[j] = static_cast<double>(m.centre(m.multiply(a[j], b[j])));
}

void multiply_pair(double* out, const double* a, const double* b, const double* c, const double* d, std::size_t n,
                   const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t j = 0; j < n; ++j) {
    Sum sum;
    sum.add(a[j], b[j]);
    sum.add(c[j], d[j]);
    out[j] = m.reduce_sum(sum.exact, sum.value);
  }
}

void multiply_scalar(double* out, const double* a, double w, double c, std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  const Signed constant = rounded(c);
  for (std::size_t j = 0; j < n; ++j) out[j] = static_cast<double>(m.centre(m.multiply(a[j], w) + constant));
}

void multiply_scalar_add(double* out, const double* a, double w, std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t j = 0; j < n; ++j) out[j] = static_cast<double>(m.centre(m.multiply(a[j], w) + rounded(out[j])));
}

void subtract_multiply(double* out, const double* a, const double* b, double w, std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t j = 0; j < n; ++j) out[j] = static_cast<double>(m.centre(m.multiply(a[j] - b[j], w)));
}

void reduce(double* out, const double* a, std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t j = 0; j < n; ++j) {
    out[j] = static_cast<double>(m.centre(rounded(a[j]) - rounded(a[j] * m.inverse) * m.p));
  }
}

void inner_product(double* out, const double* const* a, const double* const* b, std::size_t terms, std::size_t n,
                   const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t j = 0; j < n; ++j) {
    Sum sum;
    for (std::size_t t = 0; t < terms; ++t) sum.add(a[t][j], b[t][j]);
    out[j] = m.reduce_sum(sum.exact, sum.value);
  }
}

void inner_product_repeated(double* out, const double* const* a, std::size_t repeat, const double* const* b,
                            std::size_t terms, std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t j = 0; j < n; ++j) {
    const std::size_t from = j / (8 * repeat) * 8 + j % 8;
    Sum sum;
    for (std::size_t t = 0; t < terms; ++t) sum.add(a[t][from], b[t][j]);
    out[j] = m.reduce_sum(sum.exact, sum.value);
  }
}

void weighted_sum(double* out, const double* const* a, double /*bound*/, const double* w, std::size_t terms,
                  std::size_t n, const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t j = 0; j < n; ++j) {
    Sum sum;
    for (std::size_t t = 0; t < terms; ++t) sum.add(a[t][j], w[t]);
    out[j] = m.reduce_sum(sum.exact, sum.value);
  }
}

void matrix_product(const MatrixProduct& job, const Modulus& modulus) {
  const Mod m(modulus);
  for (std::size_t r = 0; r < job.rows; ++r) {
    Sum sums[kMatrixTile];
    if (job.bias != nullptr) {
      for (Sum& sum : sums) sum.add(job.bias[r], 1);
    }
    for (std::size_t c = 0; c < job.cols; ++c) {
      const double w = job.weights[r * job.cols + c];
      for (std::size_t j = 0; j < kMatrixTile; ++j) sums[j].add(job.x[c][j], w);
    }
    for (std::size_t j = 0; j < kMatrixTile; ++j) job.y[r][j] = m.reduce_sum(sums[j].exact, sums[j].value);
  }
}

}  // namespace

const Kernels& scalar() {
  static const Kernels kTable = [] {
    Kernels kernels = portable();  // rounded_sum and permute are the portable ones
    kernels.name = "scalar";
    kernels.ntt_forward = ntt_forward;
    kernels.ntt_inverse = ntt_inverse;
    kernels.add = add;
    kernels.subtract = subtract;
    kernels.multiply = multiply;
    kernels.multiply_pair = multiply_pair;
    kernels.multiply_scalar = multiply_scalar;
    kernels.multiply_scalar_add = multiply_scalar_add;
    kernels.subtract_multiply = subtract_multiply;
    kernels.reduce = reduce;
    kernels.inner_product = inner_product;
    kernels.inner_product_repeated = inner_product_repeated;
    kernels.weighted_sum = weighted_sum;
    kernels.matrix_product = matrix_product;
    return kernels;
  }();
  return kTable;
}

}  // namespace obscura::kernels
