// SPDX-License-Identifier: Apache-2.0
/// Truth for every kernel: schoolbook loops on 64- and 128-bit integers.
#include "kernels/portable.h"

#include <bit>
#include <cmath>

namespace obscura::kernels {

namespace {

using Wide = __int128;

double to_reduced(Wide x, const Modulus& m) {
  const auto p = static_cast<std::int64_t>(m.value);
  auto r = static_cast<std::int64_t>(x % p);
  if (r > p / 2) r -= p;
  if (r < -(p / 2)) r += p;
  return static_cast<double>(r);
}

std::int64_t integer(double x) { return static_cast<std::int64_t>(x); }

Wide product(double a, double b) { return static_cast<Wide>(integer(a)) * integer(b); }

/// Row r, column c of each block of 64 to row c, column r.
void transpose_blocks(double* x, std::size_t n) {
  for (std::size_t block = 0; block < n; block += 64) {
    for (std::size_t r = 0; r < 8; ++r) {
      for (std::size_t c = r + 1; c < 8; ++c) std::swap(x[block + 8 * r + c], x[block + 8 * c + r]);
    }
  }
}

/// x_j + w x_(N - j) for each j but 0.
void fold(double* x, std::size_t n, double w, const Modulus& m) {
  for (std::size_t j = 1; j <= n / 2; ++j) {
    const double low = x[j], high = x[n - j];
    x[j] = to_reduced(integer(low) + product(high, w), m);
    x[n - j] = to_reduced(integer(high) + product(low, w), m);
  }
}

void ntt_forward(double* x, const NttTable& table) {
  const Modulus& m = table.modulus;
  if (table.fold != 0) fold(x, table.degree, -table.fold, m);
  for (std::size_t blocks = 1, half = table.degree / 2; half > 0; blocks *= 2, half /= 2) {
    for (std::size_t i = 0; i < blocks; ++i) {
      const double w = table.roots[blocks + i];
      for (std::size_t j = 2 * i * half; j < (2 * i + 1) * half; ++j) {
        const Wide t = product(x[j + half], w);
        const Wide u = integer(x[j]);
        x[j] = to_reduced(u + t, m);
        x[j + half] = to_reduced(u - t, m);
      }
    }
  }
  transpose_blocks(x, table.degree);
}

void ntt_inverse(double* x, const NttTable& table, double factor) {
  const Modulus& m = table.modulus;
  transpose_blocks(x, table.degree);
  for (std::size_t blocks = table.degree / 2, half = 1; blocks > 0; blocks /= 2, half *= 2) {
    for (std::size_t i = 0; i < blocks; ++i) {
      const double w = table.inverse_roots[blocks + i];
      for (std::size_t j = 2 * i * half; j < (2 * i + 1) * half; ++j) {
        const double u = x[j];
        const double v = x[j + half];
        x[j] = to_reduced(static_cast<Wide>(integer(u)) + integer(v), m);
        x[j + half] = to_reduced(static_cast<Wide>(integer(u) - integer(v)) * integer(w), m);
      }
    }
  }
  // p = 1 (mod N), so 1/N = -(p - 1)/N.
  const std::uint64_t quotient = (m.value - 1) / table.degree;
  const double inverse_degree = -static_cast<double>(quotient);
  const double scale = to_reduced(product(inverse_degree, factor), m);
  for (std::size_t j = 0; j < table.degree; ++j) x[j] = to_reduced(product(x[j], scale), m);
  if (table.fold == 0) return;
  // b_j = c_j - i c_(N - j) gives b_j + i b_(N - j) = 2 c_j, and b_0 = c_0.
  fold(x, table.degree, table.fold, m);
  x[0] = to_reduced(2 * static_cast<Wide>(integer(x[0])), m);
  const std::uint64_t half = (m.value + 1) / 2;
  for (std::size_t j = 0; j < table.degree; ++j) x[j] = to_reduced(product(x[j], static_cast<double>(half)), m);
}

void add(double* out, const double* a, const double* b, std::size_t n, const Modulus& m) {
  for (std::size_t j = 0; j < n; ++j) out[j] = to_reduced(static_cast<Wide>(integer(a[j])) + integer(b[j]), m);
}

void subtract(double* out, const double* a, const double* b, std::size_t n, const Modulus& m) {
  for (std::size_t j = 0; j < n; ++j) out[j] = to_reduced(static_cast<Wide>(integer(a[j])) - integer(b[j]), m);
}

void multiply(double* out, const double* a, const double* b, std::size_t n, const Modulus& m) {
  for (std::size_t j = 0; j < n; ++j) out[j] = to_reduced(product(a[j], b[j]), m);
}

void multiply_pair(double* out, const double* a, const double* b, const double* c, const double* d, std::size_t n,
                   const Modulus& m) {
  for (std::size_t j = 0; j < n; ++j) out[j] = to_reduced(product(a[j], b[j]) + product(c[j], d[j]), m);
}

void multiply_scalar(double* out, const double* a, double w, double c, std::size_t n, const Modulus& m) {
  for (std::size_t j = 0; j < n; ++j) out[j] = to_reduced(product(a[j], w) + integer(c), m);
}

void multiply_scalar_add(double* out, const double* a, double w, std::size_t n, const Modulus& m) {
  for (std::size_t j = 0; j < n; ++j) out[j] = to_reduced(integer(out[j]) + product(a[j], w), m);
}

void subtract_multiply(double* out, const double* a, const double* b, double w, std::size_t n, const Modulus& m) {
  for (std::size_t j = 0; j < n; ++j)
    out[j] = to_reduced(static_cast<Wide>(integer(a[j]) - integer(b[j])) * integer(w), m);
}

void reduce(double* out, const double* a, std::size_t n, const Modulus& m) {
  for (std::size_t j = 0; j < n; ++j) out[j] = to_reduced(integer(a[j]), m);
}

void inner_product(double* out, const double* const* a, const double* const* b, std::size_t terms, std::size_t n,
                   const Modulus& m) {
  for (std::size_t j = 0; j < n; ++j) {
    Wide sum = 0;
    for (std::size_t t = 0; t < terms; ++t) sum += product(a[t][j], b[t][j]);
    out[j] = to_reduced(sum, m);
  }
}

void inner_product_repeated(double* out, const double* const* a, std::size_t repeat, const double* const* b,
                            std::size_t terms, std::size_t n, const Modulus& m) {
  for (std::size_t j = 0; j < n; ++j) {
    Wide sum = 0;
    for (std::size_t t = 0; t < terms; ++t) sum += product(a[t][j / (8 * repeat) * 8 + j % 8], b[t][j]);
    out[j] = to_reduced(sum, m);
  }
}

void weighted_sum(double* out, const double* const* a, double /*bound*/, const double* w, std::size_t terms,
                  std::size_t n, const Modulus& m) {
  for (std::size_t j = 0; j < n; ++j) {
    Wide sum = 0;
    for (std::size_t t = 0; t < terms; ++t) sum += product(a[t][j], w[t]);
    out[j] = to_reduced(sum, m);
  }
}

void rounded_sum(double* out, const double* const* a, const double* f, std::size_t terms, std::size_t n) {
  for (std::size_t j = 0; j < n; ++j) {
    double sum = 0;
    for (std::size_t t = 0; t < terms; ++t) sum += a[t][j] * f[t];
    out[j] = std::nearbyint(sum);
  }
}

void permute(double* out, const double* in, const std::uint32_t* index, std::size_t n) {
  for (std::size_t j = 0; j < n; ++j) out[j] = in[index[j]];
}

void matrix_product(const MatrixProduct& job, const Modulus& m) {
  for (std::size_t r = 0; r < job.rows; ++r) {
    for (std::size_t j = 0; j < kMatrixTile; ++j) {
      Wide sum = job.bias == nullptr ? 0 : integer(job.bias[r]);
      for (std::size_t c = 0; c < job.cols; ++c) sum += product(job.weights[r * job.cols + c], job.x[c][j]);
      job.y[r][j] = to_reduced(sum, m);
    }
  }
}

}  // namespace

const Kernels& portable() {
  static constexpr Kernels kTable{"portable",
                                  ntt_forward,
                                  ntt_inverse,
                                  add,
                                  subtract,
                                  multiply,
                                  multiply_pair,
                                  multiply_scalar,
                                  multiply_scalar_add,
                                  subtract_multiply,
                                  reduce,
                                  inner_product,
                                  inner_product_repeated,
                                  weighted_sum,
                                  rounded_sum,
                                  permute,
                                  matrix_product,
                                  nullptr,
                                  nullptr};
  return kTable;
}

}  // namespace obscura::kernels
