// SPDX-License-Identifier: Apache-2.0
/// Slots <-> polynomials: the canonical embedding.
#pragma once

#include <complex>
#include <span>
#include <vector>

#include "base/check.h"
#include "ring/basis.h"
#include "ring/poly.h"

namespace obscura::ckks {

/// A slot vector embedded and rounded: integer coefficients, not yet modulo any prime.
struct Embedding {
  ring::CoeffPoly coefficients;  ///< one limb of integers: all N, or every (N / degree)-th where the others are 0
  double largest = 0;            ///< of their magnitudes
};

/// Encodes N/2 slots z into the polynomial m with m(zeta^(5^j)) = scale * z_j, rounded to integers, by an FFT of size
/// N/2. Real and complex slots cost the same.
class Encoder {
 public:
  explicit Encoder(const ring::Basis& basis);

  /// round(scale * embed^-1(slots)), over the first `limbs` limbs. Fewer than N/2 slots: the rest are 0.
  /// cost    one FFT of N/2 complex doubles, `limbs` NTTs
  /// noise   rounding, at most 1/2 a coefficient
  /// errors  ContractError: more than N/2 slots, a slot that is not finite, a coefficient of 2^62 or more.
  /// thread  const; concurrent
  ring::NttPoly encode(std::span<const double> slots, double scale, std::size_t limbs) const;
  ring::NttPoly encode(std::span<const std::complex<double>> slots, double scale, std::size_t limbs) const;

  /// The two halves of encode, for encodings over other limbs than the first: the FFT, and one NTT a limb.
  /// errors  of encode
  Embedding embed(std::span<const std::complex<double>> slots, double scale) const;
  /// Of slots that repeat with period slots.size(), a power of two from kLeastPeriod: a polynomial in X^(N/2 / period).
  /// cost    one FFT of the period
  Embedding embed_repeated(std::span<const std::complex<double>> slots, double scale) const;
  static constexpr std::size_t kLeastPeriod = kernels::kMinDegree / 2;
  /// limb = NTT(embedding mod basis prime `prime`), of the degree that the coefficients have
  void reduce(const Embedding& embedding, std::size_t prime, double* limb) const;

  /// embed(poly) / scale: all N/2 slots, or their real parts. The message must be below half of the product of the
  /// limbs.
  std::vector<double> decode(const ring::NttPoly& poly, double scale) const;
  std::vector<std::complex<double>> decode_complex(const ring::NttPoly& poly, double scale) const;

 private:
  /// The FFT of encode in place, and its rounding.
  Embedding round(std::vector<std::complex<double>> values, double scale) const;
  ring::NttPoly reduce_all(const Embedding& embedding, std::size_t limbs) const;
  /// In: bit-reversed coefficients; out: slots. inverse is the mirror, times N/2.
  void forward(std::span<std::complex<double>> values) const;
  void inverse(std::span<std::complex<double>> values) const;
  const ring::Basis* basis_;
  std::vector<std::complex<double>> roots_;  ///< level of `half` butterflies: [half + j] = exp(2 pi i 5^j / 8 half)
  std::vector<std::uint32_t> reversed_;      ///< bit reversal of N/2 indices
};

}  // namespace obscura::ckks
