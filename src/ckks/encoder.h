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

/// Encodes slots z into the polynomial m with m(zeta^(5^j)) = scale * z_j, rounded to integers, by a complex FFT of
/// size N/2. In the standard ring these are N/2 slots, real and complex ones for the same cost. In the
/// conjugate-invariant ring they are N slots, all real, and zeta has order 4N: the slots at zeta^k and zeta^(k + 4), k
/// = 1 mod 8, are the real and imaginary parts of one value of the FFT.
class Encoder {
 public:
  explicit Encoder(const ring::Basis& basis);

  /// Of a polynomial: N/2, or N in the conjugate-invariant ring.
  std::size_t slots() const { return reversed_.size() * per_value_; }

  /// round(scale * embed^-1(slots)), over the first `limbs` limbs. Fewer slots than there are: the rest are 0.
  /// cost    one FFT of N/2 complex doubles, `limbs` NTTs
  /// noise   rounding, at most 1/2 a coefficient
  /// errors  ContractError: more slots than there are, a slot that is not finite or, in the conjugate-invariant ring,
  ///         not real, a coefficient of 2^62 or more.
  /// thread  const; concurrent
  ring::NttPoly encode(std::span<const double> slots, double scale, std::size_t limbs) const;
  ring::NttPoly encode(std::span<const std::complex<double>> slots, double scale, std::size_t limbs) const;

  /// The two halves of encode, for encodings over other limbs than the first: the FFT, and one NTT a limb.
  /// errors  of encode
  Embedding embed(std::span<const std::complex<double>> slots, double scale) const;
  /// Of slots that repeat with period slots.size(), a power of two from least_period(): a polynomial in X^(slots /
  /// period).
  /// cost    one FFT of the period
  Embedding embed_repeated(std::span<const std::complex<double>> slots, double scale) const;
  static constexpr std::size_t kLeastPeriod = kernels::kMinDegree / 2;
  /// kLeastPeriod, or twice that in the conjugate-invariant ring.
  std::size_t least_period() const { return kLeastPeriod * per_value_; }
  /// limb = NTT(embedding mod basis prime `prime`), of the degree that the coefficients have
  void reduce(const Embedding& embedding, std::size_t prime, double* limb) const;

  /// embed(poly) / scale: all slots, or their real parts. The message must be below half of the product of the
  /// limbs.
  std::vector<double> decode(const ring::NttPoly& poly, double scale) const;
  std::vector<std::complex<double>> decode_complex(const ring::NttPoly& poly, double scale) const;

 private:
  /// The FFT of encode, and its rounding: of slots that repeat with this period.
  template <class Slot>
  Embedding round(std::span<const Slot> slots, std::size_t period, double scale) const;
  /// Of the conjugate-invariant ring, between M values of the FFT and 2M coefficients. unpack takes what inverse() left
  /// and gives 4M times the coefficients; pack takes the coefficients and gives what forward() starts from.
  void unpack(std::span<const std::complex<double>> values, std::span<double> coefficients) const;
  void pack(std::span<const double> coefficients, std::span<std::complex<double>> values) const;
  /// One slot a value, or two.
  template <class Slot>
  void place_slots(std::span<const Slot> slots, std::span<std::complex<double>> values) const;
  void prepare_invariant();
  /// Of decoding: the values of the FFT.
  std::vector<std::complex<double>> values_of(const ring::NttPoly& poly, double scale) const;
  ring::NttPoly reduce_all(const Embedding& embedding, std::size_t limbs) const;
  /// In: bit-reversed coefficients; out: slots. inverse is the mirror, times N/2.
  void forward(std::span<std::complex<double>> values) const;
  void inverse(std::span<std::complex<double>> values) const;
  const ring::Basis* basis_;
  std::size_t per_value_ = 1;                ///< slots: 2 in the conjugate-invariant ring
  std::vector<std::complex<double>> roots_;  ///< level of `half` butterflies: [half + j] = exp(2 pi i 5^j / 8 half)
  std::vector<std::uint32_t> reversed_;      ///< bit reversal of N/2 indices
  // Of the conjugate-invariant ring.
  std::vector<std::complex<double>> twists_;  ///< [2 j + k] = zeta^j, zeta^(3 j)
  std::vector<std::uint32_t> places_;         ///< [2 t + k]: the slots that value t of the FFT holds
};

}  // namespace obscura::ckks
