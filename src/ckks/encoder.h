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

/// Encodes N/2 real slots z into the polynomial m with m(zeta^(5^j)) = scale * z_j, rounded to integers,
/// by an FFT of size N/2.
class Encoder {
 public:
  explicit Encoder(const ring::Basis& basis);

  /// round(scale * embed^-1(slots)), over the first `limbs` limbs. Fewer than N/2 slots: the rest are 0.
  /// cost    one FFT of N/2 complex doubles, `limbs` NTTs
  /// noise   rounding, at most 1/2 a coefficient
  /// errors  ContractError: more than N/2 slots, a slot that is not finite, a coefficient of 2^62 or more.
  /// thread  const; concurrent
  ring::NttPoly encode(std::span<const double> slots, double scale, std::size_t limbs) const;

  /// embed(poly) / scale: all N/2 slots. The message must be below half of the product of the limbs.
  std::vector<double> decode(const ring::NttPoly& poly, double scale) const;

 private:
  /// In: bit-reversed coefficients; out: slots. inverse is the mirror, times N/2.
  void forward(std::span<std::complex<double>> values) const;
  void inverse(std::span<std::complex<double>> values) const;
  const ring::Basis* basis_;
  std::vector<std::complex<double>> roots_;  ///< level of `half` butterflies: [half + j] = exp(2 pi i 5^j / 8 half)
  std::vector<std::uint32_t> reversed_;      ///< bit reversal of N/2 indices
};

}  // namespace obscura::ckks
