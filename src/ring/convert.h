// SPDX-License-Identifier: Apache-2.0
/// From residues modulo some primes to residues modulo others.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ring/basis.h"

namespace obscura::ring {

/// Base conversion out of the modulus D = product of the source primes. With y_i = [x (D/q_i)^-1]_{q_i}, centred,
///   x = sum_i y_i D/q_i - v D,   v = round(sum_i y_i / q_i),
/// so that x is the representative of least magnitude. Without v the result is off by a multiple of D, |v| <=
/// (sources + 1) / 2, which key switching tolerates and a rounding division does not.
class Conversion {
 public:
  /// Indices into the basis.
  Conversion(const Basis& basis, std::vector<std::size_t> sources);

  std::span<const std::size_t> sources() const { return sources_; }
  /// (D/q_i)^-1 mod q_i: the factor for the inverse NTT of source i, which then yields y_i.
  double factor(std::size_t i) const { return factors_[i]; }
  /// D^-1 mod p of target basis prime t.
  double inverse(std::size_t t) const { return inverses_[t]; }
  /// D mod p of target basis prime t.
  double product(std::size_t t) const { return products_[t]; }

  /// out = v, from the y_i.
  void overflow(const double* const* y, double* out) const;
  /// out[k] = sum_i y_i D/q_i mod p of basis prime targets[k]; the term after the sources (with_overflow) is v. Tile by
  /// tile for all targets: the y_i are read from memory once.
  void convert(const double* const* y, bool with_overflow, std::span<const std::size_t> targets,
               double* const* out) const;

 private:
  const Basis* basis_;
  std::vector<std::size_t> sources_;
  std::vector<double> factors_;
  std::vector<double> fractions_;             ///< 1 / q_i
  double bound_ = 0;                          ///< of |y_i|
  std::vector<double> inverses_, products_;   ///< by basis index; 0 for the sources
  std::vector<std::vector<double>> weights_;  ///< [target]: D/q_i mod p, then -D mod p
};

}  // namespace obscura::ring
