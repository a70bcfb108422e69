// SPDX-License-Identifier: Apache-2.0
/// Loops over the residues of one prime. Raw pointers, no allocation, no threads, no exceptions.
///
/// A residue is a signed integer held in a double. "Reduced" means |x| <= 0.6 p: every residue at rest is reduced,
/// every kernel below takes reduced residues and gives reduced residues unless its comment says otherwise. A product of
/// two residues is exact by fused multiply-add:
///   h = a w;  l = fma(a, w, -h);  q = round(h / p);  r = fma(-q, p, h) + l
/// for |a| <= 2^52, |w| <= p/2, p < 2^50, with |r| <= p/2 + |a| 2^(bits - 53). This rests on IEEE rules: round to
/// nearest, no contraction, no fast-math; tests/kernels fails if a flag changes that.
///
/// Every kernel exists for each instruction set (Highway: AVX-512, with AMX or without, AVX2), as "scalar" for machines
/// without FMA (WebAssembly; scalar.cpp says how), and as a portable twin on 64/128-bit integers that defines the
/// truth. All of them order NTT values alike: bit-reversed, with each block of 64 seen as an 8 x 8 matrix and
/// transposed (the SIMD tail leaves it so; only pointwise operations follow).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/digits.h"

namespace obscura::kernels {

/// Smallest degree: one strided pass and the blocks of 64.
inline constexpr std::size_t kMinDegree = 512;

struct Modulus {
  std::uint64_t value = 0;  ///< an odd prime, 2^20 < p < 2^50
  double p = 0;
  double inverse = 0;  ///< 1 / p, rounded
  int bits = 0;
};
Modulus make_modulus(std::uint64_t prime);

/// Which ring a polynomial of N coefficients c is of. Standard: Z[X]/(X^N + 1), c_j that of X^j. Conjugate-invariant:
/// what X -> X^-1 leaves alone in Z[X]/(X^2N + 1), c_0 that of 1 and c_j that of X^j + X^-j (Kim, Song: ePrint
/// 2018/952).
enum class RingType : std::uint8_t { standard, conjugate_invariant };

/// Eight doubles on a cache line.
struct alignas(64) Octet {
  double lane[8];
};

/// Twiddles of the NTT of one prime, each reduced. N doubles a direction. With psi of order 2N, the standard ring's
/// takes values at all odd powers of psi. With psi of order 4N, the conjugate-invariant ring's takes them at psi^k, k =
/// 1 mod 4: the other odd powers are their inverses and give the same values. There, since X^N = i (psi^N) at these,
///   sum_j c_j (X^j + X^-j) = sum_j (c_j - i c_(N - j)) X^j,
/// so that a fold, c_j - i c_(N - j) for each j but 0, is followed by the levels of the left half of the standard NTT
/// of degree 2N, which are N's with other roots.
struct NttTable {
  std::size_t degree = 0;
  Modulus modulus;
  std::vector<double> roots;  ///< [m + i]: level of m blocks, block i; psi^bitreverse(m + i), or (2 m + i) of 2N
  std::vector<Octet> tail;    ///< the last three levels, 7 for each block of 64, in the order they are read
  std::vector<double> inverse_roots;  ///< inverses of roots
  std::vector<Octet> inverse_tail;
  std::vector<bool> reduce_first;  ///< forward: whether level l (0 = first) may need reduced inputs
  double fold = 0;                 ///< i of the conjugate-invariant ring; 0 in the standard ring
};

/// prime = 1 (mod 2 degree), or mod 4 degree for the conjugate-invariant ring. Roots of lower degrees are powers of
/// those of higher ones: psi_{n/g} = psi_n^g.
NttTable make_ntt_table(std::size_t degree, std::uint64_t prime, RingType ring = RingType::standard);

/// One row of an integer matrix product: see Kernels::matrix_product.
struct MatrixProduct {
  const double* weights = nullptr;  ///< rows x cols integers, row-major, L1 norm of a row below 2^28
  std::size_t rows = 0;
  std::size_t cols = 0;
  const double* const* x = nullptr;  ///< cols pointers to kMatrixTile residues
  double* const* y = nullptr;        ///< rows pointers to kMatrixTile residues
  const double* bias = nullptr;      ///< rows reduced residues, added to every coefficient; null = none
};
/// Coefficients that matrix_product works on at a time.
inline constexpr std::size_t kMatrixTile = 64;

/// Terms that inner_product and weighted_sum may sum before they reduce.
inline constexpr std::size_t kMaxTerms = 16;

/// The kernels of one instruction set. n is a multiple of 64; pointers to residues are aligned to 64 bytes; output may
/// be an input where the comment does not forbid it.
struct Kernels {
  const char* name;

  /// x <- NTT(x), in place, natural order in. |x| <= 1.5 p in.
  void (*ntt_forward)(double* x, const NttTable& table);
  /// x <- factor * NTT^-1(x), in place; factor reduced.
  void (*ntt_inverse)(double* x, const NttTable& table, double factor);

  /// out = a + b
  void (*add)(double* out, const double* a, const double* b, std::size_t n, const Modulus& m);
  /// out = a - b
  void (*subtract)(double* out, const double* a, const double* b, std::size_t n, const Modulus& m);
  /// out = a * b
  void (*multiply)(double* out, const double* a, const double* b, std::size_t n, const Modulus& m);
  /// out = a * b + c * d
  void (*multiply_pair)(double* out, const double* a, const double* b, const double* c, const double* d, std::size_t n,
                        const Modulus& m);
  /// out = a * w + c; w, c reduced scalars
  void (*multiply_scalar)(double* out, const double* a, double w, double c, std::size_t n, const Modulus& m);
  /// out += a * w
  void (*multiply_scalar_add)(double* out, const double* a, double w, std::size_t n, const Modulus& m);
  /// out = (a - b) * w
  void (*subtract_multiply)(double* out, const double* a, const double* b, double w, std::size_t n, const Modulus& m);
  /// out = a mod p, for any |a| < 2^51
  void (*reduce)(double* out, const double* a, std::size_t n, const Modulus& m);

  /// out = sum_t a[t] * b[t], 1 <= terms <= kMaxTerms: exact accumulation, one reduction.
  void (*inner_product)(double* out, const double* const* a, const double* const* b, std::size_t terms, std::size_t n,
                        const Modulus& m);
  /// inner_product where a[t] has every octet once that stands `repeat` times in a row: out[j] = sum_t a[t][8 (j / (8
  /// repeat)) + j mod 8] * b[t][j]; n residues of b and out, n / repeat of a; repeat a power of two, n / repeat a
  /// multiple of 8.
  void (*inner_product_repeated)(double* out, const double* const* a, std::size_t repeat, const double* const* b,
                                 std::size_t terms, std::size_t n, const Modulus& m);
  /// out = sum_t a[t] * w[t] with scalars: base conversion, by exact accumulation. |a[t]| <= bound <= 0.6 * 2^50
  /// (residues of other primes), w reduced, 1 <= terms <= kMaxTerms.
  void (*weighted_sum)(double* out, const double* const* a, double bound, const double* w, std::size_t terms,
                       std::size_t n, const Modulus& m);
  /// out = round(sum_t a[t] * f[t]), the multiple of the source modulus that a base conversion has too many.
  void (*rounded_sum)(double* out, const double* const* a, const double* f, std::size_t terms, std::size_t n);

  /// out[j] = in[index[j]]: automorphisms in NTT form. Not in place.
  void (*permute)(double* out, const double* in, const std::uint32_t* index, std::size_t n);

  /// y[r][j] = sum_c weights[r][c] * x[c][j] + bias[r], j < kMatrixTile: two fused multiply-adds for a product, by
  /// halves of x; one reduction for an output.
  void (*matrix_product)(const MatrixProduct& job, const Modulus& m);

  /// The same product by digits (digits.h): faster where many outputs share inputs, which are packed once.
  /// Null, both, in tables without tiles.
  /// pack_digits: kMatrixTile coefficients of kQuad * quads inputs; quads >= kDigitTile; out aligned to 64 bytes, of
  /// packed_bytes(quads, m).
  void (*pack_digits)(std::int8_t* out, const double* const* x, std::size_t quads, const Modulus& m);
  void (*digit_product)(const DigitProduct& job, const Modulus& m);
};

/// All that this machine can run, best first; the last is "portable".
std::vector<const Kernels*> available();
/// The first of them.
const Kernels& best();
/// The one of this name ("avx512+amx", "avx512", "avx2", "scalar", "portable"); null where the machine cannot run it.
const Kernels* named(std::string_view name);

}  // namespace obscura::kernels
